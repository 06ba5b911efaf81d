"""Registers to a MeterReading, by the table of a meter. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from hal.api import MeterReading
from hal.errors import DeviceError
from hal.meters.model import PER_PHASE, SINGLE, MeterModel, Register

_FAR = 60
"""No scale factor of a meter is further from 1 than ten to this; more is nonsense from the wire."""


def value_of(register: Register, words: Mapping[int, int]) -> float | None:
    """The number in a register; None when the meter says that it has none. words: address -> 16 bits."""
    taken = [words[register.address + at] for at in range(register.words)]
    if register.low_first:
        taken.reverse()
    bits = 0
    for word in taken:
        bits = bits << 16 | word
    if bits == register.absent:
        return None
    value = _number(register.type, bits)
    if register.exponent is not None and value is not None:
        power = _signed(words[register.exponent], 16)
        value = _times_ten_to(value, power)
    return None if value is None else value * register.scale


def _number(kind: str, bits: int) -> float | None:
    if kind == "f32":
        value: float = struct.unpack(">f", bits.to_bytes(4, "big"))[0]
        return value if math.isfinite(value) else None
    if kind in {"t5", "t6"}:
        mantissa = bits & 0xFFFFFF
        return _times_ten_to(_signed(mantissa, 24) if kind == "t6" else mantissa, _signed(bits >> 24, 8))
    width = int(kind[1:])
    return _signed(bits, width) if kind[0] == "i" else bits


def _signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits


def _times_ten_to(value: float, power: int) -> float | None:
    if abs(power) > _FAR:
        return None
    # Dividing by ten keeps 2300 x 10^-1 = 230 exact; multiplying with 0.1 does not.
    factor = float(10 ** abs(power))
    return value * factor if power >= 0 else value / factor


def words_of(start: int, registers: Sequence[int]) -> dict[int, int]:
    """Address -> word of one block that was read."""
    return {start + at: word for at, word in enumerate(registers)}


def reading(model: MeterModel, words: Mapping[int, int]) -> MeterReading:
    """Everything in it. Raises DeviceError when the energy is missing, negative or no number."""
    single = {name: value_of(model.quantities[name][0], words) if name in model.quantities else None for name in SINGLE}
    phases = {name: _phases(model.quantities.get(name, ()), words) for name in PER_PHASE}
    energy_wh = single["energy_import_wh"]
    if energy_wh is None:
        raise DeviceError(f"{model.name}: says that it has no energy value; look at its display")
    if energy_wh < 0.0:
        raise DeviceError(f"{model.name}: its import register shows {energy_wh:.1f} Wh; is this the right model?")
    power_w = single["power_w"]
    if power_w is None and phases["power_phase_w"]:
        power_w = sum(phases["power_phase_w"])
    return MeterReading(
        energy_import_wh=energy_wh,
        energy_export_wh=single["energy_export_wh"],
        power_w=power_w,
        current_a=phases["current_a"],
        voltage_v=phases["voltage_v"],
        power_phase_w=phases["power_phase_w"],
        frequency_hz=single["frequency_hz"],
        temperature_c=single["temperature_c"],
    )


def _phases(registers: tuple[Register, ...], words: Mapping[int, int]) -> tuple[float, ...]:
    """One value or three. A three-phase meter on one phase says that L2 and L3 have none."""
    values = [value_of(register, words) for register in registers]
    if all(value is None for value in values):
        return ()
    if len(values) == 3 and values[0] is not None and values[1] is None and values[2] is None:
        return (values[0],)
    return tuple(value or 0.0 for value in values)
