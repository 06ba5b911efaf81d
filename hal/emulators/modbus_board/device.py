"""Modbus RTU as a board speaks it, with frames and CRC made here; sans-IO, for `hal.emulators.serve`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from hal.emulators.modbus_board.firmware import EvseWb, Firmware, Heidelberg, Phoenix
from hal.emulators.modbus_frames import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Frames
from hal.errors import ConfigError

CARS = ("none", "plugged", "asks", "ventilation")


BOARDS: Mapping[str, Callable[..., Firmware]] = {"evse_wb": EvseWb, "heidelberg": Heidelberg, "phoenix_ev_ser": Phoenix}


class EmulatedBoard:
    """One board on a line. `hal.emulators.serve.Emulated`. log: requests that it has answered, as function and address."""

    def __init__(self, firmware: Firmware, unit: int) -> None:
        self.firmware = firmware
        self.unit = unit
        self.mute = False
        self.refuse = 0
        self.refuse_writes = False
        self.frames = Frames()
        self.writes: list[tuple[int, int, int]] = []
        self.reads = 0

    def feed(self, data: bytes, now: float) -> bytes:
        self.firmware.advance(now)
        return b"".join([self._answer(frame, now) for frame in self.frames.feed(data, now)])

    def due(self, now: float) -> float | None:
        return None

    def tick(self, now: float) -> bytes:
        return b""

    def power(self, on: bool, now: float) -> None:
        self.frames.forget()
        self.firmware.advance(now)
        if on:
            self.firmware.heard(now)
        self.firmware.boot()

    def _answer(self, frame: bytes, now: float) -> bytes:
        if frame[0] != self.unit or self.mute:
            return b""
        self.firmware.heard(now)
        body = bytes((self.unit,)) + self._body(frame)
        self.firmware.advance(now)
        return self.frames.seal(body)

    def _body(self, frame: bytes) -> bytes:
        function = frame[1]
        address, amount = struct.unpack(">HH", frame[2:6])
        exception = self.refuse
        if not exception and function in {1, 3, 4}:
            self.reads += 1
            words = [self.firmware.read(function, address + at) for at in range(amount)]
            found = [word for word in words if word is not None]
            if len(found) == len(words) and found:
                return bytes((function,)) + _packed(function, found)
            exception = ILLEGAL_ADDRESS
        elif not exception and function in {5, 6, 16}:
            exception = self._write(function, address, amount, frame)
            if not exception:
                return frame[1:6]
        return bytes((function | 0x80, exception or ILLEGAL_FUNCTION))

    def _write(self, function: int, address: int, amount: int, frame: bytes) -> int:
        if self.refuse_writes:
            return ILLEGAL_ADDRESS
        if function == 5:
            if amount not in {0, 0xFF00}:
                return ILLEGAL_VALUE
            self.writes.append((function, address, int(amount > 0)))
            return self.firmware.write_coil(address, int(amount > 0))
        values = [amount] if function == 6 else list(struct.unpack(f">{amount}H", frame[7:-2]))
        for at, value in enumerate(values):
            self.writes.append((function, address + at, value))
            exception = self.firmware.write(address + at, value)
            if exception:
                return exception
        return 0

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        self.firmware.advance(now)
        for name, value in order.items():
            _turn(self, name, value)
        self.firmware.advance(now)
        firmware = self.firmware
        return {
            "relay": firmware.relay,
            "letter": firmware.letter(now),
            "amps": firmware.offered_a(),
            "holding": {
                str(key): value for key, value in {**firmware.holding, **getattr(firmware, "kept", {})}.items()
            },
            "coils": {str(key): value for key, value in firmware.coils.items()},
            "writes": self.writes[-50:],
            "reads": self.reads,
        }


def _packed(function: int, words: list[int]) -> bytes:
    if function == 1:
        data = sum(bit << at for at, bit in enumerate(words)).to_bytes((len(words) + 7) // 8, "little")
        return bytes((len(data),)) + data
    return bytes((2 * len(words),)) + struct.pack(f">{len(words)}H", *words)


def _turn(board: EmulatedBoard, name: str, value: object) -> None:
    firmware = board.firmware
    turns: dict[str, Callable[[], None]] = {
        "car": lambda: setattr(firmware, "car", _one_of(name, value, CARS)),
        "fault": lambda: setattr(firmware, "fault", _one_of(name, value, ("none", *firmware.faults))),
        "draw_a": lambda: setattr(firmware, name, _number(name, value)),
        "obeys_s": lambda: setattr(firmware, name, _number(name, value)),
        "celsius": lambda: setattr(firmware, name, _number(name, value)),
        "mute": lambda: setattr(board, name, value is True),
        "refuse": lambda: setattr(board, name, _whole(name, value, 255)),
        "refuse_writes": lambda: setattr(board, name, value is True),
        "wrong_checksum": lambda: setattr(board.frames, name, _whole(name, value, 1_000_000)),
        "keeps": lambda: setattr(firmware, name, _addresses(name, value)),
        "set": lambda: _set(firmware, value),
        "look": lambda: None,
    }
    if name not in turns:
        raise ConfigError(f"{name}: unknown; known are {', '.join(sorted(turns))}")
    turns[name]()


def _set(firmware: Firmware, value: object) -> None:
    stores = [
        store for store in (firmware.holding, getattr(firmware, "kept", {}), firmware.coils) if isinstance(store, dict)
    ]
    if not isinstance(value, Mapping):
        raise ConfigError(f"set: must be a table of address and value, is {value!r}")
    for address, word in value.items():
        store = next((one for one in stores if str(address).isdecimal() and int(address) in one), None)
        if store is None:
            raise ConfigError(f"set: there is no {address!r} to set")
        store[int(address)] = _whole("set", word, 0xFFFF)


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ConfigError(f"{name}: must be one of {', '.join(choices)}, is {value!r}")
    return str(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -100.0 <= value <= 1e9:
        raise ConfigError(f"{name}: must be a number, is {value!r}")
    return float(value)


def _whole(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ConfigError(f"{name}: must be a whole number of 0 to {most}, is {value!r}")
    return value


def _addresses(name: str, value: object) -> set[int]:
    if not isinstance(value, list):
        raise ConfigError(f"{name}: must be a list of addresses, is {value!r}")
    return {_whole(name, one, 0xFFFF) for one in value}


def create(settings: Mapping[str, object]) -> EmulatedBoard:
    """settings: `board`, `address` (1), and of evse_wb `firmware`, `options` (register 2005), `boot_a`. Raises ConfigError."""
    name = _one_of("board", settings.get("board", "evse_wb"), tuple(BOARDS))
    known = (
        {"firmware", "options", "boot_a"}
        if name == "evse_wb"
        else ({"has_errors"} if name == "phoenix_ev_ser" else set())
    )
    unknown = settings.keys() - known - {"board", "address"}
    if unknown:
        raise ConfigError(f"{min(unknown)}: unknown; known are {', '.join(sorted({*known, 'board', 'address'}))}")
    unit = _whole("address", settings.get("address", 1), 247)
    own = {key: value for key, value in settings.items() if key in known}
    for key, value in own.items():
        own[key] = value is True if key == "has_errors" else _whole(key, value, 0xFFFF)
    return EmulatedBoard(BOARDS[name](**own), unit)
