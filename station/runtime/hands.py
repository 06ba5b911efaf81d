"""The hands of the core: boards, meters, lamps and jobs, by EVSE number of the station.

A board numbers its EVSEs from 1; the station gives them numbers of its own. Here, and only here, one becomes the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hal.api import (
    Board,
    CheckedMeter,
    Device,
    EvseUnit,
    Fault,
    FaultCode,
    HalEvent,
    Indicator,
    Living,
    Meter,
    MeterRead,
    PowerFailing,
    Rcd,
    SigningMeter,
    Thermometer,
)
from hal.errors import BusError, DeviceError, HalError
from station.core.effects import Cancel, Indicate, Output, SignReading, Start
from station.core.events import Event, MeterFailed, SelfTested, SignedReading
from station.runtime.fault_sources import FaultSources
from station.runtime.jobs import Jobs
from station.runtime.outputs import BoardOutputs

log = logging.getLogger("station.hands")

# Longer than a Modbus meter needs for its repetitions, with others on its line: it then says itself what is wrong.
METER_TIMEOUT_S = 5.0
TEMPERATURE_TIMEOUT_S = 2.0
# Less than the core waits (station.core.signing): it shall know why there is none.
SIGN_TIMEOUT_S = 24.0
SELF_TEST_TIMEOUT_S = 30.0
START_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
OPEN_RETRY_FIRST_S = 1.0
OPEN_RETRY_MOST_S = 60.0
# Who reports faults of a board (see FaultSources).
DRIVER, OUTPUTS, HOST = "driver", "outputs", "host"

Submit = Callable[[Event], None]


class BoardHost:
    """One board at work: opened, kept open, translated, closed.

    numbers: the board's EVSE number -> the station's. faults: shared by all who may report a fault of the station as a whole.
    """

    __slots__ = ("_board", "_faults", "_lost", "_numbers", "_outputs", "_submit", "_wanted", "units")

    def __init__(
        self, board: Board, numbers: Mapping[int, int], submit: Submit, faults: FaultSources | None = None
    ) -> None:
        self._board = board
        self._numbers = dict(numbers)
        self._submit = submit
        self.units: dict[int, EvseUnit] = {
            numbers[unit.evse]: replace(unit, evse=numbers[unit.evse]) for unit in board.units if unit.evse in numbers
        }
        self._wanted: dict[int, Output] = {}
        self._outputs: BoardOutputs | None = None
        self._lost = False
        self._faults = faults or FaultSources(submit)

    def want(self, output: Output) -> None:
        """Make `output` the level of its EVSE, as soon as the board is there; returns at once."""
        self._wanted[output.evse] = output
        if self._outputs is not None:
            self._outputs.want(output)

    async def run(self) -> None:
        """Open the devices, then converge on outputs until cancelled. A board that does not answer is tried again.

        What a driver raises beside HalError is a bug: the board is left safe, and the next `run` begins from nothing.
        """
        delay = OPEN_RETRY_FIRST_S
        try:
            while not await self._open():
                await asyncio.sleep(delay)
                delay = min(delay * 2, OPEN_RETRY_MOST_S)
            # A board just opened is at none of the levels that it had before.
            outputs = self._outputs = BoardOutputs(
                replace(self._board, units=tuple(self.units.values())), self._not_obeyed
            )
            for output in self._wanted.values():
                outputs.want(output)
            await self._converge(outputs)
        except Exception as error:
            self._outputs = None
            self._lost = True  # its end is reported when the board is open again
            self._report(active=True, info=f"the driver failed: {type(error).__name__}")
            await self.close()
            raise

    async def _converge(self, outputs: BoardOutputs) -> None:
        """Until cancelled, or until the task of a driver has failed: raises what it failed of, for nobody else is waiting for it."""
        working = asyncio.get_running_loop().create_task(outputs.run())
        waiting = {working} | {
            asyncio.ensure_future(device.life)
            for device in self._board.devices
            if isinstance(device, Living) and device.life is not None
        }
        try:
            while working in waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not task.cancelled():  # one that is closed ends its task itself
                        task.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _open(self) -> bool:
        opened: list[Device] = []
        self._faults.begin_anew(self._source(DRIVER))
        self._faults.begin_anew(self._source(OUTPUTS))
        try:
            for device in self._board.devices:
                opened.append(device)
                await self._start(device)
        except HalError as error:
            if not self._lost:
                log.error("board %s cannot be opened, tried again: %s", self._board.name, error)
                self._report(active=True, info=str(error))
            self._lost = True
            await self._close(opened)
            return False
        self._faults.settle(self._source(DRIVER))
        self._faults.settle(self._source(OUTPUTS))  # its levels are told anew
        if self._lost:
            log.info("board %s answers", self._board.name)
            self._report(active=False)
            self._lost = False
        return True

    async def _start(self, device: Device) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await device.start(self._take)
        except TimeoutError as error:
            raise DeviceError(f"no answer within {START_TIMEOUT_S:g} s") from error

    def _report(self, *, active: bool, info: str = "") -> None:
        for evse in self.units:
            self._faults.report(self._source(HOST), Fault(evse, FaultCode.INTERNAL_ERROR, active, info))

    def _source(self, part: str) -> str:
        return f"{part} of board {self._board.name}"

    def _not_obeyed(self, fault: Fault) -> None:
        self._faults.report(self._source(OUTPUTS), fault)

    def alive(self) -> bool:
        """False when an output has been waiting for its board for too long (see `BoardOutputs.stuck`).

        A board that does not answer is no reason to restart the program: it is being tried again.
        """
        return self._outputs is None or not self._outputs.stuck()

    async def close(self) -> None:
        """Leave the hardware safe."""
        await self._close(self._board.devices)

    async def _close(self, devices: Sequence[Device]) -> None:
        for device in reversed(devices):
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await device.close()
            except HalError as error:
                log.error("board %s: closing: %s", self._board.name, error)
            except TimeoutError:
                log.error("board %s: closing: no answer within %g s", self._board.name, CLOSE_TIMEOUT_S)

    def _take(self, event: HalEvent) -> None:
        """An event of the board, with the station's number."""
        if isinstance(event, Fault):
            if event.evse == 0 or event.evse in self._numbers:
                self._faults.report(self._source(DRIVER), replace(event, evse=self._numbers.get(event.evse, 0)))
        elif isinstance(event, PowerFailing) or event.evse is None or event.evse == 0:
            self._submit(event)
        elif event.evse in self._numbers:
            self._submit(replace(event, evse=self._numbers[event.evse]))


class StationHands:
    """`Hands` of the gateway over all boards. `rebooted` is called with the reason when the core wants a restart."""

    __slots__ = (
        "_closed",
        "_host_of",
        "_jobs",
        "_read_again",
        "_reading",
        "_rebooted",
        "_submit",
        "_tasks",
        "_units",
        "hosts",
    )

    def __init__(
        self, hosts: Iterable[BoardHost], submit: Submit, jobs: Jobs | None, rebooted: Callable[[str], None]
    ) -> None:
        self.hosts = tuple(hosts)
        self._submit = submit
        self._jobs = jobs
        self._rebooted = rebooted
        self._host_of = {evse: host for host in self.hosts for evse in host.units}
        self._units = {evse: unit for host in self.hosts for evse, unit in host.units.items()}
        self._reading: set[int] = set()
        self._read_again: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def output(self, output: Output) -> None:
        self._host_of[output.evse].want(output)

    def read_meter(self, evse: int) -> None:
        """Read soon. A reading asked for while one is on its way is read afresh after it: the asker wants what is true now."""
        unit = self._units.get(evse)
        if unit is None or unit.meter is None:
            self._submit(MeterFailed(evse, "no meter"))
        elif evse in self._reading:
            self._read_again.add(evse)
        else:
            self._reading.add(evse)
            self._spawn(self._read(evse, unit.meter, unit.thermometer))

    def accept_meter(self, evse: int) -> bool:
        """Believe the next reading of a meter that was replaced, and read it. False: it is not one that is doubted."""
        unit = self._units.get(evse)
        if unit is None or not isinstance(unit.meter, CheckedMeter):
            return False
        unit.meter.accept()
        self.read_meter(evse)
        return True

    async def _read(self, evse: int, meter: Meter, thermometer: Thermometer | None) -> None:
        event: Event = MeterFailed(evse, "the driver failed")
        try:
            async with asyncio.timeout(METER_TIMEOUT_S):
                reading = await meter.read()
            event = MeterRead(evse, reading)
            if reading.temperature_c is None and thermometer is not None:
                event = MeterRead(evse, replace(reading, temperature_c=await self._temperature(evse, thermometer)))
        except HalError as error:
            event = MeterFailed(evse, str(error))
        except TimeoutError:
            event = MeterFailed(evse, f"no answer in {METER_TIMEOUT_S:g} s")
        finally:
            again = evse in self._read_again
            self._read_again.discard(evse)
            self._reading.discard(evse)
            if not self._closed:
                self._submit(event)
        if again:
            self.read_meter(evse)

    async def _temperature(self, evse: int, thermometer: Thermometer) -> float | None:
        """A board that does not tell costs no reading; that it is lost is reported by itself."""
        try:
            async with asyncio.timeout(TEMPERATURE_TIMEOUT_S):
                return await thermometer.temperature_c()
        except (HalError, TimeoutError) as error:
            log.debug("EVSE %d: temperature: %s", evse, error)
            return None

    def sign_reading(self, effect: SignReading) -> None:
        """Have the meter sign what it shows; SignedReading follows. Plain readings go on meanwhile."""
        unit = self._units.get(effect.evse)
        if unit is None or not isinstance(unit.meter, SigningMeter):
            self._submit(SignedReading(effect.evse, effect.moment, None, "it is no meter that signs"))
        else:
            self._spawn(self._sign(effect, unit.meter))

    async def _sign(self, effect: SignReading, meter: SigningMeter) -> None:
        reading, info = None, "the driver failed"
        try:
            async with asyncio.timeout(SIGN_TIMEOUT_S):
                found = await meter.sign(effect.moment, effect.identification, effect.wall_s)
                if found.signed is not None:
                    found = replace(found, public_key=await meter.public_key())
                reading = found
        except HalError as error:
            info = str(error)
        except TimeoutError:
            info = f"no signature in {SIGN_TIMEOUT_S:g} s"
        finally:
            if not self._closed:
                self._submit(SignedReading(effect.evse, effect.moment, reading, "" if reading is not None else info))

    def self_test(self, evse: int) -> None:
        """Let the residual-current device test itself; SelfTested follows."""
        unit = self._units.get(evse)
        if unit is None or unit.rcd is None:
            self._submit(SelfTested(evse, None, "there is no device that can test itself"))
        else:
            self._spawn(self._self_test(evse, unit.rcd))

    async def _self_test(self, evse: int, rcd: Rcd) -> None:
        event = SelfTested(evse, False, "the driver failed")
        try:
            async with asyncio.timeout(SELF_TEST_TIMEOUT_S):
                await rcd.self_test()
            event = SelfTested(evse, True)
        except BusError as error:
            event = SelfTested(evse, None, str(error))
        except HalError as error:
            event = SelfTested(evse, False, str(error))
        except TimeoutError:
            event = SelfTested(evse, False, f"no answer within {SELF_TEST_TIMEOUT_S:g} s")
        finally:
            if not self._closed:
                self._submit(event)

    def indicate(self, effect: Indicate) -> None:
        unit = self._units.get(effect.evse)
        if unit is not None and unit.indicator is not None:
            self._spawn(self._show(unit.indicator, effect))

    async def _show(self, indicator: Indicator, effect: Indicate) -> None:
        try:
            await indicator.show(effect.lamp)
        except HalError as error:
            log.warning("EVSE %d: lamp: %s", effect.evse, error)

    def start_job(self, effect: Start) -> None:
        if self._jobs is None:
            log.error("job %s (%s) cannot run: this station runs no jobs", effect.job, effect.kind)
            return
        self._jobs.start(effect.job, effect.kind, effect.arguments)

    def cancel_job(self, effect: Cancel) -> None:
        if self._jobs is not None:
            self._jobs.cancel(effect.job)

    def reboot(self, reason: str) -> None:
        self._rebooted(reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a driver failed in a way that it should not", exc_info=error)

    async def close(self) -> None:
        """End readings under way; nothing is submitted any more."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
