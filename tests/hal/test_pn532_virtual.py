"""The PN532 driver on virtual time: what an idle hour costs, and that every presentation counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import CardPresented, Fault, FaultCode, HalEvent
from hal.drivers.pn532 import Pn532, read_settings
from hal.emulators.openevse.device import OpenEvseEmulator
from hal.emulators.pn532 import create as emulate
from station.sim.loop import run
from tests.hal.openevse_bench import MemoryPort

CARDS = ("04A1B2C3D4E5F6", "DEADBEEF", "0102030405060708090A")


class Port(MemoryPort):
    """The emulated chip behind a port on virtual time."""

    @property
    def is_open(self) -> bool:
        return self._open

    def discard(self) -> bytes:
        taken = bytes(self._arrived)
        self._arrived.clear()
        return taken


class Bench:
    def __init__(self, **options: object) -> None:
        self.chip = emulate({})
        self.port = Port(cast("OpenEvseEmulator", self.chip))
        self.heard: list[HalEvent] = []
        self.reader = Pn532(read_settings({"port": "/dev/null", **options}), self.port)

    def values(self) -> list[str]:
        return [event.value for event in self.heard if isinstance(event, CardPresented)]


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main)


def test_an_idle_minute_costs_ten_or_eleven_exchanges() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.reader.start(bench.heard.append)
        before = bench.chip.commands
        await asyncio.sleep(3600.0)
        assert bench.chip.commands - before <= 660
        assert bench.heard == []
        await bench.reader.close()

    virtual(main())


def test_who_comes_is_known_within_a_look() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.reader.start(bench.heard.append)
        for _ in range(20):
            await asyncio.sleep(7.13)
            bench.port.order(card=CARDS[0])
            await asyncio.sleep(0.35)
            assert bench.values() == [CARDS[0]]
            bench.heard.clear()
            bench.port.order(card="none")
        await bench.reader.close()

    virtual(main())


@pytest.mark.parametrize("after_s", [0.0, 3.0, 5.9])
def test_a_silent_chip_is_told_of_within_ten_seconds(after_s: float) -> None:
    async def main() -> None:
        bench = Bench()
        await bench.reader.start(bench.heard.append)
        await asyncio.sleep(after_s)
        bench.port.order(deaf=True)
        await asyncio.sleep(10.0)
        assert [(e.code, e.active) for e in bench.heard if isinstance(e, Fault)] == [(FaultCode.READER_FAILURE, True)]
        bench.port.order(deaf=False)
        await asyncio.sleep(10.0)
        assert isinstance(bench.heard[-1], Fault)
        assert not bench.heard[-1].active
        await bench.reader.close()

    virtual(main())


def test_a_card_lying_there_for_hours_counts_once() -> None:
    async def main() -> None:
        bench = Bench()
        bench.port.order(card=CARDS[0])
        await bench.reader.start(bench.heard.append)
        await asyncio.sleep(3 * 3600.0)
        assert bench.values() == [CARDS[0]]
        await bench.reader.close()

    virtual(main())


VISITS = st.lists(st.tuples(st.sampled_from(CARDS), st.floats(0.7, 8.0), st.floats(2.8, 20.0)), max_size=12)


@settings(max_examples=40)
@given(VISITS, st.sampled_from(["auto", "list"]), st.sampled_from([0.15, 0.3]))
def test_every_presentation_counts_once(visits: list[tuple[str, float, float]], mode: str, poll_s: float) -> None:
    async def main() -> None:
        bench = Bench(mode=mode, poll_s=poll_s)
        await bench.reader.start(bench.heard.append)
        for uid, stays_s, away_s in visits:
            bench.port.order(card=uid)
            await asyncio.sleep(stays_s)
            bench.port.order(card="none")
            await asyncio.sleep(away_s)
        assert bench.values() == [uid for uid, _, _ in visits]
        await bench.reader.close()

    virtual(main())
