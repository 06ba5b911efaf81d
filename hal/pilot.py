"""Amperes and duty cycles of the control pilot (IEC 61851-1 annex A, tables A.7 and A.8), both ways."""

from __future__ import annotations


def duty_percent(current_a: float) -> float:
    """Duty cycle that offers `current_a` (6..80 A); 51..52.5 A has no code and becomes 51 A. Raises ValueError."""
    if not 6.0 <= current_a <= 80.0:
        raise ValueError(f"no duty cycle means {current_a:g} A; 6 to 80 A have one")
    if current_a < 52.5:
        return min(current_a, 51.0) / 0.6
    return current_a / 2.5 + 64.0


def offered_a(duty: float) -> float:
    """Amperes that a vehicle reads from a duty cycle in percent; 0 where it must not draw (IEC 61851-1 table A.8)."""
    if duty < 8.0 or duty > 97.0:
        return 0.0
    if duty < 10.0:
        return 6.0
    if duty <= 85.0:
        return duty * 0.6
    return min((duty - 64.0) * 2.5, 80.0)
