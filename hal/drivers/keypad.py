"""What a person types on a keypad becomes a PIN. No I/O; nothing here is ever logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hal.settings import SettingsReader


class Key(Enum):
    """Keys beside the digits."""

    ENTER = "enter"  # or #
    CLEAR = "clear"  # or *
    BACK = "back"


@dataclass(frozen=True, slots=True)
class KeypadSettings:
    """least, most: digits of a PIN. timeout_s: a person who stops for so long has gone; what was typed is forgotten."""

    least: int = 4
    most: int = 8
    timeout_s: float = 10.0


def read_keypad(reader: SettingsReader) -> KeypadSettings:
    """OCPP 2.0.1 allows 36 characters."""
    most = reader.integer("max_digits", 8, 1, 36)
    return KeypadSettings(
        least=reader.integer("min_digits", min(4, most), 1, most),
        most=most,
        timeout_s=reader.number("timeout_s", 10.0, 1.0, 120.0),
    )


class PinEntry:
    """Collects digits until Enter. Too many or too few make no PIN: a guess must not be cut into a right one."""

    __slots__ = ("_at", "_digits", "_settings")

    def __init__(self, settings: KeypadSettings) -> None:
        self._settings = settings
        self._digits = ""
        self._at = 0.0

    def press(self, key: str | Key, now: float) -> str | None:
        """A digit or another key, at `now` seconds. Returns a PIN once it is complete."""
        if now - self._at > self._settings.timeout_s:
            self._digits = ""
        self._at = now
        match key:
            case Key.ENTER:
                pin, self._digits = self._digits, ""
                return pin if self._settings.least <= len(pin) <= self._settings.most else None
            case Key.CLEAR:
                self._digits = ""
            case Key.BACK:
                self._digits = self._digits[:-1]
            case str():
                if len(self._digits) <= self._settings.most:  # one too many stays too many
                    self._digits += key
        return None

    def forget(self) -> None:
        """Keys were lost."""
        self._digits = ""


def _digits(first: int, order: str) -> dict[int, str]:
    return {first + at: digit for at, digit in enumerate(order)}


KEYS: Mapping[int, str | Key] = {
    **_digits(2, "1234567890"),
    **_digits(71, "789"),
    **_digits(75, "456"),
    **_digits(79, "1230"),
    **_digits(0x200, "0123456789"),  # KEY_NUMERIC_0...: keypads in a device tree
    28: Key.ENTER,
    96: Key.ENTER,  # KEY_KPENTER
    0x20B: Key.ENTER,  # KEY_NUMERIC_POUND
    1: Key.CLEAR,  # KEY_ESC
    55: Key.CLEAR,  # KEY_KPASTERISK
    0x20A: Key.CLEAR,  # KEY_NUMERIC_STAR
    111: Key.CLEAR,  # KEY_DELETE
    14: Key.BACK,
}
"""Codes of linux/input-event-codes.h that a keypad has."""


def _row(first: int, order: str) -> dict[int, str]:
    return {first + at: letter for at, letter in enumerate(order)}


CHARACTERS: Mapping[int, str] = {
    **{code: key for code, key in KEYS.items() if isinstance(key, str)},
    **_row(12, "-"),
    **_row(16, "qwertyuiop"),
    **_row(30, "asdfghjkl;"),
    **_row(44, "zxcvbnm,."),
    57: " ",
}
"""What a reader that acts as a (US) keyboard types."""
SHIFTED: Mapping[str, str] = {"-": "_", ";": ":"}
SHIFTS = frozenset({42, 54})
