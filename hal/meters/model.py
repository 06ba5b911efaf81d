"""A meter as data: which registers hold what. Reads hal/meters/*.toml, or a file of your own, and checks all of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hal.errors import ConfigError
from hal.meters import identity
from hal.meters.identity import IdentityField
from hal.settings import SettingsReader
from hal.shelf import Shelf

SHELF = Shelf("meter", Path(__file__).parent)
WORDS = {"i16": 1, "u16": 1, "i32": 2, "u32": 2, "i64": 4, "u64": 4, "f32": 2, "t5": 2, "t6": 2}
"""Registers of each type. t5, t6 (Iskra): power of ten as i8, then 24 bits, unsigned or signed."""
ORDERS = ("high-first", "low-first")
SINGLE = ("energy_import_wh", "energy_export_wh", "power_w", "frequency_hz", "temperature_c")
PER_PHASE = ("current_a", "voltage_v", "power_phase_w")
QUANTITIES = (*SINGLE, *PER_PHASE)
"""The fields of hal.api.MeterReading that a table may give."""
SIGNING = ("bsm", "iskra")


@dataclass(frozen=True, slots=True)
class Register:
    """One number. value = raw x scale x 10^(register `exponent`); a raw value of `absent` says that there is none."""

    address: int
    type: str
    scale: float = 1.0
    low_first: bool = False
    exponent: int | None = None
    absent: int | None = None

    @property
    def words(self) -> int:
        return WORDS[self.type]


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that are read by one request, so that they belong together."""

    function: int
    start: int
    count: int

    def holds(self, address: int, words: int) -> bool:
        return self.start <= address and address + words <= self.start + self.count


@dataclass(frozen=True, slots=True)
class MeterModel:
    """One type of meter. unit, baud, parity, stop_bits: as it leaves the factory. max_a: what one phase can carry.

    quantities: name of QUANTITIES -> one register, or three for L1 to L3. signing: how signed records are had.
    """

    name: str
    source: str
    blocks: tuple[Block, ...]
    quantities: Mapping[str, tuple[Register, ...]]
    unit: int
    baud: int
    parity: str
    stop_bits: int
    timeout_s: float
    gap_s: float
    max_a: float
    signing: str
    identity: tuple[IdentityField, ...] = ()

    @property
    def phases(self) -> int:
        return max(len(self.quantities.get(name, ())) for name in PER_PHASE) or 3


def halves(model: MeterModel, block: Block) -> tuple[Block, Block] | None:
    """The same registers in two smaller requests, without what is not needed; None when it is one register."""
    spans: set[tuple[int, int]] = set()
    for register in (register for registers in model.quantities.values() for register in registers):
        spans.add((register.address, register.words))
        if register.exponent is not None:
            spans.add((register.exponent, 1))
    within = sorted(span for span in spans if block.holds(*span))
    if len(within) < 2:
        return None
    middle = len(within) // 2

    def covering(some: list[tuple[int, int]]) -> Block:
        return Block(block.function, some[0][0], max(start + words for start, words in some) - some[0][0])

    return covering(within[:middle]), covering(within[middle:])


def names() -> tuple[str, ...]:
    """The meters that are shipped, sorted."""
    return SHELF.names()


def load(name: str) -> MeterModel:
    """A shipped meter by its name, or a file by its path (it ends in .toml). Raises ConfigError naming what is wrong."""
    return _load(SHELF.path(name))


@cache
def _load(path: Path) -> MeterModel:
    return parse(path.name, SHELF.values(path))


def parse(where: str, values: Mapping[str, object]) -> MeterModel:
    """The model in a table. where: how it is called in messages. Raises ConfigError naming every wrong field."""
    tables = {key: value for key, value in values.items() if key in {*QUANTITIES, "line", "identity"}}
    reader = SettingsReader(where, {key: value for key, value in values.items() if key not in tables})
    name, source = _required(reader, where, values, "name"), _required(reader, where, values, "source")
    order = reader.text("word_order", ORDERS[0], ORDERS)
    signing = reader.text("signing", "", SIGNING)
    max_a = reader.number("max_a", 100.0, 1.0, 10_000.0)
    blocks = tuple(
        _block(f"{where}.block[{number}]", table, reader.problems)
        for number, table in enumerate(reader.tables("block"), start=1)
    )
    line = _table(where, "line", tables.get("line", {}), reader.problems)
    model = MeterModel(
        name=name,
        source=source,
        blocks=blocks,
        quantities={
            key: _quantity(
                f"{where}.{key}", key, _table(where, key, tables[key], reader.problems), order, reader.problems
            )
            for key in QUANTITIES
            if key in tables
        },
        unit=line.integer("address", 1, 1, 247),
        baud=line.integer("baud", 9600, 50, 4_000_000),
        parity=line.text("parity", "N", ("N", "E", "O")),
        stop_bits=line.integer("stop_bits", 1, 1, 2),
        timeout_s=line.number("timeout_s", 0.5, 0.01, 60.0),
        gap_s=line.number("gap_s", 0.0, 0.0, 10.0),
        max_a=max_a,
        signing=signing,
        identity=identity.parse(f"{where}.identity", tables.get("identity", {}), reader.problems),
    )
    _finish(line, reader.problems)
    if "energy_import_wh" not in tables:
        reader.problems.append(f"{where}.energy_import_wh: is missing; every meter has it")
    _check_places(where, model, reader.problems)
    reader.finish()
    return model


def _required(reader: SettingsReader, where: str, values: Mapping[str, object], name: str) -> str:
    if name not in values:
        reader.problems.append(f"{where}.{name}: is missing")
    return reader.text(name, "?")


def _table(where: str, name: str, value: object, problems: list[str]) -> SettingsReader:
    if isinstance(value, Mapping):
        return SettingsReader(f"{where}.{name}", value)
    problems.append(f"{where}.{name}: must be a table, is {value!r}")
    return SettingsReader(f"{where}.{name}", {})


def _finish(reader: SettingsReader, problems: list[str]) -> None:
    """Keep what is wrong instead of raising it, so that all files' mistakes are told at once."""
    try:
        reader.finish()
    except ConfigError as error:
        problems.append(str(error))


def _block(where: str, table: Mapping[str, object], problems: list[str]) -> Block:
    reader = SettingsReader(where, table)
    for name in ("function", "start", "count"):
        if name not in table:
            reader.problems.append(f"{where}.{name}: is missing")
    block = Block(
        function=reader.integer("function", 3, 3, 4),
        start=reader.integer("start", 0, 0, 0xFFFF),
        count=reader.integer("count", 1, 1, 125),
    )
    _finish(reader, problems)
    return block


def _quantity(where: str, name: str, reader: SettingsReader, order: str, problems: list[str]) -> tuple[Register, ...]:
    addresses = reader.integers("address", 0, 0xFFFF)
    kind = reader.text("type", "u16", tuple(WORDS))
    scale = reader.number("scale", 1.0)
    low_first = reader.text("word_order", order, ORDERS) == "low-first"
    exponent = reader.integer("exponent", -1, 0, 0xFFFF)
    absent = reader.integer("absent", -1, 0, 2**64 - 1)
    wanted = {1, 3} if name in PER_PHASE else {1}
    if len(addresses) not in wanted:
        words = "one address, or a list of three" if 3 in wanted else "one address"
        reader.problems.append(f"{where}.address: must be {words}, is {list(addresses)!r}")
    if scale == 0.0:
        reader.problems.append(f"{where}.scale: must not be 0")
    _finish(reader, problems)
    return tuple(
        Register(at, kind, scale, low_first, None if exponent < 0 else exponent, None if absent < 0 else absent)
        for at in addresses
    )


def _check_places(where: str, model: MeterModel, problems: list[str]) -> None:
    """Every register lies whole in a block: else its words would be of two moments."""
    for name, registers in model.quantities.items():
        for register in registers:
            places = [(register.address, register.words, "address")]
            if register.exponent is not None:
                places.append((register.exponent, 1, "exponent"))
            for address, words, field in places:
                if not any(block.holds(address, words) for block in model.blocks):
                    problems.append(f"{where}.{name}.{field}: {address:#06x} (words: {words}) lies whole in no block")
    ordered = sorted(model.blocks, key=lambda block: block.start)
    problems += [
        f"{where}.block: {later.start:#06x} lies in the block before it too; an address belongs to one block"
        for earlier, later in itertools.pairwise(ordered)
        if later.start < earlier.start + earlier.count
    ]
    problems += [
        f"{where}.block: {block.start:#06x} with {block.count} registers ends after 0xffff"
        for block in model.blocks
        if block.start + block.count > 0x10000
    ]
