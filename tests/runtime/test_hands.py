"""Boards at work: opened, numbered, left safe; meters, lamps and jobs. The board is the simulated one, broken where a test says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hal.api import (
    Board,
    CardPresented,
    Fault,
    FaultCode,
    Lamp,
    MeterRead,
    MeterReading,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerFailing,
    SignedMoment,
    Sink,
)
from hal.errors import BusError, DeviceError
from hal.sim.board import SimBoard, build
from hal.sim.world import World
from station.core.effects import Cancel, Indicate, Output, SignReading, Start
from station.core.events import Event, MeterFailed, SelfTested, SignedReading
from station.runtime import hands
from station.runtime.hands import BoardHost, StationHands
from station.runtime.supervise import Supervisor
from station.sim.loop import run

CHARGE = Output(1, permit=True, current_a=16.0, pilot=PilotSignal.PWM, locked=True)


class Balky:
    """A device that fails to start a number of times, or hangs, and remembers what it was asked."""

    def __init__(self, *, failures: int = 0, hangs: bool = False) -> None:
        self.failures = failures
        self.hangs = hangs
        self.asked: list[str] = []

    async def start(self, sink: Sink) -> None:
        self.asked.append("start")
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            raise BusError("nobody there")

    async def close(self) -> None:
        self.asked.append("close")
        if self.hangs:
            await asyncio.get_running_loop().create_future()


def bench(evses: int = 2) -> SimBoard:
    loop = asyncio.get_running_loop()
    return build({"name": "bench", "evses": evses}, World(loop.time, loop))


def on_virtual_time(work: Callable[[], Any]) -> None:
    run(work())


def test_the_stations_numbers() -> None:
    """EVSE 1 and 2 of the board are 3 and 4 of the station, in both directions."""

    async def work() -> None:
        sim = bench()
        heard: list[Event] = []
        host = BoardHost(sim.board, {1: 3, 2: 4}, heard.append)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(0.1)
        assert {event.evse for event in heard if isinstance(event, PilotChanged)} == {3, 4}
        heard.clear()
        sim.swipe("A", evse=2)
        sim.swipe("B")
        sim.fault(FaultCode.EMERGENCY_STOP)
        assert heard == [
            CardPresented(4, "A"),
            CardPresented(None, "B"),
            Fault(0, FaultCode.EMERGENCY_STOP, True),
        ]
        sim.clear(FaultCode.EMERGENCY_STOP)
        host.want(replace(CHARGE, evse=4))
        await asyncio.sleep(2.0)
        locks = [evse.lock for evse in sim.evses]
        assert [lock is not None and lock.bolt_in for lock in locks] == [False, True]
        sim.power_cut(warning=True)
        assert PowerFailing() in heard
        task.cancel()

    on_virtual_time(work)


def test_an_evse_that_the_station_does_not_use_is_not_heard() -> None:
    async def work() -> None:
        sim = bench()
        heard: list[Event] = []
        task = asyncio.ensure_future(BoardHost(sim.board, {1: 1}, heard.append).run())
        await asyncio.sleep(0.1)
        heard.clear()
        sim.swipe("A", evse=2)
        assert heard == []
        task.cancel()

    on_virtual_time(work)


def test_a_board_that_does_not_answer_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """One report when it is gone and one when it is back; what was opened before it is closed each time."""

    async def work() -> None:
        sim = bench(1)
        first, balky = Balky(), Balky(failures=3)
        heard: list[Event] = []
        host = BoardHost(replace(sim.board, devices=(first, balky, sim)), {1: 1}, heard.append)
        host.want(CHARGE)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(0.5)
        assert [event for event in heard if isinstance(event, Fault)] == [
            Fault(1, FaultCode.INTERNAL_ERROR, True, "nobody there")
        ]
        assert host.alive()
        assert host.alive(), "a board that is missing must not let the watchdog kill the program"
        await asyncio.sleep(10)
        assert [event for event in heard if isinstance(event, Fault)][1:] == [Fault(1, FaultCode.INTERNAL_ERROR, False)]
        assert first.asked == ["start", "close"] * 3 + ["start"]
        assert sim.evse(1).lock is not None
        assert sim.evse(1).lock.bolt_in, "the newest level is applied once the board is there"
        task.cancel()

    on_virtual_time(work)
    assert sum("cannot be opened" in record.message for record in caplog.records) == 1


def test_a_board_that_hangs_counts_as_one_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        hanging = Balky(hangs=True)
        heard: list[Event] = []
        host = BoardHost(replace(bench(1).board, devices=(hanging,)), {1: 1}, heard.append)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(hands.START_TIMEOUT_S + hands.CLOSE_TIMEOUT_S + 1)
        assert isinstance(heard[0], Fault)
        assert heard[0].info == "no answer within 30 s"
        task.cancel()

    with caplog.at_level(logging.ERROR):
        on_virtual_time(work)
    assert "closing: no answer within 5 s" in caplog.text


def test_a_driver_that_crashes_leaves_the_board_safe_and_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """LAW 4. The levels it had before the crash are applied again, from nothing."""

    async def work() -> None:
        sim = bench(1)
        permitted: list[bool] = []
        unit = sim.board.units[0]

        class Power:
            crash = True

            async def permit(self, allowed: bool, phases: int) -> None:
                if allowed and self.crash:
                    self.crash = False
                    raise ZeroDivisionError("a bug")
                permitted.append(allowed)
                await unit.power.permit(allowed, phases)

        closed = Balky()
        board = replace(sim.board, units=(replace(unit, power=Power()),), devices=(sim, closed))
        heard: list[Event] = []
        host = BoardHost(board, {1: 1}, heard.append)
        supervisor = Supervisor()
        supervisor.watch("board", host.run)
        await asyncio.sleep(0.1)
        host.want(CHARGE)
        await asyncio.sleep(0.1)
        assert closed.asked == ["start", "close"]
        assert heard[-1] == Fault(1, FaultCode.INTERNAL_ERROR, True, "the driver failed: ZeroDivisionError")
        await asyncio.sleep(5)
        assert permitted[-1] is True
        assert Fault(1, FaultCode.INTERNAL_ERROR, False) in heard
        await supervisor.close()

    on_virtual_time(work)
    assert "a bug" in caplog.text


class Fragile(Balky):
    """A device whose own task fails once, and which then cannot be switched; it reports a fault of its own, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self.life: asyncio.Task[None] | None = None
        self.well = asyncio.Event()

    async def start(self, sink: Sink) -> None:
        await super().start(sink)
        if self.asked.count("start") == 1:
            sink(Fault(1, FaultCode.GROUND_FAILURE, True))
        self.life = asyncio.get_running_loop().create_task(self._live())

    async def _live(self) -> None:
        await self.well.wait()
        raise ZeroDivisionError("a bug")

    async def close(self) -> None:
        await super().close()
        self.well.clear()


def test_a_driver_whose_own_task_fails_is_started_anew(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        sim = bench(1)
        fragile = Fragile()
        heard: list[Event] = []
        host = BoardHost(replace(sim.board, devices=(sim, fragile)), {1: 1}, heard.append)
        supervisor = Supervisor()
        supervisor.watch("board", host.run)
        await asyncio.sleep(1.0)
        fragile.well.set()
        await asyncio.sleep(0.1)
        assert heard[-1] == Fault(1, FaultCode.INTERNAL_ERROR, True, "the driver failed: ZeroDivisionError")
        await asyncio.sleep(5.0)
        assert fragile.asked == ["start", "close", "start"]
        ended = {event.code for event in heard if isinstance(event, Fault) and not event.active}
        assert ended == {FaultCode.INTERNAL_ERROR, FaultCode.GROUND_FAILURE}
        await supervisor.close()

    on_virtual_time(work)
    assert "a bug" in caplog.text


def test_a_driver_that_fails_while_it_starts_is_reported_and_started_anew(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Balky):
        async def start(self, sink: Sink) -> None:
            await super().start(sink)
            if self.asked.count("start") == 1:
                raise ZeroDivisionError("a bug")

    async def work() -> None:
        sim = bench(1)
        broken = Broken()
        heard: list[Event] = []
        host = BoardHost(replace(sim.board, devices=(broken, sim)), {1: 1}, heard.append)
        supervisor = Supervisor()
        supervisor.watch("board", host.run)
        await asyncio.sleep(5.0)
        faults = [event.active for event in heard if isinstance(event, Fault)]
        assert faults == [True, False]
        assert broken.asked == ["start", "close", "start"]
        await supervisor.close()

    on_virtual_time(work)
    assert "a bug" in caplog.text


def test_a_board_that_is_lost_and_does_not_obey_is_one_fault_until_both_are_over() -> None:
    """The driver's own report and that of a level that did not arrive have the same code."""

    async def work() -> None:
        sim = bench(1)
        unit = sim.board.units[0]
        lost = True

        class Power:
            async def permit(self, allowed: bool, phases: int) -> None:
                if lost:
                    raise BusError("not reached")
                await unit.power.permit(allowed, phases)

        heard: list[Event] = []
        host = BoardHost(replace(sim.board, units=(replace(unit, power=Power()),)), {1: 1}, heard.append)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(0.1)
        sim.fault(FaultCode.INTERNAL_ERROR, evse=1)
        host.want(CHARGE)
        await asyncio.sleep(0.2)
        sim.clear(FaultCode.INTERNAL_ERROR, evse=1)
        await asyncio.sleep(0.1)
        assert all(event.active for event in heard if isinstance(event, Fault))
        lost = False
        await asyncio.sleep(5.0)
        assert [event.active for event in heard if isinstance(event, Fault)] == [True, True, False]
        task.cancel()

    on_virtual_time(work)


class Register:
    """A meter that answers when told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.answer: asyncio.Future[MeterReading] | None = None

    async def read(self) -> MeterReading:
        self.reads += 1
        self.answer = asyncio.get_running_loop().create_future()
        return await self.answer


def hands_with(board: Board, heard: list[Event], rebooted: Callable[[str], None] = lambda _why: None) -> StationHands:
    return StationHands([BoardHost(board, {1: 1}, heard.append)], heard.append, None, rebooted)


def metered(meter: object | None) -> Board:
    board = bench(1).board
    return replace(board, units=(replace(board.units[0], meter=meter),))


def test_who_asks_for_a_reading_gets_one_taken_after_the_question() -> None:
    async def work() -> None:
        meter = Register()
        heard: list[Event] = []
        both = hands_with(metered(meter), heard)
        for _ in range(4):
            both.read_meter(1)
        await asyncio.sleep(0)
        assert meter.reads == 1
        assert meter.answer is not None
        meter.answer.set_result(MeterReading(1.0))
        await asyncio.sleep(0.01)
        assert meter.reads == 2
        meter.answer.set_result(MeterReading(2.0))
        await asyncio.sleep(0.01)
        assert meter.reads == 2
        assert heard == [MeterRead(1, MeterReading(1.0)), MeterRead(1, MeterReading(2.0))]
        await both.close()

    on_virtual_time(work)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(BusError("noise"), "noise"), (None, "no answer in 5 s"), (ZeroDivisionError("a bug"), "the driver failed")],
)
def test_a_reading_that_fails_is_told_and_the_next_one_works(
    error: Exception | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        meter = Register()
        heard: list[Event] = []
        both = hands_with(metered(meter), heard)
        both.read_meter(1)
        await asyncio.sleep(0)
        assert meter.answer is not None
        if error is not None:
            meter.answer.set_exception(error)
        await asyncio.sleep(6)
        assert heard == [MeterFailed(1, reason)]
        both.read_meter(1)
        await asyncio.sleep(0)
        meter.answer.set_result(MeterReading(3.0))
        await asyncio.sleep(0.01)
        assert heard[1:] == [MeterRead(1, MeterReading(3.0))]

    on_virtual_time(work)
    assert ("a bug" in caplog.text) is isinstance(error, ZeroDivisionError)


class Doubted(Register):
    """A meter that compares its readings."""

    accepted = 0

    def accept(self) -> None:
        self.accepted += 1


@pytest.mark.parametrize(
    ("own_c", "board_c", "told_c"), [(None, 61.0, 61.0), (40.0, 61.0, 40.0), (None, None, None), (None, "broken", None)]
)
def test_a_meter_without_temperature_gets_that_of_the_board(
    own_c: float | None, board_c: object, told_c: float | None
) -> None:
    """Derating goes by the sensors of the board, also when a separate meter is billed."""

    class Fixed:
        async def read(self) -> MeterReading:
            return MeterReading(1.0, temperature_c=own_c)

    class Sensors:
        async def temperature_c(self) -> float | None:
            if board_c == "broken":
                raise BusError("not reached")
            return board_c if isinstance(board_c, float) else None

    async def work() -> None:
        heard: list[Event] = []
        board = metered(Fixed())
        board = replace(board, units=(replace(board.units[0], thermometer=Sensors()),))
        hands_with(board, heard).read_meter(1)
        await asyncio.sleep(0.1)
        assert heard == [MeterRead(1, MeterReading(1.0, temperature_c=told_c))]

    on_virtual_time(work)


def test_a_meter_that_was_replaced_is_read_at_once() -> None:
    async def work() -> None:
        heard: list[Event] = []
        meter = Doubted()
        both = hands_with(metered(meter), heard)
        assert both.accept_meter(1)
        await asyncio.sleep(0)
        assert (meter.accepted, meter.answer is not None) == (1, True)
        assert not both.accept_meter(7), "there is none"
        assert not hands_with(metered(Register()), heard).accept_meter(1), "it doubts nothing"
        await both.close()

    on_virtual_time(work)


class Signer(Register):
    """A meter that signs at once, or fails, or says that the record comes later."""

    def __init__(self, signed: str | None = "OCMF|x", error: Exception | None = None, takes_s: float = 1.0) -> None:
        super().__init__()
        self.signed, self.error, self.takes_s = signed, error, takes_s

    async def sign(self, moment: SignedMoment, identification: str, wall_s: float | None) -> MeterReading:
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return MeterReading(5.0, signed=self.signed and f"{self.signed}{moment.value}{identification}{wall_s}")

    async def public_key(self) -> str:
        return "3059"


@pytest.mark.parametrize(
    ("meter", "told"),
    [
        (Signer(), (MeterReading(5.0, signed="OCMF|xBME7.0", public_key="3059"), "")),
        (Signer(signed=None), (MeterReading(5.0), "")),
        (Signer(error=DeviceError("is its time set?")), (None, "is its time set?")),
        (Signer(error=ZeroDivisionError("a bug")), (None, "the driver failed")),
        (Signer(takes_s=99.0), (None, "no signature in 24 s")),
        (Register(), (None, "it is no meter that signs")),
    ],
)
def test_signing(meter: Register, told: tuple[MeterReading | None, str]) -> None:
    async def work() -> None:
        heard: list[Event] = []
        both = hands_with(metered(meter), heard)
        both.sign_reading(SignReading(1, SignedMoment.BEGIN, "ME", 7.0))
        await asyncio.sleep(30)
        assert heard == [SignedReading(1, SignedMoment.BEGIN, *told)]

    on_virtual_time(work)


def test_no_meter_no_evse() -> None:
    async def work() -> None:
        heard: list[Event] = []
        both = hands_with(metered(None), heard)
        both.read_meter(1)
        both.read_meter(7)
        assert heard == [MeterFailed(1, "no meter"), MeterFailed(7, "no meter")]

    on_virtual_time(work)


@pytest.mark.parametrize(
    ("error", "passed", "info"),
    [
        (None, True, ""),
        (DeviceError("does not trip"), False, "does not trip"),
        (BusError("noise"), None, "noise"),
        (ZeroDivisionError("a bug"), False, "the driver failed"),
        ("silence", False, "no answer within 30 s"),
    ],
)
def test_a_self_test_always_gets_an_answer(
    error: object, passed: bool | None, info: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Tester:
        async def self_test(self) -> None:
            if isinstance(error, Exception):
                raise error
            await asyncio.sleep(1000 if error else 3)

    async def work() -> None:
        heard: list[Event] = []
        board = bench(1).board
        both = hands_with(replace(board, units=(replace(board.units[0], rcd=Tester()),)), heard)
        both.self_test(1)
        await asyncio.sleep(31)
        both.self_test(7)
        assert heard == [
            SelfTested(1, passed, info),
            SelfTested(7, None, "there is no device that can test itself"),
        ]
        both.self_test(1)
        await asyncio.sleep(0)
        await both.close()
        await asyncio.sleep(31)
        assert len(heard) == (2 if error in (None, "silence") else 3), "one under way at the end is not told"

    on_virtual_time(work)
    assert ("a bug" in caplog.text) is isinstance(error, ZeroDivisionError)


def test_nothing_is_submitted_after_close() -> None:
    async def work() -> None:
        heard: list[Event] = []
        both = hands_with(metered(Register()), heard)
        both.read_meter(1)
        await asyncio.sleep(0)
        await both.close()
        assert heard == []

    on_virtual_time(work)


def test_lamps_and_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    """A lamp that fails is worth a line in the log, nothing more. A station without jobs says so. A reboot is passed on."""

    async def work() -> None:
        shown: list[Lamp] = []

        class Indicator:
            async def show(self, lamp: Lamp) -> None:
                if lamp is Lamp.FAULT:
                    raise BusError("lamp gone")
                shown.append(lamp)

        board = bench(1).board
        board = replace(board, units=(replace(board.units[0], indicator=Indicator()),))
        why: list[str] = []
        both = hands_with(board, [], why.append)
        both.indicate(Indicate(1, Lamp.CHARGING))
        both.indicate(Indicate(1, Lamp.FAULT))
        both.indicate(Indicate(9, Lamp.CHARGING))
        both.start_job(Start("j1", "upload", {}))
        both.cancel_job(Cancel("j1"))
        both.reboot("RemoteReset")
        await asyncio.sleep(0.01)
        assert shown == [Lamp.CHARGING]
        assert why == ["RemoteReset"]

    on_virtual_time(work)
    assert "EVSE 1: lamp: lamp gone" in caplog.text
    assert "job j1 (upload) cannot run" in caplog.text


def test_outputs_reach_the_board() -> None:
    """A car at the board charges when told so, and the pilot says C."""

    async def work() -> None:
        from hal.sim.car import Car
        from hal.sim.car_settings import CarSettings

        sim = bench(1)
        heard: list[Event] = []
        host = BoardHost(sim.board, {1: 1}, heard.append)
        both = StationHands([host], heard.append, None, lambda _why: None)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(0.1)
        sim.plug(1, Car(CarSettings()))
        both.output(CHARGE)
        await asyncio.sleep(10)
        assert PilotChanged(1, PilotState.C) in heard
        both.read_meter(1)
        await asyncio.sleep(60)
        both.read_meter(1)
        await asyncio.sleep(1)
        readings = [event.reading for event in heard if isinstance(event, MeterRead)]
        assert readings[-1].energy_import_wh > readings[0].energy_import_wh
        task.cancel()

    on_virtual_time(work)
