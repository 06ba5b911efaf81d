"""The bench: power, network, restarts, speed, with the embedded CSMS and with one over the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hal.api import FaultCode
from hal.errors import DeviceError
from station.errors import ConfigError, StationError, StoreError
from station.sim.csms import EmbeddedCsms
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings, run_lab
from station.sim.loop import ScaledScheduler, VirtualLoop
from station.store.sqlite import SqliteStore

ID = "PILOT-1"


def play(work: Callable[[Lab], Coroutine[Any, Any, Any]], **settings: Any) -> Any:
    return run_lab(LabSettings(csms_fast=True, **settings), work)


async def until(check: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.01)


# --- virtual ----------------------------------------------------------------------------------------------------------


def test_run_lab_gives_back_what_the_play_gives() -> None:
    async def work(lab: Lab) -> str:
        return lab.settings.identity

    assert play(work) == ID


def test_the_embedded_csms_needs_virtual_time() -> None:
    async def work() -> None:
        Lab(LabSettings())

    with pytest.raises(StationError, match="run_lab"):
        asyncio.run(work())


def test_the_same_seed_gives_the_same_frames() -> None:
    def frames(seed: str) -> list[str]:
        async def work(lab: Lab) -> list[str]:
            heard: list[str] = []
            lab.on_frame(lambda _wall, _direction, text, _action, _verdict: heard.append(text))
            await asyncio.sleep(5)
            lab.plug(1)
            await asyncio.sleep(1)
            lab.swipe()
            await asyncio.sleep(300)
            return heard

        return list(play(work, seed=seed))

    assert frames("a") == frames("a")
    assert frames("a") != frames("b")


def test_a_bench_that_cannot_be_set_up_leaves_nothing_behind(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "station.db", threaded=False, now_wall=lambda: 0.0)
    try:
        with pytest.raises(StoreError, match=r"station\.db"):
            play(lambda _lab: asyncio.sleep(0), folder=tmp_path)
    finally:
        store.close()
    with pytest.raises(ConfigError, match="identity"):
        play(lambda _lab: asyncio.sleep(0), identity="")
    play(lambda _lab: asyncio.sleep(0), folder=tmp_path)


def test_leaving_while_time_stands_still() -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        lab.plug(1)
        lab.set_speed(0)

    play(work)


def test_other_settings_at_the_next_start() -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        lab.reconfigure(versions=("1.6",), variables={"TxCtrlr.EVConnectionTimeOut": "45"})
        assert lab.running.client.version == "2.0.1"
        await lab.restart()
        await asyncio.sleep(60)
        assert lab.running.client.version == "1.6"
        with pytest.raises(ConfigError, match="seed: belongs to the bench"):
            lab.reconfigure(seed="2", versions=("2.0.1",))
        assert lab.settings.versions == ("1.6",), "all or nothing"

    play(work, versions=("2.0.1", "1.6"))


def test_without_power_nothing_answers() -> None:
    async def work(lab: Lab) -> None:
        await lab.power_cut()
        assert not lab.powered
        with pytest.raises(StationError, match="no power"):
            lab.view()
        with pytest.raises(StationError, match="no power"):
            await lab.power_cut()
        assert not lab.swipe()
        assert not lab.pin("1234")
        assert not lab.button()
        await lab.power_on()
        await lab.power_on()
        assert lab.boots == 2

    play(work)


def test_a_reboot_that_the_station_asks_for_and_a_cut_in_the_middle_of_it() -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        assert lab.csms is not None
        await lab.csms.call(ID, "Reset", {"type": "Immediate"})
        await lab.power_cut()
        await lab.power_on()
        await asyncio.sleep(60)
        assert lab.running.client.online
        assert lab.csms.station(ID).complaints == []

    play(work)


def test_a_station_that_does_not_come_up_again_is_told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        lab._open_store = lambda: (_ for _ in ()).throw(StoreError("the disk is gone"))  # type: ignore[method-assign]  # the failure itself
        assert lab.csms is not None
        await lab.csms.call(ID, "Reset", {"type": "Immediate"})
        await asyncio.sleep(10)
        assert not lab.powered

    with caplog.at_level(logging.CRITICAL):
        play(work, folder=tmp_path)
    assert "the disk is gone" in caplog.text


def test_what_people_do() -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        car = lab.plug(1, {"soc_percent": 50.0})
        assert car.soc_percent == 50.0
        await asyncio.sleep(1)
        assert lab.swipe()
        await asyncio.sleep(60)
        with pytest.raises(DeviceError, match="locked"):
            lab.unplug(1)
        lab.fault(FaultCode.EMERGENCY_STOP, 1)
        await asyncio.sleep(1)
        assert not lab.view().evse(1).relay_closed
        lab.clear(FaultCode.EMERGENCY_STOP, 1)
        await asyncio.sleep(1)
        assert lab.view().evse(1).faults == ()
        lab.unplug(1, at_car=True)

    play(work)


def test_why_there_is_no_connection() -> None:
    async def work(lab: Lab) -> None:
        await asyncio.sleep(5)
        assert lab.trouble is None
        assert lab.csms is not None
        await lab.csms.go_offline()
        await asyncio.sleep(30)
        assert lab.trouble
        await lab.csms.go_online()
        await asyncio.sleep(300)
        assert lab.trouble is None
        await lab.power_cut()
        assert lab.trouble is None

    play(work)


# --- over the network -------------------------------------------------------------------------------------------------


async def test_towards_a_csms_over_the_network(tmp_path: Path) -> None:
    """Scaled physics, a real link; the cable pulled and plugged in again; power; time standing still."""
    async with EmbeddedCsms(KNOWN_TOKENS, websocket=True) as csms:
        settings = LabSettings(
            csms_url=csms.url,
            speed=50.0,
            folder=tmp_path,
            variables={"OCPPCommCtrlr.RetryBackOffWaitMinimum": "1", "OCPPCommCtrlr.RetryBackOffRandomRange": "0"},
        )
        async with Lab(settings) as lab:
            seen = csms.station(ID)
            await until(lambda: lab.running.client.online)
            lab.plug(1)
            lab.swipe()
            await until(lambda: lab.view().evse(1).relay_closed)
            await lab.offline()
            assert not lab.online
            await until(lambda: not lab.running.client.online)
            assert lab.trouble is None, "nobody has to be told that he pulled the plug"
            await lab.go_online()
            await until(lambda: lab.running.client.online)
            lab.set_speed(0)
            await lab.power_cut()
            await lab.power_on()
            await until(lambda: len(seen.boots) == 2)
            lab.set_speed(60)
            await until(lambda: any(tx.ended for tx in seen.transactions.values()))
            assert seen.complaints == []


async def test_a_csms_that_nobody_is() -> None:
    async with Lab(LabSettings(csms_url="ws://127.0.0.1:9", evses=1)) as lab:
        await until(lambda: lab.trouble is not None)
        assert "refused" in str(lab.trouble).lower()
        await lab.offline()
        await lab.power_cut()
        await lab.power_on()
        assert not lab.online
        assert lab.trouble is None


def test_run_lab_takes_the_loop_that_fits() -> None:
    async def virtual(lab: Lab) -> None:
        assert isinstance(lab.scheduler, VirtualLoop)

    async def real(lab: Lab) -> None:
        assert isinstance(lab.scheduler, ScaledScheduler)

    play(virtual)
    play(real, csms_url="ws://127.0.0.1:9")
