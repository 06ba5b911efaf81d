"""A station in a process of its own, to be killed: real loop, real websocket, threaded database, simulated hardware.

    python -m tests.durability.station_child FOLDER URL VERSION work|rest

The meters' registers outlive it in FOLDER/meters.json, written at every reading. While it works, a driver comes, charges
and leaves, again and again; at rest it only delivers what is left, says "delivered" and ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hal.api import Board, Meter, MeterReading
from hal.sim.board import SimBoard, build
from hal.sim.car import Car
from hal.sim.world import World
from station.app import EvseSetup, StationApp, StationSetup, Surroundings, file_store
from station.core.types import ChargingState
from station.sim.loop import ScaledScheduler, sleep

SPEED = 200.0
TOKENS = ("04A1B2C3", "0BADCAFE")


class RememberingMeter:
    """A meter whose registers are in a file before anybody hears of them."""

    def __init__(self, meter: Meter, board: SimBoard, file: Path, evse: int) -> None:
        self._meter = meter
        self._evse = evse
        self._board = board
        self._file = file

    async def read(self) -> MeterReading:
        reading = await self._meter.read()
        state = self._board.state()
        # Time goes on between the two lines: what was told must be what is remembered, to the last digit.
        state[str(self._evse)]["energy_import_wh"] = reading.energy_import_wh
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="ascii")
        os.replace(new, self._file)
        return reading


def board_in(folder: Path, scheduler: ScaledScheduler) -> tuple[SimBoard, Board]:
    """The board with the registers that it had when it was killed, as it was made and with meters that remember."""
    sim = build({"name": "sim", "evses": 2}, World(scheduler.time, scheduler))
    file = folder / "meters.json"
    if file.exists():
        sim.restore(json.loads(file.read_text(encoding="ascii")))
    units = tuple(
        replace(unit, meter=RememberingMeter(unit.meter, sim, file, unit.evse))
        for unit in sim.board.units
        if unit.meter is not None
    )
    return sim, replace(sim.board, units=units)


async def drive(app: StationApp, sim: SimBoard, scheduler: ScaledScheduler, evse: int) -> None:
    """A driver comes, charges and leaves, for ever."""
    while True:
        sim.plug(evse, Car())
        await sleep(scheduler, 2)
        sim.swipe(TOKENS[evse - 1], evse=evse)
        await sleep(scheduler, 60 + 25 * evse)
        transaction = app.view().evse(evse).transaction
        if transaction is not None and transaction.charging_state is ChargingState.CHARGING:
            sim.swipe(TOKENS[evse - 1], evse=evse)
        await sleep(scheduler, 4)
        while sim.car(evse) is not None:
            lock = sim.evse(evse).lock
            if lock is None or not lock.bolt_in:
                sim.unplug(evse)
            await sleep(scheduler, 2)


async def tell_when_delivered(app: StationApp) -> None:
    """Says so when the CSMS has everything. What is on its way to the disk is not seen, so it must stay so for a while."""
    quiet = 0
    while quiet < 25:
        await asyncio.sleep(0.02)
        running = any(evse.transaction is not None for evse in app.view().evses)
        quiet = quiet + 1 if app.client.online and not running and not len(app.client.records) else 0
    print("delivered", flush=True)


async def main(folder: Path, url: str, version: str, mode: str) -> None:
    loop = asyncio.get_running_loop()
    scheduler = ScaledScheduler(loop, SPEED)
    sim, board = board_in(folder, scheduler)
    boards: Mapping[str, Board] = {"sim": board}
    variables = {
        "SampledDataCtrlr.TxUpdatedInterval": "15",
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
        "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    }
    setup = StationSetup(
        "KILL-1", url, (version,), (EvseSetup(1, "sim", 1), EvseSetup(2, "sim", 2)), variables=variables
    )
    around = Surroundings(
        boards=lambda: boards,
        open_store=file_store(folder / "station.db", lambda: 0.0),
        scheduler=scheduler,
        seed="killed",
        host_boot=lambda: "the same host",
        speed=lambda: SPEED,
    )
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    app = StationApp(setup, around)
    await app.start()
    print("up", flush=True)
    if mode == "work":
        tasks = [loop.create_task(drive(app, sim, scheduler, evse)) for evse in (1, 2)]
    else:
        tasks = [loop.create_task(tell_when_delivered(app))]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:5]))
