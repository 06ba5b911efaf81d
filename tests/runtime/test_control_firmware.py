"""The table over the host of `station run`: a program that starts and stops, real commands, and no bench."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import jsonschema
import pytest

from station.app import StationApp
from station.errors import ControlError
from station.firmware_host import FirmwareHost
from station.runtime.control import TABLE, Controller
from station.runtime.control_command import describe
from station.runtime.control_types import Json
from station.runtime.supervise import Notifier
from station.sim.lab import Lab, LabSettings, run_lab


class Firmware:
    """A station's program, started as `station run` starts it, on boards and a network of a lab whose own program is stopped."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host = FirmwareHost(lab._setup(), Notifier({}, 1), lambda: StationApp(lab._setup(), lab._around()))
        self.control = Controller(self.host)

    async def do(self, command: str, /, **arguments: Any) -> Json:
        result = await self.control.do(command, arguments)
        jsonschema.validate(result, describe(TABLE[command])["returns"])
        return result

    def car(self, evse: int) -> None:
        """Somebody plugs a car in."""
        self.lab.plug(evse)


def play(work: Callable[[Firmware], Coroutine[Any, Any, None]], version: str = "2.0.1") -> None:
    async def main(lab: Lab) -> None:
        await lab.stop()
        station = Firmware(lab)
        await station.host.start()
        await asyncio.sleep(5)
        try:
            await work(station)
        finally:
            await station.host.close()

    run_lab(LabSettings(versions=(version,), csms_fast=True), main)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_technicians_session(version: str) -> None:
    async def work(station: Firmware) -> None:
        station.car(1)
        await station.do("swipe", token="04A1B2C3", evse=1)
        await asyncio.sleep(60)
        state = await station.do("state")
        evse = state["evses"][0]
        assert (evse["relay_closed"], evse["token"], evse["car"]) == (True, "04A1B2C3", None)
        assert state["station"]["speed"] == 1.0
        assert (state["station"]["connected"], state["station"]["trouble"]) == (True, None)
        frames = (await station.do("frames", evse=1))["frames"]
        assert frames
        await station.do("fault", code="GroundFailure", evse=1)
        assert (await station.do("state"))["evses"][0]["faults"] == ["GroundFailure"]
        await station.do("clear", code="GroundFailure", evse=1)
        await station.do("pin", digits="1234", evse=2)
        await station.do("button", evse=2)
        tx = (await station.do("transactions"))["transactions"][0]
        assert tx["events"] > 1
        await station.do("set_key", key="HeartbeatInterval", value="99")
        await station.do("set", variables={"TxCtrlr.EVConnectionTimeOut": 33})
        await station.do("availability", operative=False, evse=2)
        await station.do("send", action="Heartbeat")
        await station.do("clock_jump", by_s=100)

    play(work, version)


def test_what_needs_the_bench_is_not_supported() -> None:
    async def work(station: Firmware) -> None:
        for name, cls in TABLE.items():
            if not cls.needs_bench:
                continue
            arguments = {
                "identify": {"id": "X"},
                "charge": {"duration": 1},
                "wait": {"duration": 1},
                "speed": {"factor": 1},
            }
            more = {
                "ev": {"state": "C"},
                "meter": {"energy_wh": 1},
                "temperature": {"celsius": 20},
                "wire": {"plugged": False},
            }
            with pytest.raises(ControlError, match="no simulated board") as caught:
                await station.control.do(name, {**arguments, **more}.get(name, {}))
            assert caught.value.code == "unsupported", name

    play(work)


def test_stopping_and_restarting() -> None:
    async def work(station: Firmware) -> None:
        before = (await station.do("frames"))["newest"]
        assert await station.do("restart") == {"boots": 2}
        await asyncio.sleep(60)
        assert (await station.do("state"))["station"]["online"]
        assert (await station.do("frames"))["newest"] > before, "it listens to the new program"
        with pytest.raises(ControlError, match="configuration file") as caught:
            await station.do("restart", versions=["1.6"])
        assert caught.value.problems[0].field == "versions"
        with pytest.raises(ControlError, match="runs already"):
            await station.do("start")
        await station.do("stop")
        state = await station.do("state")
        assert (state["station"]["running"], state["evses"]) == (False, [])
        for command, arguments in (("swipe", {}), ("queue", {}), ("stop", {}), ("send_raw", {"text": "x"})):
            with pytest.raises(ControlError) as caught:
                await station.control.do(command, arguments)
            assert caught.value.code == "conflict", command
        assert await station.do("start") == {"boots": 3}

    play(work)
