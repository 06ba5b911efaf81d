"""Modbus RTU master for asyncio (Modbus over serial line V1.02, application protocol V1.1b3).

The upper half is sans-IO: `Request` to bytes, bytes to `Reply`. The lower half, `ModbusBus`, owns one serial port:
one transaction at a time, the silent gap before each request, retries, and a quiet line after anything went wrong.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from hal.bus.serial import Line
from hal.bus.turns import Turns
from hal.errors import BusError, ConfigError, DeviceError

MOST_READ = 125
MOST_WRITTEN = 123
MOST_COILS = 2000
_LONGEST_REPLY = 256
_LEAST_GAP_S = 0.002
"""3.5 characters, but never less than this: a literal 1.75 ms breaks with USB adapters."""


class Function(IntEnum):
    """The function codes that we use."""

    READ_COILS = 1
    READ_DISCRETE = 2
    READ_HOLDING = 3
    READ_INPUT = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_REGISTERS = 16


EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still working",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway: target does not answer",
}
BUSY = 6


class RefusedError(DeviceError):
    """The device answered with an exception. `code`: see EXCEPTIONS."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS (poly A001 reflected, init FFFF); it is sent low byte first. check("123456789") = 4B37."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_TABLE = tuple(_crc_entry(byte) for byte in range(256))


def _framed(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. count: of registers or coils to read. values: to write (a coil: 0 or 1; more goes as it is, for relay
    boards that take a time there).

    Raises ConfigError when it cannot be sent: that is a mistake in a table or a driver.
    """

    unit: int
    function: Function
    address: int
    count: int = 1
    values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.unit <= 247:
            raise ConfigError(f"modbus unit: must be 1 to 247, is {self.unit}")
        reading = self.function in _MOST
        amount = self.count if reading else len(self.values)
        most = _MOST.get(self.function, MOST_WRITTEN if self.function is Function.WRITE_REGISTERS else 1)
        if not 1 <= amount <= most:
            raise ConfigError(f"modbus function {self.function:d}: at most {most} at once, are {amount}")
        if self.address < 0 or self.address + amount > 0x10000:
            raise ConfigError(f"modbus address: must be 0 to 65535, is {self.address} with {amount}")
        if any(not 0 <= value <= 0xFFFF for value in self.values):
            raise ConfigError(f"modbus values: must be 0 to 65535, are {self.values}")

    def encode(self) -> bytes:
        """The frame, with its CRC."""
        head = bytes((self.unit, self.function)) + self.address.to_bytes(2, "big")
        if self.function in _MOST:
            return _framed(head + self.count.to_bytes(2, "big"))
        words = b"".join(value.to_bytes(2, "big") for value in self.values)
        if self.function is Function.WRITE_COIL:
            return _framed(head + (b"\xff\x00" if self.values[0] == 1 else words))
        if self.function is Function.WRITE_REGISTER:
            return _framed(head + words)
        return _framed(head + len(self.values).to_bytes(2, "big") + bytes((len(words),)) + words)

    @property
    def reply_length(self) -> int:
        """Bytes of the answer when it is no exception."""
        if self.function in _BITS:
            return 5 + (self.count + 7) // 8
        return 5 + 2 * self.count if self.function in _MOST else 8

    def __str__(self) -> str:
        return f"unit {self.unit}, function {self.function:d}, address {self.address} ({self.address:#06x})"


_BITS = (Function.READ_COILS, Function.READ_DISCRETE)
_MOST = {
    Function.READ_COILS: MOST_COILS,
    Function.READ_DISCRETE: MOST_COILS,
    Function.READ_HOLDING: MOST_READ,
    Function.READ_INPUT: MOST_READ,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """values: registers, or coils as 0 and 1, or nothing after a write. exception: the code, if refused."""

    values: tuple[int, ...] = ()
    exception: int | None = None


def find_reply(request: Request, received: bytes) -> Reply | None:
    """The answer to `request` among the bytes that arrived after it; None: not, or not yet.

    Noise before it is stepped over: a frame counts wherever unit, function, length and CRC all fit.
    """
    # The least frame has 5 bytes (an exception).
    for start in range(len(received) - 4):
        if received[start] == request.unit:
            reply = _reply_at(request, received[start:])
            if reply is not None:
                return reply
    return None


def _reply_at(request: Request, data: bytes) -> Reply | None:
    if data[1] == request.function | 0x80:
        return Reply(exception=data[2]) if _intact(data[:5]) else None
    frame = data[: request.reply_length]
    if data[1] != request.function or len(frame) < request.reply_length:
        return None
    if request.function in _MOST:
        payload = frame[3:-2]
        if frame[2] != len(payload) or not _intact(frame):
            return None
        return Reply(_coils(payload, request.count) if request.function in _BITS else _words(payload))
    # A write is answered by its first six bytes.
    return Reply() if frame[:6] == request.encode()[:6] and _intact(frame) else None


def _intact(frame: bytes) -> bool:
    return crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _coils(data: bytes, count: int) -> tuple[int, ...]:
    return tuple(data[at // 8] >> at % 8 & 1 for at in range(count))


# --- the bus ----------------------------------------------------------------------------------------------------------


class Port(Protocol):
    """What the master needs of hal.bus.serial.SerialPort."""

    @property
    def line(self) -> Line: ...
    @property
    def is_open(self) -> bool: ...
    async def open(self) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def read(self, most: int = 4096) -> bytes: ...
    def discard(self) -> bytes: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How a device wants to be talked to. timeout_s: from the end of the request to the first byte of the answer.

    gap_s: least pause after its last answer (some boards need 0.2). retries: after time-out, bad CRC and "busy".
    """

    timeout_s: float = 0.5
    gap_s: float = 0.0
    retries: int = 2


Trace = Callable[[str, bytes], None]
"""Called with ">" or "<" and the bytes, for whoever watches the wire."""


class ModbusBus:
    """One line with its devices. The port is opened when it is needed, again after it vanished.

    local_echo: the adapter sends back what we send. trace: sees every byte.
    """

    def __init__(self, port: Port, *, local_echo: bool = False, trace: Trace | None = None) -> None:
        self._port = port
        self._echo = local_echo
        self.trace = trace
        self._turns = Turns()
        self._silent_from = -math.inf  # the last byte passed then
        self._answered: dict[int, float] = {}  # unit -> when it last said something
        self._quiet_s = 0.0  # how long the line must be silent first: a late answer may still come

    @property
    def line(self) -> Line:
        return self._port.line

    async def open(self) -> None:
        """Open the port. Raises BusError."""
        async with self._turns.turn():
            await self._port.open()

    async def close(self) -> None:
        """Release the port, after the transaction that runs. Idempotent."""
        async with self._turns.turn():
            await self._port.close()

    async def ask(
        self,
        request: Request,
        timing: Timing = Timing(),
        *,
        urgent: bool = False,
        wanted: Callable[[], bool] | None = None,
    ) -> tuple[int, ...]:
        """Values read; () after a write. Raises BusError (no intact answer), RefusedError (an exception).

        urgent: go ahead of all who wait for the line. wanted: asked right before every sending; once it says no, nothing is
        sent any more, and () returned: so an older write never follows a newer one that went ahead of it.
        """
        problem = ""
        for attempt in range(timing.retries + 1):
            async with self._turns.turn(urgent=urgent):
                reply, problem = await self._attempt(request, timing, wanted)
            if reply is None:
                continue
            if reply.exception is None:
                return reply.values
            if reply.exception != BUSY or attempt == timing.retries:
                reason = EXCEPTIONS.get(reply.exception, "unknown exception")
                raise RefusedError(f"{self._where(request)} refused: {reason} ({reply.exception})", reply.exception)
        raise BusError(f"{self._where(request)}: {problem}, {timing.retries + 1} times; {_ADVICE[problem]}")

    def _where(self, request: Request) -> str:
        return f"{self._port.line}, {request}"

    async def _attempt(
        self, request: Request, timing: Timing, wanted: Callable[[], bool] | None
    ) -> tuple[Reply | None, str]:
        """One exchange: the reply, or what was wrong. Whatever ends it early leaves a line that must fall quiet."""
        loop = asyncio.get_running_loop()
        await self._port.open()
        await self._pause(request.unit, timing)
        if wanted is not None and not wanted():
            return Reply(), ""
        frame, character_s = request.encode(), self._port.line.character_s
        self._quiet_s = timing.timeout_s
        await self._port.write(frame)
        self._traced(">", frame)
        asked = loop.time() + len(frame) * character_s
        self._silent_from = asked
        deadline = asked + timing.timeout_s + request.reply_length * character_s
        reply, problem = await self._listen(request, frame if self._echo else b"", deadline)
        if reply is not None:
            self._quiet_s = 0.0
            self._answered[request.unit] = self._silent_from
        return reply, problem

    async def _listen(self, request: Request, echo: bytes, deadline: float) -> tuple[Reply | None, str]:
        """The reply to `request`, after our own `echo`; or, at the deadline, what came instead."""
        received = b""
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    data = await self._port.read()
                    self._silent_from = asyncio.get_running_loop().time()
                    self._traced("<", data)
                    received += data
                    if echo:
                        if len(received) < len(echo):
                            continue
                        received, echo = received.removeprefix(echo), b""
                    # Never more than noise and one whole answer.
                    received = received[-2 * _LONGEST_REPLY :]
                    reply = find_reply(request, received)
                    if reply is not None:
                        return reply, ""
        except TimeoutError:
            return None, "an answer that is damaged" if received else "no answer"

    async def _pause(self, unit: int, timing: Timing) -> None:
        """Wait until the line was silent for long enough, throwing away what still arrives."""
        loop = asyncio.get_running_loop()
        gap_s = max(3.5 * self._port.line.character_s, _LEAST_GAP_S)
        if self._quiet_s:
            # An answer names neither request nor address: a late one would pass for that of the next request.
            await self._fall_quiet(max(gap_s, self._quiet_s))
            self._quiet_s = 0.0
        until = max(self._silent_from + gap_s, self._answered.get(unit, -math.inf) + timing.gap_s)
        if until > loop.time():
            await asyncio.sleep(until - loop.time())
        stale = self._port.discard()
        if stale:
            self._traced("<", stale)

    async def _fall_quiet(self, quiet_s: float) -> None:
        """Return after `quiet_s` of silence; a line that never falls silent gets twenty times that."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + 20.0 * quiet_s
        while loop.time() < give_up:
            try:
                async with asyncio.timeout(quiet_s):
                    self._traced("<", await self._port.read())
            except TimeoutError:
                return
            self._silent_from = loop.time()
        raise BusError(f"{self._port.line}: the line is never silent; is there another master, or a loose wire?")

    def _traced(self, direction: str, data: bytes) -> None:
        if self.trace is not None:
            self.trace(direction, data)


_ADVICE = {
    "no answer": "check power, address, baud rate and parity of the device, and that A and B are not swapped",
    "an answer that is damaged": "check parity and baud rate, the wiring, its termination, and that no other device "
    "has the same address",
}


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """One unit on a bus, with its own timing."""

    bus: ModbusBus
    unit: int
    timing: Timing = Timing()

    async def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        """Registers by function 3 or 4. Raises BusError, DeviceError."""
        return await self.bus.ask(Request(self.unit, Function(function), address, count), self.timing)

    async def read_coils(self, address: int, count: int) -> tuple[int, ...]:
        """Coils as 0 and 1 (function 1). Raises BusError, DeviceError."""
        return await self.bus.ask(Request(self.unit, Function.READ_COILS, address, count), self.timing)

    async def read_discrete(self, address: int, count: int) -> tuple[int, ...]:
        """Discrete inputs as 0 and 1 (function 2). Raises BusError, DeviceError."""
        return await self.bus.ask(Request(self.unit, Function.READ_DISCRETE, address, count), self.timing)

    async def write_coil(
        self,
        address: int,
        on: bool | int,
        *,
        once: bool = False,
        urgent: bool = False,
        wanted: Callable[[], bool] | None = None,
    ) -> None:
        """Function 5. on: more than 1 is sent as it is (a time). once: as in `write_register`. urgent, wanted: see `ModbusBus.ask`.

        Raises BusError, DeviceError.
        """
        timing = Timing(self.timing.timeout_s, self.timing.gap_s, 0) if once else self.timing
        request = Request(self.unit, Function.WRITE_COIL, address, values=(int(on),))
        await self.bus.ask(request, timing, urgent=urgent, wanted=wanted)

    async def write_register(self, address: int, value: int, *, once: bool = False) -> None:
        """Function 6. once: never repeated, for a command that must not be carried out twice. Raises as `read`."""
        timing = Timing(self.timing.timeout_s, self.timing.gap_s, 0) if once else self.timing
        await self.bus.ask(Request(self.unit, Function.WRITE_REGISTER, address, values=(value,)), timing)

    async def write_registers(self, address: int, values: tuple[int, ...], *, once: bool = False) -> None:
        """Function 16. once: as in `write_register`. Raises as `read`."""
        timing = Timing(self.timing.timeout_s, self.timing.gap_s, 0) if once else self.timing
        await self.bus.ask(Request(self.unit, Function.WRITE_REGISTERS, address, values=values), timing)
