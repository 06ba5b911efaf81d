"""The settings of driver "relay", checked: which contact is where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.bus.serial import Line
from hal.drivers.gpio_lines import PULLS, LineOfChip
from hal.errors import ConfigError
from hal.settings import SettingsReader

INPUTS = ("mirror", "vehicle", "demand", "emergency_stop")
OPENS = frozenset({"mirror", "emergency_stop"})
"""Contacts that are normally closed. A cut wire then reads as the dangerous case: welded, stopped."""
LEAST_PULSE_S, MOST_PULSE_S = 1.0, 60.0
"""The board's timer counts 0.1 s up to 0x7fff; a supervision longer than a minute is none."""


@dataclass(frozen=True, slots=True)
class Coils:
    """A relay board on Modbus RTU."""

    line: Line
    unit: int
    local_echo: bool

    def __str__(self) -> str:
        return f"{self.line.port} address {self.unit}"


@dataclass(frozen=True, slots=True)
class CoilOutput:
    """coil: from 0. pulse_s: the board opens it by itself so long after the last order (0: never). test_coil: a relay with
    nothing on it, by which that is verified (None: it is not)."""

    board: Coils
    coil: int
    pulse_s: float
    test_coil: int | None

    def __str__(self) -> str:
        return f"{self.board} coil {self.coil}"


@dataclass(frozen=True, slots=True)
class DiscreteInput:
    """input: from 0 (function 2)."""

    board: Coils
    input: int

    def __str__(self) -> str:
        return f"{self.board} input {self.input}"


@dataclass(frozen=True, slots=True)
class Contact:
    """An input. normally_closed: the contact opens when what it is there for happens."""

    where: LineOfChip | DiscreteInput
    normally_closed: bool

    def tells(self, active: bool) -> bool:
        """Whether it happens: the contactor is closed (mirror), the vehicle is there, it asks, the stop is pressed."""
        return active is not self.normally_closed


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """rating_a: the one current. watchdog: a line that is toggled every `watchdog_s` as long as this program lives."""

    name: str
    contactor: LineOfChip | CoilOutput
    contacts: Mapping[str, Contact]
    watchdog: LineOfChip | None
    watchdog_s: float
    rating_a: float
    phases: int
    voltage_v: float
    fixed_cable: bool
    connector_type: str

    @property
    def board(self) -> Coils | None:
        """The relay board on Modbus, if anything is on one."""
        if isinstance(self.contactor, CoilOutput):
            return self.contactor.board
        boards = [contact.where.board for contact in self.contacts.values() if isinstance(contact.where, DiscreteInput)]
        return boards[0] if boards else None


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    values: Mapping[str, object]
    reader: SettingsReader


class _Tables:
    """Reads the tables of contacts, and remembers the Modbus board that the first of them names."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._board: Coils | None = None
        self.problems: list[str] = []

    def open(self, name: str) -> _Table | None:
        values = self._settings.get(name)
        if isinstance(values, Mapping):
            return _Table(name, values, SettingsReader(f"board.{name}", values))
        if name in self._settings:
            self.problems.append(f"board.{name}: must be a table such as {{ line = 17 }}, is {values!r}")
        return None

    def close(self, table: _Table) -> None:
        try:
            table.reader.finish()
        except ConfigError as error:
            self.problems.append(str(error))

    def chooses(self, table: _Table, modbus: str) -> bool:
        """Exactly one of `line` and the Modbus field is there."""
        if ("line" in table.values) is not (modbus in table.values):
            return True
        self.problems.append(
            f"board.{table.name}: needs either `line` (GPIO) or `{modbus}` (of a relay board on Modbus)"
        )
        return False

    def coils(self, table: _Table) -> Coils:
        """The board of one table; its port may be left out when an earlier one has said it."""
        reader, before = table.reader, self._board
        if "port" not in table.values and before is None:
            reader.problems.append(f"board.{table.name}.port: is missing; must be /dev/... or socket://host:port")
        default = before.line if before is not None else Line("/dev/null")
        values = (
            reader.text("port", default.port),
            reader.integer("baud", default.baud, 1200, 1_000_000),
            reader.text("parity", default.parity, ("N", "E", "O")),
            reader.integer("stop_bits", default.stop_bits, 1, 2),
        )
        try:
            line = Line(*values)
        except ConfigError as error:
            reader.problems.append(str(error).replace("line.", f"board.{table.name}.", 1))
            line = default
        unit = reader.integer("address", before.unit if before is not None else 1, 1, 247)
        echo = reader.flag("local_echo", before.local_echo if before is not None else False)
        found = Coils(line, unit, echo)
        if before is not None and found != before:
            reader.problems.append(f"board.{table.name}: is on another Modbus board than the rest; one has to do")
        self._board = self._board or found
        return found


def _chip_line(reader: SettingsReader, *, output: bool) -> LineOfChip:
    return LineOfChip(
        chip=reader.text("chip", "/dev/gpiochip0"),
        line=reader.integer("line", 0, 0, 1023),
        active_low=reader.flag("active_low", not output),
        pull="as_is" if output else reader.text("pull", "up", PULLS),
        debounce_s=0.0 if output else reader.number("debounce_s", 0.02, 0.0, 0.5),
    )


_NO_CONTACTOR = LineOfChip("/dev/gpiochip0", 0)


def _contactor(tables: _Tables) -> LineOfChip | CoilOutput:
    table = tables.open("contactor")
    if table is None:
        tables.problems.append("board.contactor: is missing; must be a table such as { line = 17 }, or { port, coil }")
        return _NO_CONTACTOR
    if not tables.chooses(table, "coil"):
        return _NO_CONTACTOR
    found = _coil(tables, table) if "coil" in table.values else _chip_line(table.reader, output=True)
    tables.close(table)
    return found


def _coil(tables: _Tables, table: _Table) -> CoilOutput:
    reader = table.reader
    coil = reader.integer("coil", 0, 0, 255)
    pulse_s = reader.number("pulse_s", 0.0, 0.0, MOST_PULSE_S)
    test_coil = reader.integer("test_coil", 0, 0, 255)
    if 0.0 < pulse_s < LEAST_PULSE_S:
        reader.problems.append(f"board.contactor.pulse_s: must be 0 or at least {LEAST_PULSE_S:g}, is {pulse_s:g}")
    tested = "test_coil" in table.values
    if tested and test_coil == coil:
        reader.problems.append(
            f"board.contactor.test_coil: must be a relay with nothing on it, is {coil}, the contactor"
        )
    if tested and not pulse_s:
        reader.problems.append("board.contactor.test_coil: needs pulse_s; it verifies that the board opens by itself")
    return CoilOutput(tables.coils(table), coil, pulse_s, test_coil if tested else None)


def _contact(name: str, tables: _Tables) -> Contact | None:
    table = tables.open(name)
    if table is None or not tables.chooses(table, "input"):
        return None
    normally_closed = table.reader.flag("normally_closed", name in OPENS)
    where: LineOfChip | DiscreteInput
    if "input" in table.values:
        number = table.reader.integer("input", 0, 0, 255)
        where = DiscreteInput(tables.coils(table), number)
    else:
        where = _chip_line(table.reader, output=False)
    tables.close(table)
    return Contact(where, normally_closed)


def _watchdog(tables: _Tables) -> tuple[LineOfChip | None, float]:
    table = tables.open("watchdog")
    if table is None:
        return None, 0.0
    if "line" not in table.values:
        table.reader.problems.append(
            "board.watchdog.line: is missing; must be the number of a line of the chip (gpioinfo lists them)"
        )
    line, period_s = _chip_line(table.reader, output=True), table.reader.number("period_s", 0.5, 0.05, 10.0)
    tables.close(table)
    return line, period_s


def _twice(found: RelaySettings) -> list[str]:
    """Two contacts at the same place."""
    places = {"contactor": str(found.contactor), **{name: str(one.where) for name, one in found.contacts.items()}}
    if found.watchdog is not None:
        places["watchdog"] = str(found.watchdog)
    seen: dict[str, str] = {}
    problems = []
    for name, place in places.items():
        if place in seen:
            problems.append(f"board.{name}: is at the same place as {seen[place]}: {place}")
        seen[place] = name
    return problems


def read_settings(settings: Mapping[str, object]) -> RelaySettings:
    """Raises ConfigError naming every field that is wrong."""
    tables = _Tables(settings)
    contactor = _contactor(tables)
    contacts = {name: contact for name in INPUTS if (contact := _contact(name, tables)) is not None}
    watchdog, watchdog_s = _watchdog(tables)
    reader = SettingsReader(
        "board", {key: value for key, value in settings.items() if key not in {"contactor", "watchdog", *INPUTS}}
    )
    if "rating_a" not in settings:
        reader.problems.append(
            "board.rating_a: is missing; must be the current in A that cable, contactor and fuse carry"
        )
    fixed_cable = reader.flag("fixed_cable", True)
    found = RelaySettings(
        name=reader.text("name", "relay"),
        contactor=contactor,
        contacts=contacts,
        watchdog=watchdog,
        watchdog_s=watchdog_s,
        rating_a=reader.number("rating_a", 6.0, 1.0, 125.0),
        phases=reader.integer("phases", 1, 1, 3),
        voltage_v=reader.number("voltage_v", 230.0, 80.0, 300.0),
        fixed_cable=fixed_cable,
        connector_type=reader.text("connector_type", "cType2" if fixed_cable else "sType2"),
    )
    if found.phases == 2:
        reader.problems.append("board.phases: must be 1 or 3, is 2")
    reader.problems[:0] = tables.problems
    reader.problems += _twice(found)
    reader.finish()
    return found
