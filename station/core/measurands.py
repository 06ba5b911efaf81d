"""Measurands: which there are, and how a meter reading becomes sampled values.

Units are those that OCPP 2.x assumes (Wh, W, A, V, Hz, Percent, Celsius); how a version spells them is its dialect's
business.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from hal.api import MeterReading
from station.core.types import SampledValue
from station.core.variables import PHASES

__all__ = ["ONLY_1_6", "aligned", "parse", "sample", "split_phase", "supported"]

DAY_S = 86400

# Unit and decimals that are kept: finer than any meter's accuracy class, coarser than floating-point dust.
_UNITS = {
    "Energy.Active.Import.Register": ("Wh", 1),
    "Energy.Active.Export.Register": ("Wh", 1),
    "Power.Active.Import": ("W", 1),
    "Power.Active.Export": ("W", 1),
    "Power.Offered": ("W", 0),
    "Current.Import": ("A", 2),
    "Current.Offered": ("A", 1),
    "Voltage": ("V", 1),
    "Frequency": ("Hz", 2),
    "SoC": ("Percent", 1),
    "Temperature": ("Celsius", 1),
}

ONLY_1_6 = frozenset({"Temperature"})
"""Measurands that MeasurandEnumType of 2.0.1 does not know: its dialect leaves them out."""

_TO_NEUTRAL = ("L1-N", "L2-N", "L3-N")

_PLAIN: dict[str, Callable[[MeterReading], float | None]] = {
    "Energy.Active.Import.Register": attrgetter("energy_import_wh"),
    "Energy.Active.Export.Register": attrgetter("energy_export_wh"),
    "Frequency": attrgetter("frequency_hz"),
    "SoC": attrgetter("soc_percent"),
    "Temperature": attrgetter("temperature_c"),
}

_Values = Sequence[tuple[str | None, float | None]]


def supported() -> tuple[str, ...]:
    """Every measurand that a reading can yield, in the order in which it is offered."""
    return tuple(_UNITS)


def split_phase(member: str) -> tuple[str, str | None]:
    """Measurand and phase of one member: "Voltage.L1-N" is ("Voltage", "L1-N") (1.6 chapter 9; 2.x allows the same)."""
    measurand, dot, phase = member.rpartition(".")
    return (measurand, phase) if dot and phase in PHASES else (member, None)


def parse(text: str) -> tuple[str, ...]:
    """Members of a comma-separated list, spaces and repetitions removed, in their order.

    Raises ValueError naming the first one that is not supported.
    """
    members = tuple(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    for member in members:
        if split_phase(member)[0] not in _UNITS:
            raise ValueError(f"measurand {member} is not supported")
    return members


def sample(
    measurands: Iterable[str],
    reading: MeterReading,
    *,
    offered_a: float,
    phases: int,
    voltage_v: float,
    signed: bool = False,
) -> tuple[SampledValue, ...]:
    """Values of `measurands` in one reading; what the meter does not know is left out, as is an unknown measurand.

    offered_a: current offered to the vehicle per phase, over `phases` phases at `voltage_v` (phase to neutral).
    signed: attach the meter's signed record to the import register.

    Without a phase in its name, current and voltage come per phase (L1.., L1-N..): there is no overall value of them
    on which two CSMSs agree (sum or average). Energy and power come as totals. A name with a phase gives that phase
    alone.
    """
    values: list[SampledValue] = []
    for member in dict.fromkeys(measurands):
        measurand, wanted = split_phase(member)
        if measurand not in _UNITS:
            continue
        unit, decimals = _UNITS[measurand]
        record = reading.signed if signed and measurand == "Energy.Active.Import.Register" else None
        for phase, value in _select(_values(measurand, reading, offered_a, phases, voltage_v), wanted):
            if value is not None and math.isfinite(value):
                key = reading.public_key if record is not None else ""
                values.append(SampledValue(measurand, _rounded(value, decimals), unit, phase, record, key))
    # A list may name a measurand whole and by phase: each value is sent once.
    return tuple(dict.fromkeys(values))


def _values(measurand: str, reading: MeterReading, offered_a: float, phases: int, voltage_v: float) -> _Values:
    """(phase, value) of one measurand; phase None is the total."""
    plain = _PLAIN.get(measurand)
    if plain is not None:
        return [(None, plain(reading))]
    match measurand:
        case "Power.Active.Import":
            return [(phase, _positive(value)) for phase, value in _power(reading)]
        case "Power.Active.Export":
            return [(phase, _positive(value, sign=-1)) for phase, value in _power(reading)]
        case "Power.Offered":
            return [(None, offered_a * phases * voltage_v)]
        case "Current.Import":
            return list(zip(PHASES, reading.current_a, strict=False))
        case "Current.Offered":
            return [(None, offered_a)]
        case _:  # Voltage
            return list(zip(_TO_NEUTRAL, reading.voltage_v, strict=False))


def _power(reading: MeterReading) -> _Values:
    per_phase = list(zip(PHASES, reading.power_phase_w, strict=False))
    total = reading.power_w
    if total is None and per_phase:
        total = sum(reading.power_phase_w)
    return [(None, total), *per_phase]


def _positive(value: float | None, *, sign: int = 1) -> float | None:
    """Power in one direction only: what flows the other way belongs to the other measurand."""
    return None if value is None else max(sign * value, 0.0)


def _select(values: _Values, wanted: str | None) -> _Values:
    if wanted is None:
        totals = [pair for pair in values if pair[0] is None]
        return totals or values
    return [pair for pair in values if pair[0] is not None and _same_phase(pair[0], wanted)]


def _same_phase(phase: str, wanted: str) -> bool:
    # A phase of an AC supply is measured against neutral: "Voltage.L1" asks for L1-N, "Current.Import.L1-N" for L1.
    return phase.removesuffix("-N") == wanted.removesuffix("-N")


def _rounded(value: float, decimals: int) -> float:
    """Whole numbers as int, so that no ".0" and no "-0.0" reaches the wire."""
    rounded = round(float(value), decimals)
    return int(rounded) if rounded.is_integer() else rounded


def aligned(wall: float, interval_s: int) -> float:
    """The next clock-aligned moment after `wall` (seconds since the epoch).

    Every day is cut into intervals from 00:00:00 UTC on (J01, AlignedDataInterval). When the interval does not divide a
    day, the last one of the day is short; one of a day or longer means once a day. Raises ValueError unless positive.
    """
    if interval_s <= 0:
        raise ValueError("the interval must be positive")
    midnight = math.floor(wall / DAY_S) * DAY_S
    steps = math.floor((wall - midnight) / interval_s) + 1
    return float(midnight + min(steps * interval_s, DAY_S))
