"""A running station loses its meter and its reader, and gets them back: real drivers, pseudo terminals, devices in other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hal.api import Board, FaultCode
from hal.assemble import with_meters
from hal.drivers.modbus_meter import Buses
from hal.emulators.process import EmulatorProcess
from hal.registry import create_meter
from hal.sim.board import SimBoard, build
from hal.sim.car import Car
from hal.sim.world import World
from station import firmware
from station.app import StationApp
from station.app_setup import Surroundings, file_store
from station.clock import Now
from station.core.effects import Effect, Record
from station.core.events import Event, MeterFailed
from station.core.facts import TxFact
from station.core.types import TxPhase
from station.core.view import EvseView
from station.sim.loop import DEFAULT_WALL, ScaledScheduler

SPEED = 20.0
"""Core and vehicle; the wires have real time."""
PATIENCE_S = 60.0
CARD = "04A1B2C3D4E5F6"
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
[[meter]]
evse = 1
model = "sdm630"
port = "{folder}/rs485"
retries = 0
timeout_s = 0.2
[[reader]]
kind = "pn532"
port = "{folder}/reader"
poll_s = 0.15
debounce_s = 0.4
timeout_s = 0.2
[variables]
"AuthCtrlr.OfflineTxForUnknownIdEnabled" = true
"SampledDataCtrlr.TxEndedMeasurands" = "Energy.Active.Import.Register"
"""


class Bench:
    """The station, its simulated board, and what it has recorded."""

    def __init__(self, folder: Path) -> None:
        file = folder / "station.toml"
        file.write_text(CONFIG.format(folder=folder))
        self.settings = firmware.load_settings(file)
        self.time = ScaledScheduler(asyncio.get_running_loop(), SPEED)
        self.sim: SimBoard = build({"fixed_cable": True}, World(now=self.time.time, scheduler=self.time))
        self.facts: list[TxFact] = []
        self.failures: list[str] = []
        around = Surroundings(
            boards=self._boards,
            open_store=file_store(folder / "station.db", lambda: DEFAULT_WALL),
            scheduler=self.time,
            readers=lambda: firmware.readers_of(self.settings),
        )
        self.app = StationApp(replace(firmware.setup_of(self.settings), meter_poll_s=2.0), around)
        self.app.gateway.listen(self._turn)

    def _boards(self) -> dict[str, Board]:
        buses = Buses()
        meter = create_meter(self.settings.meters[0].of_driver, buses)
        return {"0": with_meters(self.sim.board, {1: meter}, buses)}

    def _turn(self, event: Event | None, effects: list[Effect], _now: Now) -> None:
        self.facts += [e.fact for e in effects if isinstance(e, Record) and isinstance(e.fact, TxFact)]
        if isinstance(event, MeterFailed):
            self.failures.append(event.reason)

    @property
    def evse(self) -> EvseView:
        return self.app.view().evse(1)

    async def until(self, check: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not check():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never: {what}; {self.evse}") from None

    async def fault(self, code: FaultCode, active: bool) -> None:
        def there() -> bool:
            return code in (*self.evse.faults, *self.app.view().faults)

        await self.until(lambda: there() is active, f"{code} {active}")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    bench = Bench(folder)
    await bench.app.start()
    try:
        yield bench
    finally:
        await bench.app.stop()


@pytest.fixture
async def devices(tmp_path: Path) -> AsyncIterator[tuple[EmulatorProcess, EmulatorProcess]]:
    meter = EmulatorProcess("modbus_meter", link=tmp_path / "rs485", meters="sdm630")
    reader = EmulatorProcess("pn532", link=tmp_path / "reader")
    async with meter, reader:
        yield meter, reader


async def test_meter_and_reader_are_pulled_out_and_plugged_in_again(
    tmp_path: Path, devices: tuple[EmulatorProcess, EmulatorProcess]
) -> None:
    """The session is suspended, told why, and goes on without a restart; what cannot be believed is not billed."""
    meter, reader = devices
    async with running(tmp_path) as bench:
        await bench.until(lambda: bench.evse.reading is not None, "a first reading")
        bench.sim.plug(1, Car())
        await reader.tell(card=CARD)
        await bench.until(lambda: bench.evse.relay_closed, "charging")
        assert bench.evse.token is not None
        assert bench.evse.token.value == CARD
        await reader.tell(card="none")
        await meter.tell(power_w=[2300, 2300, 2300])
        before = bench.evse.transaction
        assert before is not None

        # the adapter of the meter
        await meter.tell(hang_up=True)
        await bench.fault(FaultCode.METER_FAILURE, active=True)
        assert "/rs485" in bench.failures[-1]
        await bench.until(lambda: not bench.evse.relay_closed, "energy that nobody counts is not sold")
        assert bench.evse.transaction is not None, "it is suspended, not ended"
        await meter.tell(plug_in=True, power_w=[0, 0, 0])
        await bench.fault(FaultCode.METER_FAILURE, active=False)
        await bench.until(lambda: bench.evse.relay_closed, "charging again")
        assert bench.evse.transaction.tx_id == before.tx_id

        # the adapter of the reader: charging goes on
        await reader.tell(hang_up=True)
        await bench.fault(FaultCode.READER_FAILURE, active=True)
        assert bench.evse.relay_closed
        await reader.tell(plug_in=True)
        await bench.fault(FaultCode.READER_FAILURE, active=False)

        # a register that runs backwards
        good = bench.evse.reading
        assert good is not None
        await meter.tell(energy_import_wh=1.0)
        await bench.fault(FaultCode.METER_FAILURE, active=True)
        assert "runs backwards" in bench.failures[-1]
        await reader.tell(card=CARD)
        await bench.until(lambda: bench.evse.transaction is None, "the end of the session")
        assert bench.facts[-1].phase is TxPhase.ENDED
        registers = [value.value for sample in bench.facts[-1].samples for value in sample.values]
        assert registers[-1] == pytest.approx(good.energy_import_wh, abs=0.1), "the last one that was believed"

        # somebody has replaced it
        assert bench.app.accept_meter(1)
        await bench.fault(FaultCode.METER_FAILURE, active=False)
        assert bench.evse.reading is not None
        assert bench.evse.reading.energy_import_wh < good.energy_import_wh
    assert not [name for name in ("rs485", "reader") if not (tmp_path / name).exists()]


async def test_a_station_starts_without_its_devices(tmp_path: Path) -> None:
    """They are told of, and used once they are there."""
    async with running(tmp_path) as bench:
        await bench.fault(FaultCode.READER_FAILURE, active=True)
        await bench.fault(FaultCode.METER_FAILURE, active=True)
        assert "is the adapter plugged in?" in bench.failures[-1]
        async with (
            EmulatorProcess("modbus_meter", link=tmp_path / "rs485", meters="sdm630"),
            EmulatorProcess("pn532", link=tmp_path / "reader"),
        ):
            await bench.fault(FaultCode.METER_FAILURE, active=False)
            await bench.fault(FaultCode.READER_FAILURE, active=False)
