"""Reads a table of hal/boards, or a file of your own. All that is wrong in it is told at once, by field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hal.api import FaultCode, PilotState
from hal.boards.model import (
    Amps,
    Block,
    BoardModel,
    Boot,
    Cable,
    Closed,
    Condition,
    Cut,
    Enable,
    FaultRule,
    Identity,
    Init,
    Place,
    State,
    Watchdog,
    Write,
)
from hal.errors import ConfigError
from hal.meters.model import MeterModel
from hal.meters.model import parse as parse_meter
from hal.settings import SettingsReader
from hal.shelf import Shelf

SHELF = Shelf("board", Path(__file__).parent)
MOST_A = 80.0
FLAGS = ("ventilated",)
KINDS = ("number", "hex", "version", "text")
_COILS = {1, 5}
_TABLES = ("state", "closed", "amps", "enable", "cut", "boot", "cable", "watchdog", "line", "poll", "limits", "meter")
_NEEDED = ("state", "amps")


def names() -> tuple[str, ...]:
    """The boards that are shipped, sorted."""
    return SHELF.names()


def load(name: str) -> BoardModel:
    """A shipped board by its name, or a file by its path (it ends in .toml). Raises ConfigError naming what is wrong."""
    return _load(SHELF.path(name))


@cache
def _load(path: Path) -> BoardModel:
    return parse(path.name, SHELF.values(path))


def parse(where: str, values: Mapping[str, object]) -> BoardModel:
    """The board in a table. where: how it is called in messages. Raises ConfigError naming every wrong field."""
    return _Parser(where, values).board()


class _Parser:
    """problems: all that is wrong so far; a wrong value reads as something harmless meanwhile."""

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self.where = where
        self.values = values
        self.problems: list[str] = []
        self.known: dict[int, list[Place]] = {}
        self.blocks: tuple[Block, ...] = ()

    def board(self) -> BoardModel:
        top = SettingsReader(self.where, {key: value for key, value in self.values.items() if key not in _TABLES})
        for needed in ("name", "source"):
            if needed not in self.values:
                self.problems.append(f"{self.where}.{needed}: is missing")
        self.problems += [f"{self.where}.{needed}: is missing" for needed in _NEEDED if needed not in self.values]
        name, source = top.text("name", "?"), top.text("source", "?")
        blocks = self.blocks = self._blocks(top)
        line, poll, limits = self._table("line"), self._table("poll"), self._table("limits")
        max_a = limits.number("max_a", 32.0, 6.0, MOST_A)
        model = BoardModel(
            name=name,
            source=source,
            unit=line.integer("address", 1, 1, 247),
            baud=line.integer("baud", 9600, 50, 4_000_000),
            parity=line.text("parity", "N", ("N", "E", "O")),
            stop_bits=line.integer("stop_bits", 1, 1, 2),
            timeout_s=line.number("timeout_s", 0.5, 0.01, 60.0),
            gap_s=line.number("gap_s", 0.0, 0.0, 10.0),
            idle_s=poll.number("idle_s", 2.0, 0.1, 60.0),
            active_s=poll.number("active_s", 1.0, 0.1, 60.0),
            min_a=limits.number("min_a", 6.0, 0.1, max_a),
            max_a=max_a,
            blocks=blocks,
            state=self._state(),
            amps=self._amps(),
            closed=self._closed(),
            enable=self._enable(),
            cut=self._cut(),
            boot=self._boot(),
            cable=self._cable(),
            watchdog=self._watchdog(),
            init=tuple(self._init(*item) for item in self._each(top, "init")),
            faults=tuple(self._fault(*item) for item in self._each(top, "fault")),
            identity=tuple(self._identity(*item) for item in self._each(top, "identity")),
            probe=tuple(self._probe(*item) for item in self._each(top, "probe")),
            meter=self._meter(name, source),
        )
        for reader in (line, poll, limits, top):
            self._finish(reader)
        if self.problems:
            raise ConfigError("; ".join(self.problems))
        return model

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _table(self, name: str) -> SettingsReader:
        value = self.values.get(name, {})
        if isinstance(value, Mapping):
            return SettingsReader(f"{self.where}.{name}", value)
        self.problems.append(f"{self.where}.{name}: must be a table, is {value!r}")
        return SettingsReader(f"{self.where}.{name}", {})

    def _each(self, top: SettingsReader, name: str) -> list[tuple[str, Mapping[str, object]]]:
        return [(f"{self.where}.{name}[{at}]", table) for at, table in enumerate(top.tables(name), start=1)]

    def _finish(self, reader: SettingsReader) -> None:
        try:
            reader.finish()
        except ConfigError as error:
            self.problems.append(str(error))

    def _needs(self, where: str, table: Mapping[str, object], *names: str) -> None:
        self.problems += [f"{where}.{name}: is missing" for name in names if name not in table]

    def _given(self, name: str) -> Mapping[str, object] | None:
        value = self.values.get(name)
        return value if isinstance(value, Mapping) else ({} if name in self.values else None)

    def _blocks(self, top: SettingsReader) -> tuple[Block, ...]:
        found = []
        for where, table in self._each(top, "block"):
            self._needs(where, table, "function", "start", "count")
            reader = SettingsReader(where, table)
            function = reader.integer("function", 3, 1, 4)
            block = Block(
                function=function,
                start=reader.integer("start", 0, 0, 0xFFFF),
                count=reader.integer("count", 1, 1, 125),
                every_s=reader.number("every_s", 0.0, 0.0, 3600.0),
                optional=reader.flag("optional", False),
            )
            if function == 2:
                reader.problems.append(f"{where}.function: must be 1, 3 or 4, is 2")
            if block.start + block.count > 0x10000:
                reader.problems.append(f"{where}.count: ends after 65535")
            self._finish(reader)
            for place in block.places():
                others = self.known.setdefault(place.address, [])
                if place in others:
                    self.problems.append(f"{where}.start: {place} lies in another block too")
                    break
                others.append(place)
            found.append(block)
        if not any(block.every_s == 0.0 for block in found):
            self.problems.append(f"{self.where}.block: at least one is needed that is read at each look")
        return tuple(found)

    def _place(self, reader: SettingsReader, where: str, field: str = "address", *, coil: bool | None = None) -> Place:
        """Where a block reads it. coil: it must be one, or must be a register; None: either."""
        address = reader.integer(field, 0, 0, 0xFFFF)
        function = reader.integer("function", 0, 1, 4) if field == "address" else 0
        places = [place for place in self.known.get(address, []) if function in {0, place.function}]
        if coil is not None:
            places = [place for place in places if (place.function == 1) is coil]
        if len(places) == 1:
            return places[0]
        problem = "lies in no block that reads it" if not places else "lies in several blocks; give its function"
        self.problems.append(f"{where}.{field}: {address} {problem}")
        return Place(3, address)

    def _write(self, reader: SettingsReader, where: str, field: str = "address") -> Write:
        """A write with its place for reading back: a coil by function 5, a holding register by 6 or 16."""
        function = reader.integer("write", 16, 5, 16)
        if function not in {5, 6, 16}:
            self.problems.append(f"{where}.write: must be 5, 6 or 16, is {function}")
        place = self._place(reader, where, field, coil=function == 5)
        if place.function == 4:
            self.problems.append(f"{where}.{field}: {place} cannot be written")
        return Write(place, function)

    def _test(self, reader: SettingsReader, where: str) -> Condition:
        """address and one of bit, values, not_values, least; mask."""
        place = self._place(reader, where)
        mask = reader.integer("mask", 0xFFFF, 1, 0xFFFF)
        bit = reader.integer("bit", -1, 0, 15)
        values, others = reader.integers("values", 0, 0xFFFF), reader.integers("not_values", 0, 0xFFFF)
        least = reader.integer("least", -1, 0, 0xFFFF)
        if (bit >= 0) + bool(values) + bool(others) + (least >= 0) != 1:
            self.problems.append(f"{where}: needs one of bit, values, not_values, least")
        if bit >= 0:
            return Condition(place, 1 << bit, frozenset({1 << bit}))
        return Condition(place, mask, frozenset(values or others), bool(others), least if least >= 0 else None)

    # --- the tables ---------------------------------------------------------------------------------------------------

    def _state(self) -> State:
        where, reader = f"{self.where}.state", self._table("state")
        place = self._place(reader, where) if "state" in self.values else Place(3, 0)
        mask = reader.integer("mask", 0xFFFF, 1, 0xFFFF)
        letters: dict[int, PilotState | None] = {}
        for name in ("A", "B", "C", "D", "E", "F", "other"):
            for value in reader.integers(name, 0, 0xFFFF):
                if value in letters:
                    self.problems.append(f"{where}.{name}: {value} stands for another state too")
                if value & ~mask:
                    self.problems.append(f"{where}.{name}: {value} has bits that mask leaves out")
                letters[value] = None if name == "other" else PilotState(name)
        found = State(place, mask, letters, reader.number("settle_f_s", 0.0, 0.0, 120.0))
        if not all(block.every_s == 0.0 and not block.optional for block in self.blocks if place in block.places()):
            self.problems.append(f"{where}.address: its block is optional, or not read at each look")
        if "state" in self.values:
            seen = set(letters.values())
            self.problems += [
                f"{where}.{letter.value}: is missing"
                for letter in (PilotState.A, PilotState.B, PilotState.C)
                if letter not in seen
            ]
        self._finish(reader)
        return found

    def _amps(self) -> Amps:
        where, reader = f"{self.where}.amps", self._table("amps")
        if "amps" not in self.values:
            return Amps(Write(Place(3, 0), 16), 1.0)
        write, scale = self._write(reader, where), reader.number("scale", 1.0, 0.001, 10.0)
        fine = reader.optional_number("fine_scale", 0.001, 10.0)
        tests = []
        for at, table in enumerate(reader.tables("fine_when"), start=1):
            inner, inner_where = SettingsReader(f"{where}.fine_when[{at}]", table), f"{where}.fine_when[{at}]"
            tests.append(self._test(inner, inner_where))
            self._finish(inner)
        if (fine is None) is bool(tests):
            self.problems.append(f"{where}.fine_when: goes with fine_scale, one does not do without the other")
        if fine is not None and fine >= scale:
            self.problems.append(f"{where}.fine_scale: must be less than scale, is {fine:g}")
        self._finish(reader)
        return Amps(write, scale, fine, tuple(tests))

    def _closed(self) -> Closed | None:
        table = self._given("closed")
        if table is None:
            return None
        where, reader = f"{self.where}.closed", self._table("closed")
        found = Closed(self._test(reader, where), reader.flag("contact", False))
        self._finish(reader)
        return found

    def _enable(self) -> Enable | None:
        if self._given("enable") is None:
            return None
        where, reader = f"{self.where}.enable", self._table("enable")
        found = Enable(
            self._write(reader, where), reader.integer("on", 1, 0, 0xFFFF), reader.integer("off", 0, 0, 0xFFFF)
        )
        if found.on == found.off:
            self.problems.append(f"{where}.off: must not be the same as on")
        self._finish(reader)
        return found

    def _cut(self) -> Cut | None:
        table = self._given("cut")
        if table is None:
            return None
        where, reader = f"{self.where}.cut", self._table("cut")
        self._needs(where, table, "value", "restore")
        found = Cut(
            self._write(reader, where),
            reader.integer("mask", 0xFFFF, 1, 0xFFFF),
            reader.integer("value", 0, 0, 0xFFFF),
            reader.integer("restore", 0, 0, 0xFFFF),
            reader.flag("state_f", False),
        )
        self._finish(reader)
        return found

    def _boot(self) -> Boot | None:
        if self._given("boot") is None:
            return None
        where, reader = f"{self.where}.boot", self._table("boot")
        found = Boot(self._write(reader, where), reader.number("scale", 1.0, 0.001, 10.0))
        self._finish(reader)
        return found

    def _cable(self) -> Cable | None:
        if self._given("cable") is None:
            return None
        where, reader = f"{self.where}.cable", self._table("cable")
        found = Cable(
            self._place(reader, where),
            reader.number("scale", 1.0, 0.001, 10.0),
            frozenset(reader.integers("none", 0, 0xFFFF) or (0,)),
        )
        self._finish(reader)
        return found

    def _watchdog(self) -> Watchdog | None:
        table = self._given("watchdog")
        if table is None:
            return None
        where, reader = f"{self.where}.watchdog", self._table("watchdog")
        self._needs(where, table, "address", "fail_safe", "unit_s")
        write = self._write(reader, where)
        least_s = reader.number("least_s", 2.0, 1.0, 600.0)
        most_s = reader.number("most_s", 60.0, least_s, 3600.0)
        found = Watchdog(
            write,
            reader.number("unit_s", 1.0, 0.001, 60.0),
            reader.number("default_s", least_s, least_s, most_s),
            least_s,
            most_s,
            Write(self._place(reader, where, "fail_safe", coil=False), write.function),
            reader.number("fail_safe_scale", 1.0, 0.001, 10.0),
        )
        self._finish(reader)
        return found

    def _init(self, where: str, table: Mapping[str, object]) -> Init:
        self._needs(where, table, "value", "why")
        reader = SettingsReader(where, table)
        otherwise, flag = reader.integer("otherwise", -1, 0, 0xFFFF), reader.text("flag", "", FLAGS)
        if (otherwise >= 0) is not bool(flag):
            self.problems.append(f"{where}.otherwise: goes with flag, one does not do without the other")
        found = Init(
            self._write(reader, where),
            reader.integer("mask", 0xFFFF, 1, 0xFFFF),
            reader.integer("value", 0, 0, 0xFFFF),
            otherwise if otherwise >= 0 else None,
            flag,
            reader.flag("required", True),
            reader.text("why", "?"),
        )
        if (found.value | (found.otherwise or 0)) & ~found.mask:
            self.problems.append(f"{where}.value: has bits that mask leaves out")
        self._finish(reader)
        return found

    def _fault(self, where: str, table: Mapping[str, object]) -> FaultRule:
        self._needs(where, table, "code", "info")
        reader = SettingsReader(where, table)
        found = FaultRule(
            self._test(reader, where),
            FaultCode(reader.text("code", FaultCode.INTERNAL_ERROR.value, [code.value for code in FaultCode])),
            reader.text("info", "?"),
            reader.number("after_s", 0.0, 0.0, 120.0),
        )
        self._finish(reader)
        return found

    def _identity(self, where: str, table: Mapping[str, object]) -> Identity:
        self._needs(where, table, "label", "address")
        reader = SettingsReader(where, table)
        found = Identity(
            reader.text("label", "?"),
            reader.integer("function", 3, 3, 4),
            reader.integer("address", 0, 0, 0xFFFF),
            reader.integer("count", 1, 1, 64),
            reader.text("kind", "number", KINDS),
        )
        self._finish(reader)
        return found

    def _probe(self, where: str, table: Mapping[str, object]) -> Condition:
        reader = SettingsReader(where, table)
        found = self._test(reader, where)
        self._finish(reader)
        return found

    def _meter(self, name: str, source: str) -> MeterModel | None:
        table = self._given("meter")
        if table is None:
            return None
        try:
            return parse_meter(f"{self.where}.meter", {"name": name, "source": source, **table})
        except ConfigError as error:
            self.problems.append(str(error))
            return None
