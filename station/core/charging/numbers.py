"""Numbers of the wire made exact: whole thousandths, whole seconds, or a ProfileError that names the field.

JSON readers give int, float or Decimal, and some of them NaN and Infinity too. Nothing here takes longer than the number has digits.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from station.core.charging.profiles import MILLI, ProfileError

HIGHEST_RATE = 1_000_000_000
"""A or W: a gigawatt is no charging station. Whoever sends more means no limit, or has a fault."""
HIGHEST_INTEGER = 2**31 - 1
"""OCPP 1.6J 4.2.3 and 2.x Part 2, 2.1 primitive datatypes: integers have 32 bits."""

_STEP = Decimal("0.001")
_EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[])


def thousandths(value: object, field: str, *, reason: str = "InvalidSchedule") -> int:
    """`value` in whole thousandths (A to mA, W to mW), rounded to the nearest; the shortest decimal that reads as a float counts.

    Negative rates pass: whether one is allowed is a rule of its field. Raises ProfileError with `reason` for what is no number
    (text, true, NaN, Infinity) and for more than HIGHEST_RATE either way.
    """
    # bool first: Python counts True as the integer 1
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ProfileError(field, f"must be a number, not {type(value).__name__}", reason)
    if isinstance(value, int):
        _within(-HIGHEST_RATE <= value <= HIGHEST_RATE, field, reason)
        return value * MILLI
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise ProfileError(field, f"must be a finite number, not {'NaN' if number.is_nan() else 'Infinity'}", reason)
    # The exponent first: a Decimal such as 1E+999999999 must never be written out.
    _within(number.adjusted() <= 9 and abs(number) <= HIGHEST_RATE, field, reason)
    return int(number.quantize(_STEP, context=_EXACT).scaleb(3, context=_EXACT))


def integer(
    value: object, field: str, *, least: int = 0, most: int = HIGHEST_INTEGER, reason: str = "InvalidSchedule"
) -> int:
    """`value` as an integer from `least` to `most` (seconds, counts, ids). 10.0 is 10; 10.5, true and text are refused.

    Raises ProfileError with `reason`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ProfileError(field, f"must be an integer, not {type(value).__name__}", reason)
    if not isinstance(value, int):
        number = value if isinstance(value, Decimal) else Decimal(repr(value))
        if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value(context=_EXACT):
            raise ProfileError(field, "must be a whole number", reason)
        value = int(number)
    if not least <= value <= most:
        raise ProfileError(field, f"must be from {least} to {most}", reason)
    return value


def _within(fits: bool, field: str, reason: str) -> None:
    if not fits:
        raise ProfileError(field, f"must be from -{HIGHEST_RATE} to {HIGHEST_RATE}", reason)
