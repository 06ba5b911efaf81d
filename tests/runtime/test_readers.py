"""Readers at work: opened as soon as that can be, told of when it cannot, let go of at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hal.api import CardPresented, Fault, FaultCode, HalEvent, Sink
from hal.errors import BusError, HalError
from station.runtime import readers
from station.runtime.fault_sources import FaultSources
from station.runtime.readers import ReaderHost
from station.runtime.supervise import Supervisor
from station.sim.loop import run


class Reader:
    """Fails to start a number of times."""

    def __init__(self, failures: int = 0, *, hangs: bool = False, stuck: bool = False, evse: int = 0) -> None:
        self.name = "/dev/reader"
        self.evse = evse
        self.failures = failures
        self.hangs = hangs
        self.stuck = stuck
        self.closing: HalError | None = None
        self.tried: list[float] = []
        self.sink: Sink | None = None

    async def start(self, sink: Sink) -> None:
        self.tried.append(asyncio.get_running_loop().time())
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            raise BusError("no such port")
        self.sink = sink

    async def close(self) -> None:
        self.sink = None
        if self.closing is not None:
            raise self.closing
        if self.stuck:
            await asyncio.get_running_loop().create_future()


def test_events_pass_as_they_are() -> None:
    async def main() -> None:
        reader, heard = Reader(), list[HalEvent]()
        task = asyncio.ensure_future(ReaderHost(reader, heard.append).run())
        await asyncio.sleep(1)
        assert reader.sink is not None
        reader.sink(CardPresented(7, "A"))
        assert heard == [CardPresented(7, "A")]
        task.cancel()
        await asyncio.wait([task])
        assert reader.sink is None, "it is let go of"

    run(main())


def test_one_that_is_not_there_is_told_once_and_tried_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        reader, heard = Reader(failures=4, evse=2), list[HalEvent]()
        task = asyncio.ensure_future(ReaderHost(reader, heard.append).run())
        await asyncio.sleep(10)
        assert heard == [Fault(2, FaultCode.READER_FAILURE, True, "no such port")]
        await asyncio.sleep(10)
        assert heard[1:] == [Fault(2, FaultCode.READER_FAILURE, False)]
        first = reader.tried[0]
        assert [round(at - first) for at in reader.tried] == [0, 1, 3, 7, 15]
        task.cancel()

    run(main())
    assert sum("cannot be opened" in record.message for record in caplog.records) == 1


def test_one_that_hangs_at_the_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        reader, heard = Reader(hangs=True, stuck=True), list[HalEvent]()
        task = asyncio.ensure_future(ReaderHost(reader, heard.append).run())
        await asyncio.sleep(readers.START_TIMEOUT_S + 0.5)
        assert heard == [Fault(0, FaultCode.READER_FAILURE, True, "/dev/reader: no answer within 30 s")]
        reader.hangs = False
        await asyncio.sleep(5)
        assert heard[1:] == [Fault(0, FaultCode.READER_FAILURE, False)]
        task.cancel()
        await asyncio.wait([task])

    run(main())
    assert "closing: no answer within 5 s" in caplog.text


def test_trouble_at_the_end_is_logged_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        reader = Reader()
        reader.closing = BusError("it is gone")
        task = asyncio.ensure_future(ReaderHost(reader, [].append).run())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "it is gone" in caplog.text


def test_two_readers_of_the_station_are_one_fault_until_both_are_back() -> None:
    async def main() -> None:
        heard = list[HalEvent]()
        faults = FaultSources(heard.append)
        first, second = Reader(failures=1), Reader(failures=3)
        second.name = "/dev/other"
        tasks = [asyncio.ensure_future(ReaderHost(one, heard.append, faults).run()) for one in (first, second)]
        await asyncio.sleep(5)
        assert [event.active for event in heard if isinstance(event, Fault)] == [True, True]
        await asyncio.sleep(10)
        assert [event.active for event in heard if isinstance(event, Fault)] == [True, True, False]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run(main())


def test_a_reader_whose_own_task_fails_is_opened_anew(caplog: pytest.LogCaptureFixture) -> None:
    class Fragile(Reader):
        life: asyncio.Task[None] | None = None

        async def start(self, sink: Sink) -> None:
            await super().start(sink)
            self.life = asyncio.get_running_loop().create_task(self._live(len(self.tried)))

        async def _live(self, number: int) -> None:
            await asyncio.sleep(1.0 if number == 1 else 1000.0)
            raise ZeroDivisionError("a bug")

    async def main() -> None:
        heard = list[HalEvent]()
        reader = Fragile()
        supervisor = Supervisor()
        supervisor.watch("reader", ReaderHost(reader, heard.append).run)
        await asyncio.sleep(10)
        assert [event.active for event in heard if isinstance(event, Fault)] == [True, False]
        assert len(reader.tried) == 2
        await supervisor.close()

    run(main())
    assert "a bug" in caplog.text
