"""Emulated Modbus RTU meters, by the tables of hal/meters but with frames, CRC and numbers made here.

`python -m hal.emulators modbus_meter meters=sdm630@1,sdm120@2` puts two on one line.
Orders: `unit` (else all); `power_w`, `voltage_v` (a number, or one for each phase); `frequency_hz`;
`energy_import_wh`, `energy_export_wh` (set the register); `frozen` (shows what it shows now); `refuse` (exception code,
0: none); `most` (registers that it gives at once); `holes` (refuses addresses that its table does not name); `mute`;
`absent` (names of quantities that it has not); `anonymous` (it does not say who it is); `wrong_checksum` (so many answers),
`foreign` (so many answers come from the next unit).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Protocol

from hal.emulators.modbus_frames import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, Frames
from hal.errors import ConfigError
from hal.meters.identity import IdentityField
from hal.meters.model import MeterModel, Register, load

_POWERS = {"current_a": -2, "voltage_v": -1, "frequency_hz": -2, "power_w": 0, "power_phase_w": 0}
"""Power of ten that meters with registers for it use; energy has 10 Wh in the BSM, 1 Wh in others."""


class Extra(Protocol):
    """Registers beside the table: what a meter that signs has."""

    def word(self, address: int, now: float) -> int | None: ...
    def write(self, address: int, words: list[int], now: float) -> bool: ...
    def lose_power(self) -> None: ...


class EmulatedMeter:
    """One meter: what flows through it, and what it makes of that."""

    def __init__(self, model: MeterModel, unit: int) -> None:
        self.model = model
        self.unit = unit
        self.power_w = [0.0] * model.phases
        self.voltage_v = [230.0] * model.phases
        self.frequency_hz = 50.0
        self.energy_wh = {"energy_import_wh": 1000.0, "energy_export_wh": 0.0}
        self.frozen: dict[int, int] | None = None
        self.refuse = 0
        self.most = 125
        self.holes = False
        self.mute = False
        self.anonymous = False
        self.absent: set[str] = set()
        self.extra: Extra | None = None
        self._counted_to: float | None = None

    def count(self, now: float) -> None:
        """Bring its registers up to now."""
        if self._counted_to is not None:
            total_wh = sum(self.power_w) * (now - self._counted_to) / 3600.0
            self.energy_wh["energy_import_wh" if total_wh >= 0.0 else "energy_export_wh"] += abs(total_wh)
        self._counted_to = now

    def stop_counting(self) -> None:
        self._counted_to = None

    def values(self, name: str) -> list[float]:
        """What it measures, in the unit of the name."""
        if name in self.energy_wh:
            return [self.energy_wh[name]]
        if name == "power_w":
            return [sum(self.power_w)]
        if name == "power_phase_w":
            return self.power_w
        if name == "voltage_v":
            return self.voltage_v
        if name == "current_a":
            return [w / v if v else 0.0 for w, v in zip(self.power_w, self.voltage_v, strict=True)]
        return [self.frequency_hz if name == "frequency_hz" else 25.0]

    def words(self) -> dict[int, int]:
        """All its registers by address."""
        if self.frozen is not None:
            return self.frozen
        found = {block.start + at: 0 for block in self.model.blocks for at in range(block.count)}
        for name, registers in self.model.quantities.items():
            for register, value in zip(registers, self.values(name), strict=True):
                unit = register.scale
                if register.exponent is not None:
                    power = self._power_of(name)
                    found[register.exponent] = power & 0xFFFF
                    unit *= 10.0**power
                bits = _absent_bits(register) if name in self.absent else _bits(register, value / unit)
                found |= _spread(register, bits)
        return found

    def _named(self) -> set[int]:
        registers = [register for some in self.model.quantities.values() for register in some]
        named = {register.address + at for register in registers for at in range(register.words)}
        return named | {register.exponent for register in registers if register.exponent is not None}

    def _power_of(self, name: str) -> int:
        return _POWERS.get(name, 1 if self.model.signing == "bsm" else 0)

    def _identity(self, function: int, start: int, count: int) -> list[int] | None:
        """Registers that are only there when they are asked for alone."""
        for field in () if self.anonymous else self.model.identity:
            if (field.function, field.address, field.words) == (function, start, count):
                return _said(field, self.unit)
        return None

    def read(self, function: int, start: int, count: int, now: float) -> list[int] | None:
        """Registers; None when it has not all of them."""
        if not 1 <= count <= self.most:
            return None
        said = self._identity(function, start, count)
        if said is not None:
            return said
        words = self.words() if any(block.function == function for block in self.model.blocks) else {}
        if self.holes:
            words = {address: word for address, word in words.items() if address in self._named()}
        found = []
        for address in range(start, start + count):
            word = words.get(address)
            if word is None and self.extra is not None and function == 3:
                word = self.extra.word(address, now)
            if word is None:
                return None
            found.append(word)
        return found


def _said(field: IdentityField, unit: int) -> list[int]:
    """A number that the table knows, or a text that begins as it should; serial numbers end in the address."""
    if field.type == "text":
        text = f"{field.starts[0]}-EMULATED" if field.starts else f"EM{unit:06d}"
        data = text.encode()[: 2 * field.words].ljust(2 * field.words, b"\0")
        return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    number = field.codes[0] if field.codes else 21_070_000 + unit
    return [number >> 16 * shift & 0xFFFF for shift in reversed(range(field.words))]


def _bits(register: Register, raw: float) -> int:
    kind = register.type
    if kind == "f32":
        return int(struct.unpack(">I", struct.pack(">f", raw))[0])
    if kind in {"t5", "t6"}:
        return _decimal_float(raw)
    size = int(kind[1:])
    # No meter shows a fraction that it has not counted whole.
    return math.floor(raw + 1e-6) & (1 << size) - 1


def _decimal_float(raw: float) -> int:
    """Eight bits of exponent, 24 of mantissa: four decimals, fewer when the number is large."""
    power = -4
    while abs(raw) / 10.0**power >= 1 << 23:
        power += 1
    return (power & 0xFF) << 24 | round(raw / 10.0**power) & 0xFFFFFF


def _absent_bits(register: Register) -> int:
    return 0x7FC00000 if register.absent is None else register.absent


def _spread(register: Register, bits: int) -> dict[int, int]:
    count = register.words
    shifts = range(count) if register.low_first else reversed(range(count))
    return {register.address + at: bits >> 16 * shift & 0xFFFF for at, shift in enumerate(shifts)}


class ModbusMeters:
    """Meters on one line. Emulated (hal.emulators.serve)."""

    def __init__(self, meters: Mapping[int, EmulatedMeter]) -> None:
        self.meters = meters
        self.frames = Frames()
        self.foreign = 0

    def feed(self, data: bytes, now: float) -> bytes:
        for meter in self.meters.values():
            meter.count(now)
        return b"".join([self._answer(frame, now) for frame in self.frames.feed(data, now)])

    def due(self, now: float) -> float | None:
        return None

    def tick(self, now: float) -> bytes:
        return b""

    def power(self, on: bool, now: float) -> None:
        self.frames.forget()
        for meter in self.meters.values():
            meter.count(now)
            if not on:
                meter.stop_counting()
                if meter.extra is not None:
                    meter.extra.lose_power()

    def _answer(self, frame: bytes, now: float) -> bytes:
        meter = self.meters.get(frame[0])
        if meter is None or meter.mute:
            return b""
        unit = meter.unit
        if self.foreign:
            self.foreign -= 1
            unit = unit % 247 + 1
        body = bytes((unit,)) + self._body(meter, frame, now)
        return self.frames.seal(body)

    def _body(self, meter: EmulatedMeter, frame: bytes, now: float) -> bytes:
        function = frame[1]
        address, amount = struct.unpack(">HH", frame[2:6])
        if meter.refuse:
            return bytes((function | 0x80, meter.refuse))
        if function in {3, 4}:
            words = meter.read(function, address, amount, now)
            if words is None:
                return bytes((function | 0x80, ILLEGAL_ADDRESS))
            return bytes((function, 2 * len(words))) + struct.pack(f">{len(words)}H", *words)
        if function in {6, 16} and meter.extra is not None:
            written = [amount] if function == 6 else list(struct.unpack(f">{amount}H", frame[7:-2]))
            if meter.extra.write(address, written, now):
                return bytes((function,)) + frame[2:6]
            return bytes((function | 0x80, ILLEGAL_ADDRESS))
        return bytes((function | 0x80, ILLEGAL_FUNCTION))

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        for meter in self.meters.values():
            meter.count(now)
        chosen = list(self.meters.values())
        if "unit" in order:
            unit = order["unit"]
            if unit not in self.meters:
                raise ConfigError(f"unit: must be one of {', '.join(map(str, self.meters))}, is {unit!r}")
            chosen = [meter for meter in chosen if meter.unit == unit]
        for name, value in order.items():
            if name == "foreign":
                self.foreign = _whole(name, value, 1_000_000)
            elif name == "wrong_checksum":
                self.frames.wrong_checksum = _whole(name, value, 1_000_000)
            elif name != "unit":
                for meter in chosen:
                    _turn(meter, name, value)
        return {"energy_import_wh": [meter.energy_wh["energy_import_wh"] for meter in chosen]}


def _turn(meter: EmulatedMeter, name: str, value: object) -> None:
    turns: dict[str, Callable[[], None]] = {
        "power_w": lambda: _set_phases(meter.power_w, name, value),
        "voltage_v": lambda: _set_phases(meter.voltage_v, name, value),
        "frequency_hz": lambda: setattr(meter, name, _number(name, value)),
        "energy_import_wh": lambda: meter.energy_wh.update({name: _number(name, value)}),
        "energy_export_wh": lambda: meter.energy_wh.update({name: _number(name, value)}),
        "frozen": lambda: setattr(meter, name, _frozen(meter, value)),
        "refuse": lambda: setattr(meter, name, _whole(name, value, 255)),
        "most": lambda: setattr(meter, name, _whole(name, value, 125)),
        "holes": lambda: setattr(meter, name, value is True),
        "mute": lambda: setattr(meter, name, value is True),
        "anonymous": lambda: setattr(meter, name, value is True),
        "absent": lambda: setattr(meter, name, _names(meter, value)),
    }
    if name not in turns:
        raise ConfigError(
            f"{name}: unknown; known are {', '.join(sorted({*turns, 'unit', 'wrong_checksum', 'foreign'}))}"
        )
    turns[name]()


def _frozen(meter: EmulatedMeter, value: object) -> dict[int, int] | None:
    meter.frozen = None
    return meter.words() if value is True else None


def _names(meter: EmulatedMeter, value: object) -> set[str]:
    if not isinstance(value, list) or not set(value) <= meter.model.quantities.keys():
        raise ConfigError(f"absent: must be a list of {', '.join(meter.model.quantities)}, is {value!r}")
    return set(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name}: must be a number, is {value!r}")
    return float(value)


def _whole(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ConfigError(f"{name}: must be a whole number of 0 to {most}, is {value!r}")
    return value


def _set_phases(phases: list[float], name: str, value: object) -> None:
    values = [_number(name, item) for item in (value if isinstance(value, list) else [value] * len(phases))]
    if len(values) != len(phases):
        raise ConfigError(f"{name}: must be a number, or {len(phases)}, is {value!r}")
    phases[:] = values


def create(settings: Mapping[str, object]) -> ModbusMeters:
    """settings: `meters`, for example "sdm630@1,sdm120@2" (without @: the address of its table). Raises ConfigError."""
    text = settings.get("meters", "sdm630")
    if not isinstance(text, str) or settings.keys() - {"meters"}:
        raise ConfigError(f"meters: must be the only setting, a text such as sdm630@1,sdm120@2; is {dict(settings)!r}")
    meters: dict[int, EmulatedMeter] = {}
    for part in text.split(","):
        name, at, unit = part.strip().partition("@")
        try:
            model = load(name)
        except ConfigError as error:
            raise ConfigError(f"meters: {error}") from error
        if at and not (unit.isdecimal() and 1 <= int(unit) <= 247):
            raise ConfigError(f"meters: the address after @ must be 1 to 247, is {unit!r}")
        meter = EmulatedMeter(model, int(unit) if at else model.unit)
        if meter.unit in meters:
            raise ConfigError(f"meters: address {meter.unit} is given twice")
        if model.signing:
            from hal.emulators.modbus_signing import signing_registers

            meter.extra = signing_registers(meter)
        meters[meter.unit] = meter
    return ModbusMeters(meters)
