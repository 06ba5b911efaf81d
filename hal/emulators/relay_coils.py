"""An emulated relay board on Modbus RTU with a contactor behind it, as Waveshare's Modbus RTU Relay (with inputs) behaves.

Settings: `unit` 1, `coils` 8, `inputs` 8, `version` 200 (0: a board of another make, that refuses to be asked), and what is wired
where: `contactor` coil 0, `mirror` input 0, `vehicle` input 1, `demand` input 2, `stop` input 3 (-1: not wired).
Mirror and stop are contacts that open (NC). A coil that is switched by "flash on" (function 5, 0x0200 + coil, value x 0.1 s)
opens by itself.
Orders: `vehicle`, `asks`, `stop` (true: pressed); `weld` (the contactor stays closed), `stuck` (it stays open); `no_timer` (pulses
never end); `no_flash` (pulses are refused); `mute`; `mode` (control mode of the contactor's relay); `coil` (a number: somebody
switches that one by hand); `wrong_checksum` (so many answers). Every order, also {"look": true}, is answered with the state.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from hal.emulators.modbus_frames import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Frames
from hal.errors import ConfigError

TRAVEL_S = 0.03
"""How long a contactor takes to close or open."""
FLASH_ON, MODES, ADDRESS, VERSION = 0x0200, 0x1000, 0x4000, 0x8000
_SETTINGS: Mapping[str, tuple[int, int, int]] = {
    "unit": (1, 1, 247),
    "coils": (8, 1, 32),
    "inputs": (8, 0, 32),
    "version": (200, 0, 1999),
    "contactor": (0, 0, 31),
    "mirror": (0, -1, 31),
    "vehicle": (1, -1, 31),
    "demand": (2, -1, 31),
    "stop": (3, -1, 31),
}
_FLAGS = ("vehicle", "asks", "stop", "weld", "stuck", "no_timer", "no_flash", "mute")


class RelayCoils:
    """Emulated (hal.emulators.serve)."""

    def __init__(self, wired: Mapping[str, int]) -> None:
        self.wired = wired
        self.flags = dict.fromkeys(_FLAGS, False)
        self.mode = 0
        self.frames = Frames()
        self.closed = False
        self.closings = 0
        self.requests: list[str] = []
        self._coils: list[float] = [-math.inf] * wired["coils"]  # closed until then
        self._moves_at: float | None = None

    # --- the board --------------------------------------------------------------------------------------------------

    def coil(self, number: int, now: float) -> bool:
        return now < self._coils[number]

    def _switch(self, number: int, until: float, now: float) -> None:
        self._coils[number] = until
        self._move(now)

    def _move(self, now: float) -> None:
        """Bring the contactor's armature up to now; it takes its time."""
        pulled = self.coil(self.wired["contactor"], now)
        wanted = (pulled and not self.flags["stuck"]) or (self.closed and self.flags["weld"])
        if wanted is self.closed:
            self._moves_at = None
        elif self._moves_at is None:
            self._moves_at = now + TRAVEL_S
        elif now >= self._moves_at:
            self.closed, self._moves_at = wanted, None
            self.closings += wanted

    def _inputs(self) -> list[bool]:
        found = [False] * self.wired["inputs"]
        shown = {
            "mirror": not self.closed,
            "vehicle": self.flags["vehicle"],
            "demand": self.flags["asks"],
            "stop": not self.flags["stop"],
        }
        for name, conducts in shown.items():
            if 0 <= self.wired[name] < len(found):
                found[self.wired[name]] = conducts
        return found

    # --- the wire ---------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> bytes:
        self._move(now)
        return b"".join([self._answer(frame, now) for frame in self.frames.feed(data, now)])

    def _answer(self, frame: bytes, now: float) -> bytes:
        if frame[0] != self.wired["unit"] or self.flags["mute"]:
            return b""
        self.requests.append(frame[1:6].hex())
        address, value = struct.unpack(">HH", frame[2:6])
        body = frame[:1] + self._body(frame[1], address, value, now)
        return self.frames.seal(body)

    def _body(self, function: int, address: int, value: int, now: float) -> bytes:
        if function in {1, 2}:
            states = [self.coil(at, now) for at in range(len(self._coils))] if function == 1 else self._inputs()
            if not 1 <= value <= len(states) - address:
                return _refused(function, ILLEGAL_ADDRESS)
            bits = sum(on << at for at, on in enumerate(states[address : address + value]))
            size = (value + 7) // 8
            return bytes((function, size)) + bits.to_bytes(size, "little")
        if function == 3 and value == 1:
            return self._register(address)
        if function == 5:
            return self._write(address, value, now)
        return _refused(function, ILLEGAL_FUNCTION)

    def _register(self, address: int) -> bytes:
        modes = {MODES + at: 0 for at in range(len(self._coils))} if self.wired["inputs"] else {}
        if self.wired["inputs"]:
            modes[MODES + self.wired["contactor"]] = self.mode
        known = {VERSION: self.wired["version"], ADDRESS: self.wired["unit"], **modes}
        if address not in known or not self.wired["version"]:
            return _refused(3, ILLEGAL_ADDRESS)
        return struct.pack(">BBH", 3, 2, known[address])

    def _write(self, address: int, value: int, now: float) -> bytes:
        echo = struct.pack(">BHH", 5, address, value)
        if address < len(self._coils):
            if value not in {0, 0xFF00}:
                return _refused(5, ILLEGAL_VALUE)
            self._switch(address, math.inf if value else -math.inf, now)
            return echo
        number = address - FLASH_ON
        if not 0 <= number < len(self._coils) or self.flags["no_flash"]:
            return _refused(5, ILLEGAL_ADDRESS)
        self._switch(number, math.inf if self.flags["no_timer"] else now + value / 10.0, now)
        return echo

    def due(self, now: float) -> float | None:
        """When armature or timer move, though nothing is said then."""
        self._move(now)
        moments = [until for until in self._coils if now < until < math.inf]
        if self._moves_at is not None:
            moments.append(self._moves_at)
        return min(moments, default=None)

    def tick(self, now: float) -> bytes:
        self._move(now)
        return b""

    def power(self, on: bool, now: float) -> None:
        """Without its supply no relay holds."""
        self.frames.forget()
        self._coils = [-math.inf] * len(self._coils)
        self._move(now)
        if not on:
            self.closed = self.closed and self.flags["weld"]

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        self._move(now)
        for name, value in order.items():
            if name in _FLAGS:
                if not isinstance(value, bool):
                    raise ConfigError(f"{name}: must be true or false, is {value!r}")
                self.flags[name] = value
            elif name == "mode":
                self.mode = _whole(name, value, 0, 1_000_000)
            elif name == "wrong_checksum":
                self.frames.wrong_checksum = _whole(name, value, 0, 1_000_000)
            elif name == "coil":
                number = _whole(name, value, 0, len(self._coils) - 1)
                self._switch(number, -math.inf if self.coil(number, now) else math.inf, now)
            elif name != "look":
                known = sorted({*_FLAGS, "mode", "wrong_checksum", "coil", "look"})
                raise ConfigError(f"{name}: unknown; known are {', '.join(known)}")
        self._move(now)
        taken, self.requests = self.requests, []
        return {
            "closed": self.closed,
            "closings": self.closings,
            "coils": [self.coil(at, now) for at in range(len(self._coils))],
            "requests": taken,
        }


def _refused(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}: must be a whole number of {least} to {most}, is {value!r}")
    return value


def create(settings: Mapping[str, object]) -> RelayCoils:
    """See the top of this file. Raises ConfigError naming the field."""
    unknown = settings.keys() - _SETTINGS.keys()
    if unknown:
        raise ConfigError(f"{min(unknown)}: unknown; known are {', '.join(_SETTINGS)}")
    wired = {
        name: _whole(name, settings.get(name, default), least, most)
        for name, (default, least, most) in _SETTINGS.items()
    }
    if wired["contactor"] >= wired["coils"]:
        raise ConfigError(f"contactor: must be one of {wired['coils']} coils, is {wired['contactor']}")
    return RelayCoils(wired)
