"""Finds what is connected: asks a port in every known protocol, the most harmless question first. Changes nothing on a device.

`questions` is the plan, pure; `search` carries it out on one port. A driver's module asks for itself (`hal.found`).
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from hal.boards import parse as boards
from hal.bus.serial import Line
from hal.errors import BusError
from hal.found import Found
from hal.meters import model as meters

__all__ = ["Question", "Report", "Trouble", "questions", "search", "trouble_of"]

TIMEOUT_S = 0.5
MCU_BAUD, MCU_S = 115200, 6.0
MODBUS_TIMEOUT_S = 0.25
"""Of one address: most devices answer within 0.1 s; every address where nobody is costs it."""


@dataclass(frozen=True, slots=True)
class _Protocol:
    """One device on a port of its own. probe: "module:function", called as `probe(line, timeout_s)`."""

    name: str
    baud: int
    probe: str


ALONE = (
    # Printable text, which others take for noise.
    _Protocol("OpenEVSE (RAPI)", 115200, "hal.drivers.openevse_probe:probe"),
    _Protocol("PN532", 115200, "hal.drivers.pn532_probe:probe"),
    # Listens first, and for longer than the others take.
    _Protocol("EVerest-MCU", 115200, "hal.probe:_mcu"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """One way to ask a port. addresses: on a bus, where; () on a line of one device."""

    protocol: str
    line: Line
    ask: Callable[[], Awaitable[tuple[Found, ...]]]
    addresses: tuple[int, ...] = ()

    def __str__(self) -> str:
        settings = f"{self.line.baud} 8{self.line.parity}{self.line.stop_bits}"
        where = f", addresses {_ranges(self.addresses)}" if self.addresses else ""
        return f"{self.protocol} at {settings}{where}"


class Trouble(Enum):
    """Why a port cannot be asked."""

    IN_USE = "in use"
    NO_PERMISSION = "no permission"
    NOT_THERE = "not there"
    OTHER = "trouble"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a port. asked: how many questions. by: the one that was answered. problem: why no more was asked."""

    port: str
    found: tuple[Found, ...] = ()
    asked: int = 0
    by: Question | None = None
    trouble: Trouble | None = None
    problem: str = ""


def questions(
    port: str,
    *,
    baud: int | None = None,
    parity: str | None = None,
    addresses: Sequence[int] = (),
    timeout_s: float | None = None,
) -> Iterator[Question]:
    """The plan for one port. baud, parity: only these, else as devices are delivered. addresses: on buses, besides those
    that devices are delivered with.
    """
    for protocol in ALONE:
        if parity in {None, "N"}:
            yield _alone(protocol, Line(port, baud or protocol.baud), timeout_s or TIMEOUT_S)
    lines = _delivered(baud, parity)
    if port.startswith("socket://"):  # the server sets the line, whatever we say: one question is enough
        every = tuple(dict.fromkeys(unit for units in lines.values() for unit in units))
        lines = {next(iter(lines)): every}
    for (rate, bits, stop), units in lines.items():
        asked = tuple(dict.fromkeys((*units, *addresses)))
        yield _bus(Line(port, rate, bits, stop), asked, timeout_s or MODBUS_TIMEOUT_S)


def _alone(protocol: _Protocol, line: Line, timeout_s: float) -> Question:
    async def ask() -> tuple[Found, ...]:
        module, _, name = protocol.probe.partition(":")
        probe: Callable[[Line, float], Awaitable[Found | None]] = getattr(importlib.import_module(module), name)
        found = await probe(line, timeout_s)
        return () if found is None else (found,)

    return Question(protocol.name, line, ask)


def _bus(line: Line, addresses: tuple[int, ...], timeout_s: float) -> Question:
    async def ask() -> tuple[Found, ...]:
        from hal.probe_modbus import scan

        return await scan(line, addresses, timeout_s)

    return Question("Modbus", line, ask, addresses)


def _delivered(baud: int | None, parity: str | None) -> dict[tuple[int, str, int], tuple[int, ...]]:
    """Settings of lines as boards and meters are delivered -> their addresses; those of most devices first."""
    found: dict[tuple[int, str, int], list[int]] = {}
    known = [(model.baud, model.parity, model.stop_bits, model.unit) for model in map(meters.load, meters.names())]
    known += [(model.baud, model.parity, model.stop_bits, model.unit) for model in map(boards.load, boards.names())]
    for rate, bits, stop, unit in known:
        found.setdefault((baud or rate, parity or bits, stop), []).append(unit)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return {settings: tuple(dict.fromkeys(sorted(units))) for settings, units in ordered}


def _ranges(addresses: Sequence[int]) -> str:
    """1, 2, 3, 33 is "1-3, 33"."""
    parts: list[list[int]] = []
    for address in sorted(addresses):
        if parts and address == parts[-1][-1] + 1:
            parts[-1].append(address)
        else:
            parts.append([address])
    return ", ".join(f"{part[0]}" if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


async def _mcu(line: Line, timeout_s: float) -> Found | None:
    """Its boards tell of themselves every three seconds at the latest: no shorter time is of use."""
    from hal.drivers.mcu_probe import probe

    if line.baud != MCU_BAUD:
        return None
    return await probe(line.port, max(MCU_S, timeout_s))


async def search(port: str, plan: Sequence[Question], asking: Callable[[Question], None]) -> Report:
    """Ask until somebody answers: whoever shares a line shares its settings. asking: hears each question before it is asked."""
    problem: tuple[Trouble, str] | None = None
    for number, question in enumerate(plan, start=1):
        asking(question)
        try:
            found = await question.ask()
        except BusError as error:
            trouble = trouble_of(error)
            if trouble is not Trouble.OTHER:
                return Report(port, asked=number - 1, trouble=trouble, problem=str(error))
            problem = (trouble, str(error))  # an adapter that does not take this rate may take the next
            continue
        if found:
            return Report(port, found, number, question)
    if problem is not None:
        return Report(port, asked=len(plan), trouble=problem[0], problem=problem[1])
    return Report(port, asked=len(plan))


def trouble_of(error: BusError) -> Trouble:
    """What kind of error the opening of a port was."""
    cause = error.__cause__
    number = getattr(cause, "errno", None)
    if number in {errno.EBUSY, errno.EAGAIN}:
        return Trouble.IN_USE
    if number in {errno.EACCES, errno.EPERM}:
        return Trouble.NO_PERMISSION
    if number in {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTTY, errno.ECONNREFUSED, errno.EHOSTUNREACH}:
        return Trouble.NOT_THERE
    return Trouble.OTHER
