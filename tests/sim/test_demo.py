"""The session that plays by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from station.sim import demo
from station.sim.demo import Demo
from station.sim.lab import Lab, LabSettings, run_lab


@pytest.fixture(autouse=True)
def _small_batteries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full in minutes."""
    monkeypatch.setattr(demo, "CARS", tuple({**car, "capacity_wh": 2_000.0} for car in demo.CARS))


def play(work: Callable[[Lab], Coroutine[Any, Any, None]], **settings: Any) -> None:
    run_lab(LabSettings(csms_fast=True, **settings), work)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_cars_come_charge_until_they_are_full_and_leave(version: str) -> None:
    async def work(lab: Lab) -> None:
        task = asyncio.ensure_future(Demo(lab, pause_s=15.0).run())
        await asyncio.sleep(40)
        assert lab.view().evse(1).relay_closed, "within a few seconds at ten times the speed"
        await asyncio.sleep(3600)
        assert lab.csms is not None
        seen = lab.csms.station("PILOT-1")
        ended = [tx for tx in seen.transactions.values() if tx.ended]
        assert len(ended) >= 2
        assert seen.complaints == []
        assert not task.done()
        task.cancel()

    play(work, versions=(version,))


def test_one_evse_is_enough() -> None:
    async def work(lab: Lab) -> None:
        task = asyncio.ensure_future(Demo(lab, pause_s=5.0).run())
        await asyncio.sleep(3600)
        assert lab.csms is not None
        assert sum(tx.ended for tx in lab.csms.station("PILOT-1").transactions.values()) >= 2
        task.cancel()

    play(work, evses=1)


@pytest.mark.parametrize("after_s", [1.0, 7.0, 13.0, 200.0])
def test_it_hands_over_whenever_it_is_told(after_s: float) -> None:
    async def work(lab: Lab) -> None:
        show = Demo(lab, pause_s=5.0)
        task = asyncio.ensure_future(show.run())
        await asyncio.sleep(after_s)
        show.over = True
        car = lab.board.car(1)
        await asyncio.sleep(300)
        assert task.done()
        assert lab.board.car(1) is car, "what is plugged stays plugged"

    play(work)


def test_a_power_cut_ends_it() -> None:
    async def work(lab: Lab) -> None:
        task = asyncio.ensure_future(Demo(lab, pause_s=5.0).run())
        await asyncio.sleep(60)
        await lab.power_cut()
        await asyncio.sleep(300)
        assert task.done()
        assert task.exception() is None

    play(work)


def test_the_card() -> None:
    async def work(lab: Lab) -> None:
        assert Demo(lab, pause_s=1.0, token="MINE").card(2) == "MINE"
        own = Demo(lab, pause_s=1.0)
        assert own.card(1) != own.card(2)

    play(work)
