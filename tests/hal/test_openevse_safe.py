"""The safe command of the OpenEVSE driver after its program has gone without a word, on virtual time."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

import pytest

from hal.api import PilotSignal, PilotState
from hal.drivers import openevse
from hal.drivers.openevse_safe import let_go, make_safe
from hal.drivers.openevse_settings import OpenEvseSettings, read_settings
from hal.errors import BusError, ConfigError, DeviceError
from station.sim.loop import run
from tests.hal.openevse_bench import Bench, MemoryPort

SETTINGS: OpenEvseSettings = read_settings({"port": "/dev/memory"})


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def wrapper(*args: object, **kwargs: object) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        run(main())

    return wrapper


async def abandoned(rest: bytes = b"") -> MemoryPort:
    """A board in the middle of a charge, whose program has gone with `rest` of a command on the wire."""
    bench = await Bench().start()
    bench.port.order(car="asks")
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await bench.listener.pilot(PilotState.C)
    await bench.unit.power.permit(True, 1)
    await bench.listener.relay(True)
    await bench.port.write(rest)
    await bench.driver._end_task()
    await bench.driver._link.close()
    assert bench.port.device.facts()["relay"] is True
    return MemoryPort(bench.port.device)


@virtual
@pytest.mark.parametrize("rest", [b"", b"$SC 3", b"$", b"\xff\x00$$FE :0"])
async def test_a_charging_board_sleeps_and_its_relay_is_seen_open(rest: bytes) -> None:
    port = await abandoned(rest)
    before = len(port.device.log)
    await let_go(SETTINGS, port)
    facts = port.order(look=True)
    assert facts["relay"] is False
    assert facts["mode"] == "P12"
    assert port.device.log[before] == "FS", "nothing is asked before the vehicle is told to stop"
    assert "FE" not in port.device.log[before:]
    with pytest.raises(BusError):
        await port.write(b"$GS")  # the port is let go


@virtual
async def test_a_vehicle_that_does_not_stop_is_opened_under_load() -> None:
    """OpenEVSE gives the vehicle 3 s after FS; whatever keeps the relay closed then, FD opens it."""
    port = await abandoned()
    port.order(obeys=False, stubborn=True)
    await let_go(SETTINGS, port)
    assert port.order(look=True)["relay"] is False


@virtual
async def test_lost_and_damaged_answers() -> None:
    port = await abandoned()
    port.order(lose_replies=1)
    await let_go(SETTINGS, port)
    port.order(corrupt_replies=1)
    await let_go(SETTINGS, port)
    assert port.order(look=True)["relay"] is False


@virtual
async def test_who_is_not_there_is_told_soon() -> None:
    port = await abandoned()
    port.order(deaf=True)
    with pytest.raises(BusError, match="does not answer"):
        await let_go(SETTINGS, port)
    port.unplugged = True
    with pytest.raises(BusError, match="gone"):
        await let_go(SETTINGS, port)


class Welded(MemoryPort):
    """A board that always says that its relay is closed: `GS` with flag 0040."""

    async def write(self, data: bytes) -> None:
        words, _, _ = data.decode("ascii").rstrip("\r").rpartition("^")
        sequence = words.rpartition(":")[2]
        text = f"$OK 08 0 fe 0142 :{sequence}" if words.startswith("$GS") else f"$OK :{sequence}"
        check = functools.reduce(lambda a, b: a ^ b, text.encode("ascii"))
        self._say(f"{text}^{check:02X}\r".encode("ascii"))


@virtual
async def test_a_relay_that_stays_closed_is_an_error() -> None:
    port = await abandoned()
    with pytest.raises(DeviceError, match="still closed"):
        await let_go(SETTINGS, Welded(port.device))


async def test_it_is_what_the_registry_looks_for() -> None:
    assert openevse.make_safe is make_safe
    with pytest.raises(ConfigError, match="port"):
        await make_safe({})
    with pytest.raises(BusError, match="no such port"):
        await make_safe({"port": "/dev/nowhere"})
