"""Runs an emulated device behind a pseudo terminal or a TCP port, with a bad wire between if wanted.

A device is sans-IO (`Emulated`): bytes in, bytes out, `now` as an argument. What can go wrong with every wire is here
(`WireKnobs`); what only this device can do wrong, and what people do to it, is its own `control`.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import pty
import random
import socket
import stat
import sys
import tty
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from hal.bus.loopback import Manipulator
from hal.errors import ConfigError

Answer = dict[str, object]


class Emulated(Protocol):
    """The other end of a driver. `now`: monotonic seconds, the same clock for all calls."""

    def feed(self, data: bytes, now: float) -> bytes:
        """Bytes from the host have arrived; what the device sends upon them (b"" if nothing)."""

    def due(self, now: float) -> float | None:
        """When it next says something by itself (a moment as `now`, past means at once); None: not before it is fed."""

    def tick(self, now: float) -> bytes:
        """What it says by itself. Called when `due` has come."""

    def power(self, on: bool, now: float) -> None:
        """Its supply goes (what is volatile is lost) or comes back. While it is off nothing else is called."""

    def control(self, order: Mapping[str, object], now: float) -> Answer:
        """Turn its own knobs, or do what people do to it. Returns facts to print. Raises ConfigError naming the field."""


class WireKnobs:
    """What the wire does to what the device sends. As made it does nothing.

    noise: chance (0..1) that random bytes come before a write. delay_s: seconds that each write takes. drop, truncate,
    flip, duplicate: chances as in hal.bus.loopback.Manipulator (flip: one bit is inverted, so the checksum is wrong).
    """

    NAMES = ("delay_s", "drop", "duplicate", "flip", "noise", "truncate")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._manipulator = Manipulator(rng)
        self.noise = 0.0

    def turn(self, name: str, value: object) -> None:
        """Set one of NAMES. Raises ConfigError."""
        top = math.inf if name == "delay_s" else 1.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= top:
            words = "seconds, 0 or more" if name == "delay_s" else "a chance of 0 to 1"
            raise ConfigError(f"{name}: must be {words}, is {value!r}")
        if name == "noise":
            self.noise = float(value)
        elif name == "delay_s":
            self._manipulator.delay_s = (float(value), float(value))
        else:
            setattr(self._manipulator, name, float(value))

    def spoil(self, data: bytes) -> bytes:
        """What arrives of a write."""
        data = self._manipulator.spoil(data)
        if self.noise and self._rng.random() < self.noise:
            data = self._rng.randbytes(self._rng.randint(1, 12)) + data
        return data

    def delay(self) -> float:
        """Seconds that the next write takes."""
        return self._manipulator.delay()


class _Plug(Protocol):
    """Where the host plugs in: `port` is what its configuration needs."""

    port: str

    def open(self, received: Callable[[bytes], None]) -> None: ...
    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class PtyPlug:
    """A pseudo terminal, under a symbolic link if one is given (a stable name, as udev makes them)."""

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._master = self._slave = -1
        self.port = ""

    def open(self, received: Callable[[bytes], None]) -> None:
        if self._link is not None and self._link.exists() and not self._link.is_symlink():
            raise ConfigError(f"link: {self._link} exists and is no symbolic link; choose another name")
        self._master, self._slave = pty.openpty()  # our own slave end keeps it alive while no host has it open
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        if self._link is not None:
            if self._link.is_symlink():
                self._link.unlink()
            self._link.symlink_to(self.port)
            self.port = str(self._link.absolute())
        asyncio.get_running_loop().add_reader(self._master, self._readable, received)

    def _readable(self, received: Callable[[bytes], None]) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        received(data)

    def send(self, data: bytes) -> None:
        """What does not fit (nobody has read for 4 KiB) is lost, as on a wire."""
        try:
            os.write(self._master, data)
        except BlockingIOError:
            return

    def close(self) -> None:
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1
            if self._link is not None:
                self._link.unlink(missing_ok=True)


class TcpPlug:
    """A serial server on localhost: one host at a time; the latest one has the line."""

    def __init__(self, host: str = "127.0.0.1", number: int = 0) -> None:
        self._address = (host, number)
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self.port = ""

    def open(self, received: Callable[[bytes], None]) -> None:
        self._listener = socket.create_server(self._address)
        self._listener.setblocking(False)
        host, number = self._listener.getsockname()[:2]
        self._address = (host, number)  # the same again after a hang-up
        self.port = f"socket://{host}:{number}"
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener, received)

    def _accept(self, listener: socket.socket, received: Callable[[bytes], None]) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        self._hang_up()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        asyncio.get_running_loop().add_reader(connection, self._readable, connection, received)

    def _readable(self, connection: socket.socket, received: Callable[[bytes], None]) -> None:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            received(data)
        else:
            self._hang_up()

    def send(self, data: bytes) -> None:
        if self._connection is not None:
            try:
                self._connection.send(data)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EPIPE, errno.ECONNRESET}:
                    raise

    def _hang_up(self) -> None:
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._hang_up()
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None


class Server:
    """One device on one plug. Orders (`obey`) that are not the wire's go to the device."""

    def __init__(self, device: Emulated, plug: _Plug, rng: random.Random) -> None:
        self.device = device
        self.knobs = WireKnobs(rng)
        self._plug = plug
        self._plugged = False
        self._powered = True
        self._own: asyncio.TimerHandle | None = None  # the device's next words by itself
        self._back: dict[str, asyncio.TimerHandle] = {}
        self._on_wire_until = 0.0
        self._pluggings = 0  # what was under way when it was pulled out never arrives

    @property
    def port(self) -> str:
        """What the host opens."""
        return self._plug.port

    def start(self) -> None:
        self._plug.open(self._received)
        self._plugged = True
        self._schedule()

    def stop(self) -> None:
        """Unplug, for good. Idempotent."""
        for handle in (self._own, *self._back.values()):
            if handle is not None:
                handle.cancel()
        self._own = None
        self._back.clear()
        if self._plugged:
            self._plugged = False
            self._plug.close()

    def obey(self, order: Mapping[str, object]) -> Answer:
        """Carry out one order: a table of knobs. Returns facts. Raises ConfigError naming the field.

        Of the wire: WireKnobs.NAMES; hang_up (true, or seconds until it is plugged in again), plug_in; brown_out
        (true, or seconds without power), power_on. All others are the device's.
        """
        own: dict[str, object] = {}
        for name, value in order.items():
            if name in WireKnobs.NAMES:
                self.knobs.turn(name, value)
            elif name in {"hang_up", "brown_out"}:
                self._interrupt(name, value)
            elif name in {"plug_in", "power_on"}:
                self._restore({"plug_in": "hang_up", "power_on": "brown_out"}[name])
            else:
                own[name] = value
        facts = self.device.control(own, self._now()) if own else {}
        self._schedule()
        return facts

    def _interrupt(self, name: str, value: object) -> None:
        if value is not True and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise ConfigError(f"{name}: must be true or seconds, is {value!r}")
        if name == "hang_up" and self._plugged:
            self._plugged = False
            self._pluggings += 1
            self._plug.close()
        elif name == "brown_out" and self._powered:
            self._powered = False
            self.device.power(False, self._now())
        if value is not True:
            loop = asyncio.get_running_loop()
            self._back[name] = loop.call_later(float(value), self._restore, name)

    def _restore(self, name: str) -> None:
        handle = self._back.pop(name, None)
        if handle is not None:
            handle.cancel()
        if name == "hang_up" and not self._plugged:
            self._plug.open(self._received)
            self._plugged = True
        elif name == "brown_out" and not self._powered:
            self._powered = True
            self.device.power(True, self._now())
        self._schedule()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _received(self, data: bytes) -> None:
        if self._powered:
            self._send(self.device.feed(data, self._now()))
            self._schedule()

    def _send(self, data: bytes) -> None:
        """Put it on the wire; a later write never overtakes an earlier one."""
        if not data:
            return
        data = self.knobs.spoil(data)
        now = self._now()
        self._on_wire_until = max(now, self._on_wire_until) + self.knobs.delay()
        if self._on_wire_until <= now:
            self._arrive(data, self._pluggings)
        else:
            asyncio.get_running_loop().call_at(self._on_wire_until, self._arrive, data, self._pluggings)

    def _arrive(self, data: bytes, plugging: int) -> None:
        if self._plugged and data and plugging == self._pluggings:
            self._plug.send(data)

    def _schedule(self) -> None:
        if self._own is not None:
            self._own.cancel()
            self._own = None
        due = self.device.due(self._now()) if self._powered else None
        if due is not None:
            self._own = asyncio.get_running_loop().call_at(due, self._speak)

    def _speak(self) -> None:
        self._own = None
        self._send(self.device.tick(self._now()))
        self._schedule()


async def run(server: Server, say: Callable[[str], None], *, forever: bool) -> None:
    """Say the port, then obey JSON lines from stdin until it ends (forever: until cancelled), answering each."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (forever or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):  # a file, or /dev/null
        raise ConfigError("standard input gives no orders; use a pipe or a terminal, or --forever")
    server.start()
    try:
        say(server.port)
        if forever:
            await asyncio.get_running_loop().create_future()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        try:
            while line := await reader.readline():
                say(json.dumps(_answer(server, line)))
        finally:
            transport.close()
    finally:
        server.stop()


def _answer(server: Server, line: bytes) -> Answer:
    """One order, one answer: {"ok": true, "port": ...} with facts, or {"ok": false, "error": ...}."""
    try:
        order = json.loads(line)
    except ValueError as error:
        return {"ok": False, "error": f"not JSON: {error}"}
    if not isinstance(order, dict):
        return {"ok": False, "error": f"an order is a JSON object, not {line.decode(errors='replace').strip()!r}"}
    try:
        return {"ok": True, **server.obey(order), "port": server.port}
    except ConfigError as error:
        return {"ok": False, "error": str(error)}
