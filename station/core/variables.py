"""Variables: their address, their definition, and what a text must be to be a value of theirs (OCPP 2.x Part 2, B05).

Booleans and members of a value list compare without case: the specification writes "true" and "false" in lower case,
but a CSMS that sends "True" or "FALSE" means nothing else. What is stored and reported is the canonical spelling.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from station.clock import parse_iso

__all__ = [
    "NAME_MAX",
    "PHASES",
    "VALUE_MAX",
    "Address",
    "Definition",
    "InvalidValueError",
    "VariableKey",
    "canonical",
    "number_text",
]

VALUE_MAX = 2500  # GetVariableResultType.attributeValue
NAME_MAX = 50  # ComponentType.name, VariableType.name and their instances
DATA_TYPES = frozenset(
    {"boolean", "integer", "decimal", "string", "dateTime", "OptionList", "SequenceList", "MemberList"}
)
MUTABILITIES = frozenset({"ReadOnly", "WriteOnly", "ReadWrite"})
ATTRIBUTES = frozenset({"Actual", "Target", "MinSet", "MaxSet"})
PHASES = ("L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1")  # PhaseEnumType

# Part 2, primitive data types: no plus sign, no leading zeros, 31 bits and a sign.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,9})")
_INTEGER_MAX = 2**31 - 1
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]+)?)([eE][+-]?[0-9]{1,3})?")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_ROW = re.compile(
    r"(?P<component>[^\[\]#.:]+)(\[(?P<component_instance>[^\[\]]*)\])?(#(?P<evse>\d+)(:(?P<connector>\d+))?)?"
    r"\.(?P<variable>[^\[\]#.:]+)(\[(?P<variable_instance>[^\[\]]*)\])?",
    re.ASCII,
)


Address = tuple[str, str, str | None, str | None, int | None, int | None]
"""Component, variable, component instance, variable instance, EVSE, connector."""


@dataclass(frozen=True, slots=True)
class VariableKey:
    """Full address of a variable. `row` is its text form, used for storage and for overrides in the configuration."""

    component: str
    variable: str
    component_instance: str | None = None
    variable_instance: str | None = None
    evse: int | None = None
    connector: int | None = None

    @property
    def address(self) -> Address:
        """The parts as a tuple."""
        return (
            self.component,
            self.variable,
            self.component_instance,
            self.variable_instance,
            self.evse,
            self.connector,
        )

    @property
    def row(self) -> str:
        """Stable text: `Component[instance]#evse:connector.Variable[instance]`, absent parts left out."""
        text = _escape(self.component, names=True)
        if self.component_instance is not None:
            text += f"[{_escape(self.component_instance)}]"
        if self.evse is not None:
            text += f"#{self.evse}"
            if self.connector is not None:
                text += f":{self.connector}"
        text += "." + _escape(self.variable, names=True)
        if self.variable_instance is not None:
            text += f"[{_escape(self.variable_instance)}]"
        return text

    @classmethod
    def from_row(cls, row: str) -> VariableKey:
        """Inverse of `row`. Raises ValueError for anything else."""
        match = _ROW.fullmatch(row)
        if match is None:
            raise ValueError(f"{row!r} is not of the form Component[instance]#evse:connector.Variable[instance]")
        part = match.groupdict()
        return cls(
            component=_unescape(part["component"]),
            variable=_unescape(part["variable"]),
            component_instance=_unescape_optional(part["component_instance"]),
            variable_instance=_unescape_optional(part["variable_instance"]),
            evse=None if part["evse"] is None else int(part["evse"]),
            connector=None if part["connector"] is None else int(part["connector"]),
        )


def _escape(text: str, *, names: bool = False) -> str:
    special = r"[%\[\]#.:]" if names else r"[%\[\]]"
    return re.sub(special, lambda m: f"%{ord(m[0]):02X}", text)


def _unescape(text: str) -> str:
    return re.sub(r"%([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), text)


def _unescape_optional(text: str | None) -> str | None:
    return None if text is None else _unescape(text)


@dataclass(frozen=True, slots=True)
class Definition:
    """One variable of a template: what it is, and what it may hold.

    min_limit, max_limit: of the value (integer, decimal), or of the length of the text for the other types
        (VariableCharacteristicsType).
    values: the valuesList of an OptionList, SequenceList or MemberList; empty: anything.
    phase_suffix: a member may carry a phase ("Voltage.L1-N"), as OCPP 1.6 chapter 9 allows for measurands.
    constant: never changes while the program runs, not even by a technician.
    reboot_required: a new value is stored at once but obeyed only after a restart.
    secret: a credential: never reported, never logged.
    default: wire form; None: unset.
    """

    key: VariableKey
    data_type: str
    mutability: str = "ReadWrite"
    default: str | None = None
    unit: str | None = None
    min_limit: float | None = None
    max_limit: float | None = None
    values: tuple[str, ...] = ()
    persistent: bool = True
    constant: bool = False
    reboot_required: bool = False
    supports_monitoring: bool = False
    attributes: tuple[str, ...] = ("Actual",)
    secret: bool = False
    phase_suffix: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        key = self.key
        for name in (key.component, key.variable, key.component_instance, key.variable_instance):
            if name is not None and not 0 < len(name) <= NAME_MAX:
                raise ValueError(f"{key.row}: names have 1 to {NAME_MAX} characters")
        if self.data_type not in DATA_TYPES or self.mutability not in MUTABILITIES:
            raise ValueError(f"{key.row}: unknown data type {self.data_type} or mutability {self.mutability}")
        if not self.attributes or not ATTRIBUTES.issuperset(self.attributes):
            raise ValueError(f"{key.row}: unknown attributes {self.attributes}")

    def __repr__(self) -> str:
        return f"Definition({self.key.row}, {self.data_type}, {self.mutability})"


class InvalidValueError(ValueError):
    """A text is no value of a variable. `reason` is a reason code; the message tells what would be, never the value."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# --- values -----------------------------------------------------------------------------------------------------------


def canonical(definition: Definition, text: str, *, limits: bool = True) -> str:
    """The one spelling of a value: "true" for "TRUE", no spaces between members, no member twice.

    An empty text unsets a variable that has no default. Raises InvalidValueError, without the value in its message,
    when `text` is no value of this variable (B05.FR.07 format; B05.FR.08 range, unless `limits` is False).
    """
    if len(text) > VALUE_MAX:
        raise InvalidValueError("TooLargeElement", f"at most {VALUE_MAX} characters")
    if definition.data_type == "string":
        value = text
    elif definition.data_type in {"MemberList", "SequenceList"}:
        value = _list(definition, text)
    else:
        return _scalar(definition, text.strip(), limits=limits)
    if limits:
        _check_length(definition, value)
    return value


def _scalar(definition: Definition, text: str, *, limits: bool) -> str:
    if not text and definition.default is None:
        return ""
    match definition.data_type:
        case "boolean":
            if text.lower() not in {"true", "false"}:
                raise InvalidValueError("InvalidValue", "true or false is wanted")
            return text.lower()
        case "dateTime":
            return _date_time(text)
        case "OptionList":
            return _member(definition, text)
        case "integer":
            number: float = int(text) if _INTEGER.fullmatch(text) else math.inf
            if abs(number) > _INTEGER_MAX:
                raise InvalidValueError("InvalidValue", "an integer of 32 bits is wanted")
        case _:
            number = float(text) if _DECIMAL.fullmatch(text) else math.inf
            if not math.isfinite(number):
                raise InvalidValueError("InvalidValue", "a decimal number is wanted")
    if limits:
        _check_range(definition, number)
    return number_text(number)


def number_text(number: float) -> str:
    """Shortest wire form of a finite number: no exponent where avoidable, no ".0", no "-0"."""
    if isinstance(number, int) or (number.is_integer() and abs(number) < 1e16):
        return str(int(number))
    return repr(number)


def _date_time(text: str) -> str:
    text = text.upper()
    if not _DATE_TIME.fullmatch(text):
        raise InvalidValueError("InvalidValue", "an RFC 3339 date-time with a zone is wanted")
    try:
        parse_iso(text)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError("InvalidValue", "there is no such date or time") from error
    return text


def _list(definition: Definition, text: str) -> str:
    if not text.strip():
        return ""
    members = [_member(definition, item.strip()) for item in text.split(",")]
    if definition.data_type == "MemberList":  # a set: naming a member twice changes nothing
        members = list(dict.fromkeys(members))
    return ",".join(members)


def _member(definition: Definition, item: str) -> str:
    """The item as the valuesList spells it."""
    if not item:
        raise InvalidValueError("InvalidValue", "an item is empty")
    if not definition.values:
        return item
    folded = item.casefold()
    for value in definition.values:
        if value.casefold() == folded:
            return value
    if definition.phase_suffix:
        for value in definition.values:
            if folded.startswith(value.casefold() + "."):
                phase = next((p for p in PHASES if p.casefold() == folded[len(value) + 1 :]), None)
                if phase is not None:
                    return f"{value}.{phase}"
    raise InvalidValueError("InvalidValue", f"allowed are {','.join(definition.values)}")


def _check_range(definition: Definition, number: float) -> None:
    if definition.min_limit is not None and number < definition.min_limit:
        raise InvalidValueError("ValueTooLow", f"at least {number_text(definition.min_limit)}")
    if definition.max_limit is not None and number > definition.max_limit:
        raise InvalidValueError("ValueTooHigh", f"at most {number_text(definition.max_limit)}")


def _check_length(definition: Definition, value: str) -> None:
    # VariableCharacteristicsType: for texts and lists the limits are lengths.
    if definition.min_limit is not None and len(value) < definition.min_limit:
        raise InvalidValueError("ValueOutOfRange", f"at least {number_text(definition.min_limit)} characters")
    if definition.max_limit is not None and len(value) > definition.max_limit:
        raise InvalidValueError("ValueOutOfRange", f"at most {number_text(definition.max_limit)} characters")
