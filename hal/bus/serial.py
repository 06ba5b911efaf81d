"""A serial line, or the same line behind a TCP server (ser2net...): bytes in both directions, by the event loop alone.

pyserial opens the port and sets it; reading and writing are the loop's (`add_reader`), so that an idle port costs nothing.
No bytes are kept here: what nobody reads stays in the kernel.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hal.bus.trace import TAP, Direction, Passed
from hal.errors import BusError, ConfigError

CONNECT_S = 5.0
"""Longest wait for a TCP server to accept."""
UNHEARD_S = 10.0
"""A TCP server that acknowledges nothing for so long is gone."""
_SOCKET = "socket://"
_BITS_WITHOUT_EXTRAS = 9  # start bit and 8 data bits

_ADVICE = {
    errno.ENOENT: "there is no such port: is the adapter plugged in? (stable names are in /dev/serial/by-id)",
    errno.ENXIO: "there is no device behind it: is the adapter plugged in?",
    errno.ENODEV: "there is no device behind it: is the adapter plugged in?",
    errno.EACCES: "no permission: put the user into the group that owns the port (dialout on Debian)",
    errno.EPERM: "no permission: put the user into the group that owns the port (dialout on Debian)",
    errno.EBUSY: "another program has it: stop that one (lsof tells which)",
    errno.EAGAIN: "another program has it: stop that one (lsof tells which)",
    errno.ENOTTY: "it is not a serial port: check the name",
    errno.EINVAL: "it does not take these settings: check baud rate, parity and stop bits",
    errno.EIO: "the adapter is gone: plug it in again",
    errno.ECONNREFUSED: "nobody listens there: is the serial server on, and the number right?",
    errno.ECONNRESET: "the serial server hung up: is it on?",
    errno.EPIPE: "the serial server hung up: is it on?",
    errno.ETIMEDOUT: "the serial server does not answer any more: check its supply and cable",
    errno.EHOSTUNREACH: "the host cannot be reached: check address and cable",
    errno.ENETUNREACH: "the host cannot be reached: check address and cable",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A port and its settings; always 8 data bits.

    port: /dev/..., or socket://host:port (the settings are then the server's business, and only used for timing).
    baud: bits per second. parity: N, E or O. stop_bits: 1 or 2. Raises ConfigError naming the field.
    """

    port: str
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1

    def __post_init__(self) -> None:
        if not self.port:
            raise ConfigError("line.port: must be /dev/... or socket://host:port, is empty")
        if self.port.startswith(_SOCKET):
            _address(self.port)
        elif "://" in self.port:
            raise ConfigError(f"line.port: must be /dev/... or socket://host:port, is {self.port!r}")
        if isinstance(self.baud, bool) or not 50 <= self.baud <= 4_000_000:
            raise ConfigError(f"line.baud: must be 50 to 4000000, is {self.baud!r}")
        if self.parity not in {"N", "E", "O"}:
            raise ConfigError(f"line.parity: must be N, E or O, is {self.parity!r}")
        if self.stop_bits not in {1, 2}:
            raise ConfigError(f"line.stop_bits: must be 1 or 2, is {self.stop_bits!r}")

    @property
    def character_s(self) -> float:
        """Seconds that one character takes on the wire."""
        return (_BITS_WITHOUT_EXTRAS + (self.parity != "N") + self.stop_bits) / self.baud

    def __str__(self) -> str:
        return f"{self.port} ({self.baud} 8{self.parity}{self.stop_bits})"


def _address(port: str) -> tuple[str, int]:
    host, _, number = port.removeprefix(_SOCKET).rpartition(":")
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise ConfigError(f"line.port: must be socket://host:port with a port of 1 to 65535, is {port!r}")
    return host.strip("[]"), int(number)


class SerialPort:
    """One open line. One task may read at a time; a write may run beside it.

    When the line fails (BusError) it is closed; `open` opens it again. All errors name the port and what to do next.
    speaks: the protocol, by its name in hal.monitor, for whoever watches the wire; "" lets them find out.
    """

    def __init__(self, line: Line, *, speaks: str = "") -> None:
        self._line = line
        self._speaks = speaks
        self._fd = -1
        self._release: Callable[[], None] | None = None
        self._reading: asyncio.Future[bool] | None = None
        self._writing: asyncio.Future[bool] | None = None

    @property
    def line(self) -> Line:
        return self._line

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    async def open(self) -> None:
        """Open it for us alone. Nothing happens when it is open. Raises BusError."""
        if self.is_open:
            return
        try:
            if self._line.port.startswith(_SOCKET):
                await self._connect()
            else:
                self._open_tty()
        except (OSError, ValueError, termios.error) as error:
            raise self._failed("cannot be opened", error) from error

    async def _connect(self) -> None:
        host, number = _address(self._line.port)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            found = await loop.getaddrinfo(host, number, type=socket.SOCK_STREAM)
            for last, (family, kind, protocol, _, address) in enumerate(found, 1 - len(found)):
                try:
                    connection = await _connected(family, kind, protocol, address)
                    break
                except OSError:
                    if last == 0:  # localhost may be ::1 first, with nobody there
                        raise
        self._fd, self._release = connection.fileno(), connection.close

    def _open_tty(self) -> None:
        import serial  # 15 ms that a station without serial ports does not need

        line = self._line
        # A pseudo terminal has no parity: glibc says EINVAL to whoever asks for it. The bytes are the same.
        pseudo = os.path.realpath(line.port).startswith("/dev/pts/")
        port = serial.Serial(
            line.port,
            line.baud,
            parity="N" if pseudo else line.parity,
            stopbits=line.stop_bits,
            timeout=0,
            inter_byte_timeout=0,  # VMIN 1: then nothing to read is EAGAIN, and b"" is a line that hung up
            exclusive=True,  # flock: other users of pyserial, minicom...
        )
        self._fd, self._release = port.fileno(), port.close
        if not pseudo:
            fcntl.ioctl(self._fd, termios.TIOCEXCL)  # and everybody else (ModemManager...), until we close it

    async def read(self, most: int = 4096) -> bytes:
        """Wait for 1 to `most` bytes. Raises BusError: closed, the wire is gone, or another task is reading."""
        if self._reading is not None:
            raise BusError(f"{self._line.port}: another task is reading; ask the driver's author")
        while True:
            data = self._try_read(most)
            if data:
                return data
            loop = asyncio.get_running_loop()
            waiting = self._reading = loop.create_future()
            loop.add_reader(self._fd, _wake, waiting, True)
            try:
                if not await waiting:
                    raise self._closed()
            finally:
                if self._reading is waiting:  # else it was dropped, and may be open again for somebody else
                    self._reading = None
                    loop.remove_reader(self._fd)

    def discard(self) -> bytes:
        """Take what has arrived and nobody has read, without waiting. Raises BusError."""
        taken = b""
        while data := self._try_read(4096):
            taken += data
        return taken

    def _try_read(self, most: int) -> bytes:
        """What is there, b"" when nothing is."""
        if not self.is_open:
            raise self._closed()
        try:
            data = os.read(self._fd, most)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            raise self._failed("cannot be read", error) from error
        if not data:
            raise self._failed("is lost", None)
        if TAP.heard:
            TAP.tell(Passed(self._line.port, self._speaks, Direction.RECEIVED, data))
        return data

    async def write(self, data: bytes) -> None:
        """Hand all of `data` to the line; it may still be on its way when this returns. Raises BusError."""
        rest = memoryview(data)
        while rest:
            if not self.is_open:
                raise self._closed()
            try:
                taken = os.write(self._fd, rest)
            except (BlockingIOError, InterruptedError):
                await self._writable()
                continue
            except OSError as error:
                raise self._failed("cannot be written", error) from error
            if TAP.heard:
                TAP.tell(Passed(self._line.port, self._speaks, Direction.SENT, bytes(rest[:taken])))
            rest = rest[taken:]

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._writing = loop.create_future()
        loop.add_writer(self._fd, _wake, waiting, True)
        try:
            if not await waiting:
                raise self._closed()
        finally:
            if self._writing is waiting:
                self._writing = None
                loop.remove_writer(self._fd)

    async def close(self) -> None:
        """Release the port. A read that waits raises BusError. Idempotent."""
        self._drop()

    def _drop(self) -> None:
        if not self.is_open:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.remove_writer(self._fd)
        self._fd = -1
        release, self._release = self._release, None
        if release is not None:
            release()
        waiters = (self._reading, self._writing)
        self._reading = self._writing = None
        for waiting in waiters:
            if waiting is not None:
                _wake(waiting, False)

    def _closed(self) -> BusError:
        return BusError(f"{self._line.port}: the port is closed; open it first")

    def _failed(self, what: str, error: Exception | None) -> BusError:
        """Close, and say why. `error` None: the other end has closed."""
        self._drop()
        if error is None:
            number: int | None = errno.ECONNRESET if self._line.port.startswith(_SOCKET) else errno.EIO
        elif isinstance(error, TimeoutError):
            return BusError(f"{self._line.port} {what}: no answer within {CONNECT_S:.0f} s; check address and cable")
        else:
            number = error.args[0] if isinstance(error, termios.error) else getattr(error, "errno", None)
        return BusError(f"{self._line.port} {what}: {_ADVICE.get(number or 0, str(error))}")


async def _connected(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """Raises OSError."""
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # A server whose cable is cut says nothing; without this what we write is tried for a quarter of an hour.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNHEARD_S * 1000))
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _wake(waiting: asyncio.Future[bool], still_open: bool) -> None:
    if not waiting.done():
        waiting.set_result(still_open)
