"""Who a meter says that it is: the table [identity] of a model, and what is read by it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hal.errors import ConfigError
from hal.settings import SettingsReader

FIELDS = ("model", "serial", "firmware")
NUMBERS = {"u16": 1, "u32": 2}
_KNOWN = (*NUMBERS, "text")


@dataclass(frozen=True, slots=True)
class IdentityField:
    """name: of FIELDS. type: u16, u32 (high word first) or text of so many `words`.

    codes, starts: numbers, or beginnings of a text, by which a meter says that it is of this model; both empty: it does not.
    """

    name: str
    function: int
    address: int
    type: str
    words: int
    codes: tuple[int, ...] = ()
    starts: tuple[str, ...] = ()

    def decode(self, words: Sequence[int]) -> str | int | None:
        """What it says; None: nothing that makes sense (empty, unset, no text)."""
        if self.type == "text":
            data = b"".join(word.to_bytes(2, "big") for word in words)
            text = data.split(b"\0")[0].decode("ascii", errors="replace").strip()
            return text if text and text.isprintable() and "\ufffd" not in text else None
        value = 0
        for word in words:
            value = value << 16 | word
        return None if value in {0, (1 << 16 * len(words)) - 1} else value

    def speaks_for(self, value: str | int | None) -> bool | None:
        """Whether the value is one of this model; None: it says nothing about that."""
        if isinstance(value, int) and self.codes:
            return value in self.codes
        if isinstance(value, str) and self.starts:
            return value.startswith(self.starts)
        return None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a meter says of itself, "" where it says nothing. The model of a meter that has only a code is its code."""

    model: str = ""
    serial: str = ""
    firmware: str = ""

    def words(self, name: str) -> str:
        """For people. name: of the table that it was read by."""
        found = name
        if self.model:
            found += f", says {self.model}"
        if self.serial:
            found += f", serial number {self.serial}"
        return f"{found}, firmware {self.firmware}" if self.firmware else found


def parse(where: str, value: object, problems: list[str]) -> tuple[IdentityField, ...]:
    """The fields in the table [identity]. where: how it is called in messages; what is wrong goes into `problems`."""
    if not isinstance(value, Mapping):
        problems.append(f"{where}: must be a table, is {value!r}")
        return ()
    problems += [f"{where}.{name}: unknown; known are {', '.join(FIELDS)}" for name in value if name not in FIELDS]
    return tuple(_field(f"{where}.{name}", name, value[name], problems) for name in FIELDS if name in value)


def _field(where: str, name: str, value: object, problems: list[str]) -> IdentityField:
    table: dict[str, object] = dict(value) if isinstance(value, Mapping) else {}
    starts = table.pop("starts", [])
    texts = tuple(text for text in starts if isinstance(text, str) and text) if isinstance(starts, list) else ()
    reader = SettingsReader(where, table)
    if not isinstance(starts, list) or len(texts) != len(starts):
        reader.problems.append(f"{where}.starts: must be a list of texts, is {starts!r}")
    if "address" not in table:
        reader.problems.append(f"{where}.address: is missing")
    kind = reader.text("type", "text", _KNOWN)
    words = reader.integer("words", 1, 1, 32)
    found = IdentityField(
        name=name,
        function=reader.integer("function", 3, 3, 4),
        address=reader.integer("address", 0, 0, 0xFFFF),
        type=kind,
        words=NUMBERS.get(kind, words),
        codes=reader.integers("codes", 0, 2**32 - 1),
        starts=texts,
    )
    try:
        reader.finish()
    except ConfigError as error:
        problems.append(str(error))
    return found
