"""What a command is: a frozen dataclass whose fields read, check and describe themselves, and that acts on a `Host`."""

from __future__ import annotations

import difflib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Protocol, TypedDict

from station.config_fields import WrongValueError, kind_of, setting
from station.config_read import got
from station.errors import ControlError, Problem
from station.runtime.control_host import Host
from station.runtime.control_kinds import EVSE, WrongFieldsError
from station.runtime.control_schema import schema_of
from station.runtime.control_types import Json

__all__ = [
    "MASK",
    "Command",
    "Nothing",
    "arguments_of",
    "describe",
    "evse_field",
    "invalid",
    "plain_json",
    "read",
    "summary",
]

GROUPS = ("people", "car", "accidents", "charging", "settings", "station", "time", "link", "look")
LONGEST_NAME = 40
MASK = "***"


class Nothing(TypedDict):
    """There is nothing to tell."""


class Command(ABC):
    """Base of every command. Subclasses are frozen, slotted dataclasses whose fields are made by `setting`.

    reads: changes nothing. needs_bench: needs the simulated board. passes_time: lets simulated time pass. exclusive: takes its time
    (a boot, a shutdown), and no other such command may begin before it is done.
    """

    __slots__ = ()
    name: ClassVar[str] = ""
    group: ClassVar[str] = ""
    reads: ClassVar[bool] = False
    needs_bench: ClassVar[bool] = False
    passes_time: ClassVar[bool] = False
    exclusive: ClassVar[bool] = False
    returns: ClassVar[Any] = Nothing

    def problems(self) -> Iterator[Problem]:
        """What a single field's kind cannot know."""
        yield from ()

    @abstractmethod
    async def act(self, host: Host) -> Json:
        """Do it. Raises ControlError, StationError or HalError, and then nothing has changed."""

    def told(self) -> Json:
        """The arguments that differ from their defaults, without secrets."""
        found: Json = {}
        for field in arguments_of(type(self)):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = MASK if field.metadata["secret"] else plain_json(value)
        return found

    def words(self, result: Json) -> str:
        """The result for a person, in a few words."""
        del result
        return ""


class CommandClass(Protocol):
    """What `setting` makes of a class."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def evse_field(doc: str = "Number of the EVSE.") -> Any:
    """The field `evse`, 1 unless given."""
    return setting(EVSE, doc, default=1)


def invalid(field: str, problem: str) -> ControlError:
    """One field is wrong."""
    return ControlError("invalid", [Problem(field, problem)])


def arguments_of(cls: type[Command]) -> list[Field[Any]]:
    """The fields of a command."""
    return [field for field in fields(cls) if "kind" in field.metadata]  # type: ignore[arg-type]  # each is a dataclass


def read(cls: type[Command], arguments: Mapping[str, object]) -> Command:
    """A command from its arguments. Raises ControlError that names every field that is wrong.

    null is the same as nothing where nothing is the default.
    """
    known = arguments_of(cls)
    names = {field.name for field in known}
    found = [Problem(_shown(name), _not_there(name, names)) for name in arguments if name not in names]
    values: dict[str, object] = {}
    for field in known:
        value = arguments.get(field.name, MISSING)
        if value is None and field.default is None:
            value = MISSING
        if value is MISSING:
            if field.default is MISSING:
                found.append(Problem(field.name, f"is missing: give {kind_of(field.metadata).words}"))
            continue
        try:
            values[field.name] = kind_of(field.metadata).read(value)
        except WrongFieldsError as error:
            found += [Problem(f"{field.name}.{name}", problem) for name, problem in error.problems]
        except WrongValueError as error:
            found.append(Problem(field.name, _refusal(error, value, secret=bool(field.metadata["secret"]))))
    if found:
        raise ControlError("invalid", found)
    command = cls(**values)
    found = list(command.problems())
    if found:
        raise ControlError("invalid", found)
    return command


def _refusal(error: WrongValueError, value: object, *, secret: bool) -> str:
    text = f"must be {error.expected}"
    if secret:
        return text
    return f"{text} {got(value)}" + (f". Remedy: {error.remedy}" if error.remedy else "")


def _not_there(name: object, known: Iterable[str]) -> str:
    known = sorted(known)
    if not known:
        return "there is no such argument: this command takes none"
    near = difflib.get_close_matches(str(name).casefold(), known, n=1)
    return "there is no such argument; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")


def _shown(name: object) -> str:
    """A name that a stranger chose: printable and short."""
    text = "".join(char if char.isprintable() else "?" for char in str(name))
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "..."


def summary(cls: type[Any]) -> str:
    """What the command does, on one line."""
    return " ".join((inspect.getdoc(cls) or "").split())


def describe(cls: type[Command]) -> Json:
    """One row of the table, for people and generators: JSON Schemas of arguments and result."""
    properties: Json = {}
    for field in arguments_of(cls):
        schema = dict(kind_of(field.metadata).schema())
        # Some kinds say how they are written.
        doc = " ".join(filter(None, (field.metadata["doc"], schema.get("description"))))
        schema["description"] = doc
        if field.default is None:
            schema = {"anyOf": [schema, {"type": "null"}], "description": doc, "default": None}
        elif field.default is not MISSING:
            schema["default"] = plain_json(field.default)
        if field.metadata["secret"]:
            schema["writeOnly"] = True
        if field.metadata["example"] is not None:
            schema["examples"] = [field.metadata["example"]]
        properties[field.name] = schema
    return {
        "name": cls.name,
        "group": cls.group,
        "doc": summary(cls),
        "reads": cls.reads,
        "needs_bench": cls.needs_bench,
        "passes_time": cls.passes_time,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": [field.name for field in arguments_of(cls) if field.default is MISSING],
            "additionalProperties": False,
        },
        "returns": schema_of(cls.returns),
    }


def plain_json(value: Any) -> Any:
    """A value of a field as JSON has it."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
