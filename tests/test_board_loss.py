"""A running station loses its board in the middle of a charge, and gets it back: each driver under the whole core, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hal.api import Board, FaultCode
from station import firmware
from station.app import StationApp
from station.app_setup import Surroundings
from station.core.view import EvseView
from station.sim.loop import DEFAULT_WALL, run
from station.store.sqlite import SqliteStore
from tests.hal.mcu_bench import McuBench
from tests.hal.modbus_board_bench import Bench as ModbusBench
from tests.hal.openevse_bench import Bench as OpenEvseBench
from tests.hal.relay_bench import CoilBench

PATIENCE_S = 60.0
AWAY_S = 120.0
CONFIG = """\
[station]
id = "CS001"
[csms]
url = "ws://127.0.0.1:9"
[store]
path = "station.db"
[[board]]
driver = "sim"
evses = [1]
[variables]
"AuthCtrlr.Enabled" = false
"""


@dataclass
class Wired:
    """A driver, the emulated board at its wire, and what may happen to it."""

    board: Board
    arrive: Callable[[], object]
    unplug: Callable[[], None]
    plug: Callable[[], None]
    closed: Callable[[], object]


def _serial(bench: OpenEvseBench | McuBench) -> Wired:
    def plug() -> None:
        bench.port.unplugged = False

    return Wired(
        bench.board,
        lambda: bench.port.order(car="asks"),
        bench.port.unplug,
        plug,
        lambda: bench.port.order(look=True)["relay"],
    )


def _modbus(name: str) -> Wired:
    bench = ModbusBench(name)

    def plug() -> None:
        bench.cable.unplugged = False

    return Wired(bench.board, lambda: bench.order(car="asks"), bench.cable.unplug, plug, lambda: bench.look()["relay"])


def _relay() -> Wired:
    bench = CoilBench("mirror", "vehicle", "demand")

    def plug() -> None:
        bench.cable.unplugged = False

    return Wired(
        bench.driver.board,
        lambda: bench.order(vehicle=True, asks=True),
        bench.cable.unplug,
        plug,
        lambda: bench.order(look=True)["closed"],
    )


BOARDS: dict[str, Callable[[], Wired]] = {
    "openevse": lambda: _serial(OpenEvseBench()),
    "yeti": lambda: _serial(McuBench("yeti")),
    "tida": lambda: _serial(McuBench("tida")),
    "evse_wb": lambda: _modbus("evse_wb"),
    "phoenix_ev_ser": lambda: _modbus("phoenix_ev_ser"),
    "heidelberg": lambda: _modbus("heidelberg"),
    "relay": _relay,
}


async def _until(check: Callable[[], Any], what: str, app: StationApp) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not check():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never: {what}; {app.view().evse(1)}") from None


async def _session(name: str, folder: Path) -> None:
    file = folder / "station.toml"
    file.write_text(CONFIG)
    wired = BOARDS[name]()
    around = Surroundings(
        boards=lambda: {"0": wired.board},
        open_store=lambda: SqliteStore.open(folder / "station.db", threaded=False, now_wall=lambda: DEFAULT_WALL),
    )
    app = StationApp(firmware.setup_of(firmware.load_settings(file)), around)

    def evse() -> EvseView:
        return app.view().evse(1)

    await app.start()
    try:
        await asyncio.sleep(5.0)
        wired.arrive()
        await _until(lambda: evse().relay_closed and wired.closed(), "charging", app)
        wired.unplug()
        await _until(lambda: FaultCode.INTERNAL_ERROR in evse().faults, "the loss is told", app)
        await asyncio.sleep(AWAY_S)
        assert FaultCode.INTERNAL_ERROR in evse().faults
        wired.plug()
        await _until(lambda: not evse().faults, "the fault ends by itself", app)
        await _until(lambda: evse().relay_closed and wired.closed(), "charging again, without a restart", app)
    finally:
        await app.stop()
    assert not wired.closed(), "it is left safe"


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_the_adapter_of_a_board_is_pulled_and_plugged_in_again(name: str, tmp_path: Path) -> None:
    run(_session(name, tmp_path))
