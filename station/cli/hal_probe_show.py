"""What a probe has found, for people: who it is, what it shows, and the lines for the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from hal.found import Found, FoundKind
from hal.probe import Trouble
from hal.probe_ports import holder

__all__ = ["configuration", "found_lines", "printable", "readout_lines", "trouble_words"]

GROUP = "put the user into the group that owns the port: sudo usermod -aG dialout $USER, then log in again"
_KEYS = {
    FoundKind.BOARD: ("driver", "evses", "[1]"),
    FoundKind.METER: ("model", "evse", "1"),
    FoundKind.READER: ("kind", "evse", "0"),
}
"""How each table names its driver, and which EVSEs it is for."""
_UNKNOWN = {"relay": "add rating_a = ..., the current in A that cable, contactor and fuse carry"}
"""What the configuration needs besides, by driver."""


def found_lines(port: str, one: Found, by: str) -> Iterator[str]:
    """A device, all of it."""
    yield f"{port}: {printable(one.who)}"
    yield f"  answers to {by}"
    yield from readout_lines(one)
    if one.driver:
        yield "  for the configuration:"
        yield from (f"    {line}" for line in configuration(one))
    else:
        yield f"  {one.settings}; a table of its own is described in docs/hardware.md"


def readout_lines(one: Found) -> Iterator[str]:
    """Name and value, aligned."""
    width = max((len(name) for name, _ in one.readout), default=0)
    for name, value in one.readout:
        yield f"  {printable(name).ljust(width)}  {printable(value)}"


def configuration(one: Found) -> Iterator[str]:
    """Lines of TOML, to be pasted as they are; the EVSE is to be checked, and what no probe can know stands as a comment."""
    name, place, number = _KEYS[one.kind]
    yield f"[[{one.kind.value}]]"
    yield f"{name} = {json.dumps(one.driver)}"
    yield f"{place} = {list(range(1, one.evses + 1)) if one.kind is FoundKind.BOARD else number}"
    inner: list[tuple[str, Mapping[str, object]]] = []
    for key, value in one.settings.items():
        if isinstance(value, Mapping):
            inner.append((key, value))
        elif key != name:
            yield f"{key} = {_toml(value)}"
    for key, table in inner:
        yield f"{key} = {{ {', '.join(f'{field} = {_toml(value)}' for field, value in table.items())} }}"
    if one.driver in _UNKNOWN:
        yield f"# {_UNKNOWN[one.driver]}"


def _toml(value: object) -> str:
    """A value of settings: texts, numbers, flags and lists of them are written as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def printable(text: str) -> str:
    """What a device says is no control sequence."""
    return "".join(char if char.isprintable() else "?" for char in text)


def trouble_words(port: str, trouble: Trouble | None, problem: str, asked: int = 0) -> str:
    """What is wrong, and what to do next."""
    match trouble:
        case None:
            return (
                f"nobody answers to {asked} questions (address, baud rate or parity may be others: --addresses, --baud)"
            )
        case Trouble.IN_USE:
            by = holder(port)
            return (
                f"in use{f' by {by}' if by else ''}; stop the station (or that program), or watch the running station with "
                "`station hal monitor`"
            )
        case Trouble.NO_PERMISSION:
            return f"no permission; {GROUP}"
        case _:
            return problem.removeprefix(f"{port} ").removeprefix(f"{port}: ")
