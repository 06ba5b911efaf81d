"""The server of emulated devices: its wire, its knobs, its process."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hal.bus.serial import Line, SerialPort
from hal.emulators.__main__ import create, names, setting
from hal.emulators.process import EmulatorProcess
from hal.emulators.serve import Emulated, PtyPlug, Server, TcpPlug, WireKnobs
from hal.errors import BusError, ConfigError


class Parrot:
    """Says what it hears, and `hello` a while after it has got power."""

    def __init__(self, hello_s: float | None = None) -> None:
        self.powered = True
        self.hello_s = hello_s
        self._due: float | None = None
        self.loud = False
        self.heard = b""

    def feed(self, data: bytes, now: float) -> bytes:
        self.heard += data
        return data.upper() if self.loud else data

    def due(self, now: float) -> float | None:
        if self._due is None and self.hello_s is not None:
            self._due = now + self.hello_s
        return self._due

    def tick(self, now: float) -> bytes:
        self.hello_s = self._due = None
        return b"hello"

    def power(self, on: bool, now: float) -> None:
        self.powered = on
        if on:
            self.hello_s = 0.0

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        if order.keys() != {"loud"}:
            raise ConfigError(f"unknown orders: {', '.join(order)}")
        self.loud = order["loud"] is True
        return {"loud": self.loud}


def served(device: Emulated, plug: PtyPlug | TcpPlug) -> Server:
    server = Server(device, plug, random.Random(1))
    server.start()
    return server


@pytest.mark.parametrize("kind", [PtyPlug, TcpPlug])
async def test_a_device_answers_speaks_by_itself_and_is_unplugged(kind: type[PtyPlug] | type[TcpPlug]) -> None:
    device = Parrot()
    server = served(device, kind())
    port = SerialPort(Line(server.port))
    await port.open()
    await port.write(b"abc")
    assert await port.read() == b"abc"
    assert server.obey({"loud": True}) == {"loud": True}
    await port.write(b"abc")
    assert await port.read() == b"ABC"

    server.obey({"brown_out": True})
    assert not device.powered
    await port.write(b"lost")
    await asyncio.sleep(0.02)
    assert port.discard() == b""
    server.obey({"power_on": True})
    assert await port.read() == b"hello"

    server.obey({"hang_up": 0.02})
    with pytest.raises(BusError):
        await port.read()
    await asyncio.sleep(0.05)
    port = SerialPort(Line(server.port))
    await port.open()
    await port.write(b"again")
    assert await port.read() == b"AGAIN"
    await port.close()
    server.stop()
    server.stop()


async def test_a_stable_name_survives_a_hang_up(tmp_path: Path) -> None:
    link = tmp_path / "board0"
    server = served(Parrot(), PtyPlug(link))
    assert server.port == str(link)
    before = link.readlink()
    server.obey({"hang_up": True})
    assert not link.is_symlink()
    server.obey({"plug_in": True})
    assert link.readlink() != before or link.exists()
    port = SerialPort(Line(server.port))
    await port.open()
    await port.write(b"x")
    assert await port.read() == b"x"
    await port.close()
    server.stop()
    assert not link.is_symlink()


async def test_a_slow_wire_keeps_order() -> None:
    device = Parrot()
    server = served(device, PtyPlug())
    port = SerialPort(Line(server.port))
    await port.open()
    server.obey({"delay_s": 0.03})
    started = asyncio.get_running_loop().time()
    await port.write(b"1")
    while device.heard != b"1":  # the kernel passes it on when it likes: two writes may arrive as one
        await asyncio.sleep(0.001)
    await port.write(b"2")
    got = b""
    while len(got) < 2:
        got += await port.read()
    assert got == b"12"
    assert asyncio.get_running_loop().time() - started >= 0.055
    await port.close()
    server.stop()


async def test_what_is_no_link_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"link: .*is no symbolic link"):
        served(Parrot(), PtyPlug(file))
    assert file.read_text() == "mine"


async def test_what_was_under_way_at_a_hang_up_never_arrives() -> None:
    server = served(Parrot(), TcpPlug())
    port = SerialPort(Line(server.port))
    await port.open()
    server.obey({"delay_s": 0.05})
    await port.write(b"late")
    await asyncio.sleep(0.02)
    server.obey({"hang_up": True})
    server.obey({"plug_in": True, "delay_s": 0})
    await port.close()
    await port.open()
    await asyncio.sleep(0.06)
    assert port.discard() == b""
    await port.close()
    server.stop()


def test_orders_need_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hal.emulators", "modbus_meter"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--forever" in done.stderr


def test_knobs_of_the_wire() -> None:
    knobs = WireKnobs(random.Random(3))
    assert knobs.spoil(b"whole") == b"whole"
    knobs.turn("noise", 1)
    noisy = knobs.spoil(b"whole")
    assert noisy.endswith(b"whole")
    assert len(noisy) > 5
    knobs.turn("noise", 0.0)
    knobs.turn("flip", 1.0)
    assert sum((a ^ b).bit_count() for a, b in zip(knobs.spoil(b"whole"), b"whole", strict=True)) == 1
    knobs.turn("truncate", 1.0)
    assert len(knobs.spoil(b"whole")) < 5
    knobs.turn("drop", 1.0)
    assert knobs.spoil(b"whole") == b""
    for wrong in (True, "1", -0.1, 1.1):
        with pytest.raises(ConfigError, match=r"drop: must be a chance"):
            knobs.turn("drop", wrong)


@pytest.mark.parametrize("order", [{"hang_up": False}, {"brown_out": -1}, {"delay_s": "x"}, {"what": 1}])
async def test_a_wrong_order_names_its_field(order: dict[str, object]) -> None:
    server = served(Parrot(), PtyPlug())
    with pytest.raises(ConfigError, match=next(iter(order))):
        server.obey(order)
    server.stop()


def test_settings_of_the_command_line() -> None:
    assert setting("a=1") == ("a", 1)
    assert setting("a=sdm630@1") == ("a", "sdm630@1")
    assert setting("a=true") == ("a", True)
    assert not {"serve", "modbus_signing"} & set(names())
    with pytest.raises(ModuleNotFoundError):
        create("nothing", {})


async def test_a_process_that_does_not_start_says_why() -> None:
    with pytest.raises(ConfigError, match=r"did not start: .*meters"):
        await EmulatorProcess("modbus_meter", meters="no-such-meter@1").start()


async def test_a_device_in_its_own_process(tmp_path: Path) -> None:
    async with EmulatorProcess("modbus_meter", link=tmp_path / "meter", meters="sdm120@1") as emulator:
        assert emulator.port == str(tmp_path / "meter")
        assert await emulator.tell(noise=0.0) == {}
        with pytest.raises(ConfigError, match="noise"):
            await emulator.tell(noise=7)
    with pytest.raises(BusError, match="not running"):
        await emulator.tell(noise=0.0)


def test_help_tells_the_knobs() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "hal.emulators", "--help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "hang_up" in text
    assert "modbus_meter" in text
