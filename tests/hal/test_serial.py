"""The serial line over real pseudo terminals and real TCP."""

from __future__ import annotations

import asyncio
import errno
import os
import pty
import socket
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.bus.serial import Line, SerialPort
from hal.errors import BusError, ConfigError


class Wire:
    """A pseudo terminal; `master` is the device's side."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self._open = True

    def hang_up(self) -> None:
        if self._open:
            self._open = False
            os.close(self.master)
            os.close(self.slave)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.hang_up()


@pytest.mark.parametrize("parity", ["N", "E", "O"])
@pytest.mark.parametrize("stop_bits", [1, 2])
async def test_bytes_pass_both_ways_and_the_port_opens_again(wire: Wire, parity: str, stop_bits: int) -> None:
    port = SerialPort(Line(wire.path, 19200, parity, stop_bits))
    for _ in range(3):
        await port.open()
        await port.open()  # no second time
        every = bytes(range(256))
        await port.write(every)
        assert os.read(wire.master, 1000) == every
        os.write(wire.master, every)
        got = b""
        while len(got) < 256:
            got += await port.read(100)
        assert got == every
        await port.close()
        await port.close()


async def test_a_read_waits_and_a_cancelled_one_leaves_nothing_behind(wire: Wire) -> None:
    port = SerialPort(Line(wire.path))
    await port.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await port.read()
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    with pytest.raises(BusError, match="another task is reading"):
        await port.read()
    os.write(wire.master, b"abc")
    assert await reading == b"abc"
    await port.close()


async def test_what_nobody_read_can_be_thrown_away(wire: Wire) -> None:
    port = SerialPort(Line(wire.path))
    await port.open()
    assert port.discard() == b""
    os.write(wire.master, b"stale")
    await asyncio.sleep(0.01)
    assert port.discard() == b"stale"
    await port.close()


async def test_close_wakes_whoever_reads(wire: Wire) -> None:
    port = SerialPort(Line(wire.path))
    await port.open()
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    await port.close()
    with pytest.raises(BusError, match="closed; open it first"):
        await reading
    with pytest.raises(BusError, match="closed; open it first"):
        await port.write(b"x")


async def test_a_port_that_is_opened_again_at_once_is_not_read_by_whom_it_was_closed_on(wire: Wire) -> None:
    port = SerialPort(Line(wire.path))
    await port.open()
    old = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    await port.close()
    await port.open()
    os.write(wire.master, b"new")
    assert await port.read() == b"new"
    with pytest.raises(BusError, match="closed"):
        await old
    os.write(wire.master, b"more")
    assert await port.read() == b"more"
    await port.close()


async def test_an_adapter_that_is_pulled_out_and_plugged_in_again(tmp_path: Path) -> None:
    link = tmp_path / "meter0"
    first, second = Wire(), Wire()
    link.symlink_to(first.path)
    port = SerialPort(Line(str(link), parity="E"))
    await port.open()
    reading = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    first.hang_up()
    with pytest.raises(BusError, match=r"meter0 .*plug it in again"):
        await reading
    assert not port.is_open
    link.unlink()
    with pytest.raises(BusError, match=r"meter0 cannot be opened: there is no such port"):
        await port.open()
    link.symlink_to(second.path)
    await port.open()
    await port.write(b"here")
    assert os.read(second.master, 10) == b"here"
    second.hang_up()
    with pytest.raises(BusError, match="plug it in again"):
        await port.write(b"x")
    assert not port.is_open


async def test_a_port_belongs_to_one(wire: Wire) -> None:
    mine, other = SerialPort(Line(wire.path)), SerialPort(Line(wire.path))
    await mine.open()
    with pytest.raises(BusError, match="another program has it"):
        await other.open()
    await mine.close()
    await other.open()
    await other.close()


async def test_a_write_waits_until_the_line_takes_it(wire: Wire) -> None:
    port = SerialPort(Line(wire.path))
    await port.open()
    sent = os.urandom(100_000)
    writing = asyncio.ensure_future(port.write(sent))
    got = b""
    os.set_blocking(wire.master, False)
    while len(got) < len(sent):
        await asyncio.sleep(0)
        try:
            got += os.read(wire.master, 65536)
        except BlockingIOError:
            continue
    await writing
    assert got == sent
    await port.close()


async def test_what_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BusError, match=f"{file} cannot be opened: "):
        await SerialPort(Line(str(file))).open()


async def test_a_line_behind_a_tcp_server() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = SerialPort(Line(f"socket://127.0.0.1:{listener.getsockname()[1]}", 19200, "E"))
    for _ in range(2):
        await port.open()
        connection, _ = listener.accept()
        await port.write(b"question")
        assert connection.recv(100) == b"question"
        connection.sendall(b"answer")
        assert await port.read() == b"answer"
        connection.close()
        with pytest.raises(BusError, match="serial server hung up"):
            await port.read()
    listener.close()
    with pytest.raises(BusError, match="nobody listens there"):
        await port.open()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("port", ("",)),
        ("port", ("rfc2217://a:1",)),
        ("port", ("socket://a",)),
        ("port", ("socket://:5",)),
        ("port", ("socket://a:0",)),
        ("port", ("socket://a:65536",)),
        ("baud", ("/dev/a", 0)),
        ("baud", ("/dev/a", True)),
        ("parity", ("/dev/a", 9600, "M")),
        ("stop_bits", ("/dev/a", 9600, "N", 3)),
    ],
)
def test_a_wrong_line_names_its_field(field: str, values: tuple[object, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"line\.{field}: must be"):
        Line(*values)  # type: ignore[arg-type]  # that is the test


def test_a_character_has_the_bits_of_its_line() -> None:
    assert Line("/dev/a", 9600).character_s == pytest.approx(10 / 9600)
    assert Line("/dev/a", 19200, "E").character_s == pytest.approx(11 / 19200)
    assert Line("/dev/a", 9600, "N", 2).character_s == pytest.approx(11 / 9600)
    assert str(Line("/dev/a", 19200, "E")) == "/dev/a (19200 8E1)"


def test_every_error_number_that_matters_has_advice() -> None:
    from hal.bus import serial

    assert {errno.ENOENT, errno.EACCES, errno.EBUSY, errno.EIO, errno.ECONNREFUSED} <= serial._ADVICE.keys()


async def test_a_name_with_several_addresses_is_tried_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """localhost is ::1 first on many machines, and ser2net may listen on 127.0.0.1 only."""
    listener = socket.create_server(("127.0.0.1", 0))
    shut = socket.create_server(("127.0.0.1", 0))
    nobody, somebody = shut.getsockname(), listener.getsockname()
    shut.close()

    async def addresses(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (nobody, somebody)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
    port = SerialPort(Line(f"socket://server:{somebody[1]}"))
    await port.open()
    await port.close()
    listener.close()
    with pytest.raises(BusError, match="nobody listens there"):
        await port.open()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_lines_that_fail_leave_no_descriptor_behind(tmp_path: Path) -> None:
    """An adapter with a loose contact, for years."""
    link = tmp_path / "adapter"
    port = SerialPort(Line(str(link)))
    with pytest.raises(BusError):
        await port.open()
    before = _descriptors()
    for number in range(20):
        wire = Wire()
        link.symlink_to(wire.path)
        await port.open()
        reading = asyncio.ensure_future(port.read())
        await asyncio.sleep(0)
        wire.hang_up()
        with pytest.raises(BusError):
            await reading
        with pytest.raises(BusError):
            await port.open()
        link.unlink()
        assert _descriptors() == before, number
