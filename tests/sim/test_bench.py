"""A lab as the command table sees it: waiting, pausing, coming back, what is shown of it."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import BayChanged, FaultCode
from station.errors import ControlError, StationError
from station.sim.bench import LabHost
from station.sim.lab import Lab, run_lab
from station.sim.lab_settings import STATION, LabSettings


def play(work, **settings) -> None:
    run_lab(LabSettings(csms_fast=True, **settings), work)


def test_waiting_for_something() -> None:
    async def work(lab: Lab) -> None:
        host = lab.host
        asyncio.get_running_loop().call_later(7.0, lab.fault, FaultCode.WEAK_SIGNAL)
        began = host.time()
        assert await host.until(lambda: bool(lab.board.evse(1).faults), 60)
        assert host.time() - began == 7.0, "an event wakes it, not a clock"
        assert not await host.until(lambda: False, 12)
        assert host.time() - began == 19.0
        assert not await host.until(lambda: False, 0)
        assert await host.until(lambda: True, 0)

    play(work)


def test_pause_and_resume_keep_the_speed() -> None:
    async def work(lab: Lab) -> None:
        host = lab.host
        for speed in (None, 500.0):
            host.set_speed(speed)
            host.pause()
            host.pause()
            assert (host.speed, host.standing_still) == (0.0, True)
            host.resume()
            host.resume()
            assert host.speed == speed
        host.set_speed(0.0)
        host.resume()
        assert host.speed in {1.0, 500.0}

    play(work)


def test_a_car_comes_back() -> None:
    async def work(lab: Lab) -> None:
        heard: list[tuple[int, str, bool]] = []
        lab.on_plug(lambda evse, car, _wh, again: heard.append((evse, car.settings.name, again)))
        with pytest.raises(StationError, match="no car was at EVSE 1"):
            lab.host.plug_again(1, 32)
        lab.host.plug_car(1, {"name": "a"}, 32)
        lab.host.unplug(1)
        assert lab.host.plug_again(1, 32).name == "a"
        lab.host.unplug(1)
        lab.host.plug_car(1, {"name": "b"}, 32)
        assert heard == [(1, "a", False), (1, "a", True), (1, "b", False)]
        with pytest.raises(ControlError, match="curve"):
            lab.host.plug_car(2, {"curve": ((50.0, 1.0), (40.0, 1.0))}, 32)
        with pytest.raises(ControlError, match="nothing is plugged in"):
            lab.host.unplug(2)

    play(work)


def test_what_the_program_is_told_at_its_next_start() -> None:
    async def work(lab: Lab) -> None:
        assert {"identity", "boot_reason", "vendor"} <= STATION
        lab.host.reconfigure(identity="CP-9", boot_reason="ScheduledReset", serial="S-9")
        assert lab.running.setup.identity == "PILOT-1"
        await lab.host.restart()
        assert (lab.running.setup.identity, lab.running.setup.serial) == ("CP-9", "S-9")
        assert (lab.running.setup.boot_reason, lab.settings.boot_reason) == ("ScheduledReset", None)
        await lab.host.stop()
        assert (lab.host.program, lab.host.powered, lab.powered) == (None, True, False)
        await lab.host.start()
        await lab.host.start()
        assert lab.host.boots == 3
        await lab.host.power_cut()
        with pytest.raises(StationError, match="no power"):
            await lab.host.start()

    play(work)


def test_only_people_and_faults_are_injected() -> None:
    async def work(lab: Lab) -> None:
        assert isinstance(lab.host, LabHost)
        assert lab.host is lab.host
        assert not lab.host.inject(BayChanged(1, True))

    play(work)


async def test_towards_a_foreign_csms_time_is_scaled() -> None:
    async with Lab(LabSettings(csms_url="ws://127.0.0.1:9/ocpp?token=secret", speed=50.0)) as lab:
        host = lab.host
        assert host.about.url == "ws://127.0.0.1:9/ocpp"
        with pytest.raises(ControlError, match="embedded CSMS") as caught:
            host.set_speed(None)
        assert caught.value.problems[0].field == "factor"
        began = host.time()
        await host.sleep(2.0)
        assert 2.0 <= host.time() - began < 20.0
        assert not await host.until(lambda: False, 1.0)
        host.pause()
        assert host.standing_still
        host.resume()
        assert host.speed == 50.0
