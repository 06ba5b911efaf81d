"""The device model: one inner truth for settings, in the words of OCPP 2.x (Part 1, chapter 4).

A template (`Definitions`) is shared by every station of the same shape; a `DeviceModel` holds what differs from it.
Values are kept in wire form (text); the typed reads (`boolean`, `integer`...) are for our own code.

Names of components, variables and instances compare without case, as 2.x identifiers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from station.core.events import VariableWrite
from station.core.variables import (
    NAME_MAX,
    VALUE_MAX,
    Address,
    Definition,
    InvalidValueError,
    VariableKey,
    canonical,
    number_text,
)

__all__ = [
    "NAME_MAX",
    "VALUE_MAX",
    "Definition",
    "Definitions",
    "DeviceModel",
    "InvalidValueError",
    "ReadResult",
    "Refusal",
    "Validator",
    "VariableKey",
    "Where",
    "WriteResult",
    "canonical",
]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Verdict on one write. `status` is a SetVariableStatusEnumType word, `reason` a code of the OCA's list.

    `info` never contains the value. `key` is the address in the model's own spelling, None for an unknown variable.
    """

    status: str
    reason: str | None = None
    info: str | None = None
    changed: bool = False
    key: VariableKey | None = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Verdict on one read (B06). `status` is a GetVariableStatusEnumType word; `value` is None unless Accepted."""

    status: str
    value: str | None = None
    reason: str | None = None
    key: VariableKey | None = None


_Place = tuple[str, str | None, int | None, int | None]


class Definitions(dict[VariableKey, Definition]):
    """A template with its index. Shared between stations: do not change it once a DeviceModel uses it."""

    __slots__ = ("_addresses", "_places")

    def __init__(self, definitions: Mapping[VariableKey, Definition]) -> None:
        super().__init__(definitions)
        self._addresses: dict[Address, Definition] = {}
        self._places: set[_Place] = set()
        for key, definition in definitions.items():
            address = key.address
            folded = _fold(address)
            if folded in self._addresses:
                raise ValueError(f"{key.row} is defined twice")
            self._addresses[folded] = definition
            self._addresses[address] = definition  # our own code spells names right: no folding on its way
            self._places.add((folded[0], folded[2], folded[4], folded[5]))

    def at(self, address: Address) -> Definition | None:
        """The definition at an address, names in any case."""
        return self._addresses.get(address) or self._addresses.get(_fold(address))

    def has_place(self, component: str, instance: str | None, evse: int | None, connector: int | None) -> bool:
        return (component.casefold(), _fold_instance(instance), evse, connector) in self._places


def _fold(address: Address) -> Address:
    component, variable, component_instance, variable_instance, evse, connector = address
    return (
        component.casefold(),
        variable.casefold(),
        _fold_instance(component_instance),
        _fold_instance(variable_instance),
        evse,
        connector,
    )


def _fold_instance(instance: str | None) -> str | None:
    # B06.FR.15: an empty instance counts as none.
    return instance.casefold() if instance else None


class Where(TypedDict, total=False):
    """Parts of an address that most variables have not."""

    component_instance: str | None
    variable_instance: str | None
    evse: int | None
    connector: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a validator refuses a value: a reason code of the OCA's list, and words."""

    reason: str
    info: str


Validator = Callable[["DeviceModel", VariableWrite], str | Refusal | None]


class DeviceModel:
    """The variables of one station: a shared template under an overlay of the values that differ from its defaults.

    saved: rows (`VariableKey.row` -> value) of an earlier run. What no longer fits the template is left out and its
    row is listed in `ignored`, so that an old database never stops a station.
    """

    __slots__ = ("_computed", "_overlay", "_template", "_validators", "ignored")

    def __init__(self, definitions: Mapping[VariableKey, Definition], saved: Mapping[str, str] | None = None) -> None:
        self._template = definitions if isinstance(definitions, Definitions) else Definitions(definitions)
        self._overlay: dict[VariableKey, str] = {}
        self._validators: dict[tuple[str, str], Validator] | None = None
        self._computed: dict[VariableKey, Callable[[], str]] = {}
        self.ignored: tuple[str, ...] = ()
        if saved:
            self.ignored = tuple(row for row, value in saved.items() if not self._restore(row, value))

    def __repr__(self) -> str:
        return f"DeviceModel({len(self._template)} variables, {len(self._overlay)} changed)"

    def _restore(self, row: str, value: str) -> bool:
        try:
            key = VariableKey.from_row(row)
            definition = self._template.get(key)
            if definition is None or not definition.persistent or definition.constant:
                return False
            self._store(definition, canonical(definition, value))
        except ValueError:
            return False
        return True

    # --- typed reads ----------------------------------------------------------------------------------------------

    def boolean(self, component: str, variable: str, **where: Unpack[Where]) -> bool:
        """False when unset. Raises KeyError for an undefined variable, as do all typed reads."""
        return self._text(component, variable, where) == "true"

    def integer(self, component: str, variable: str, **where: Unpack[Where]) -> int:
        """0 when unset."""
        return int(self._text(component, variable, where) or 0)

    def decimal(self, component: str, variable: str, **where: Unpack[Where]) -> float:
        """0.0 when unset."""
        return float(self._text(component, variable, where) or 0)

    def text(self, component: str, variable: str, **where: Unpack[Where]) -> str:
        """Empty when unset."""
        return self._text(component, variable, where)

    def members(self, component: str, variable: str, **where: Unpack[Where]) -> tuple[str, ...]:
        """Items of a MemberList or SequenceList, empty when unset."""
        value = self._text(component, variable, where)
        return tuple(value.split(",")) if value else ()

    def _text(self, component: str, variable: str, where: Where) -> str:
        definition = self.find(component, variable, **where)
        if definition is None:
            raise KeyError(f"{component}.{variable} {where or ''}".rstrip())
        return self.value(definition.key) or ""

    # --- looking --------------------------------------------------------------------------------------------------

    def find(
        self,
        component: str,
        variable: str,
        *,
        component_instance: str | None = None,
        variable_instance: str | None = None,
        evse: int | None = None,
        connector: int | None = None,
    ) -> Definition | None:
        """The definition of exactly this variable.

        B06.FR.14: a given instance must exist. B06.FR.15: what exists with instances only is unknown without one.
        """
        return self._template.at((component, variable, component_instance, variable_instance, evse, connector))

    def has_component(
        self, component: str, *, instance: str | None = None, evse: int | None = None, connector: int | None = None
    ) -> bool:
        return self._template.has_place(component, instance, evse, connector)

    def value(self, key: VariableKey) -> str | None:
        """The Actual value in wire form, None when unset. Secrets too: whoever reports asks `read` or skips them."""
        if key in self._computed:
            return self._computed[key]()
        value = self._overlay.get(key)
        return self._template[key].default if value is None else value

    def definitions(self) -> Iterator[Definition]:
        """Every definition in the order of the template."""
        return iter(self._template.values())

    def read(
        self,
        component: str,
        variable: str,
        *,
        component_instance: str | None = None,
        variable_instance: str | None = None,
        evse: int | None = None,
        connector: int | None = None,
        attribute: str = "Actual",
    ) -> ReadResult:
        """One item of GetVariables (B06), ready to be put into words."""
        address = (component, variable, component_instance, variable_instance, evse, connector)
        definition = self._template.at(address)
        if definition is None:
            return ReadResult(self._unknown(address))  # B06.FR.06, B06.FR.07
        if attribute not in definition.attributes:
            return ReadResult("NotSupportedAttributeType", key=definition.key)  # B06.FR.08
        if definition.mutability == "WriteOnly" or definition.secret:
            return ReadResult("Rejected", reason="WriteOnly", key=definition.key)  # B06.FR.09
        return ReadResult("Accepted", self.attribute(definition, attribute), key=definition.key)

    def attribute(self, definition: Definition, attribute: str) -> str:
        """Value of one attribute in wire form, empty when unset (B06.FR.13).

        MinSet and MaxSet are the limits of the hardware; a Target, where there is one, is what the station works with.
        """
        if attribute == "MinSet":
            return "" if definition.min_limit is None else number_text(definition.min_limit)
        if attribute == "MaxSet":
            return "" if definition.max_limit is None else number_text(definition.max_limit)
        return self.value(definition.key) or ""

    def _unknown(self, address: Address) -> str:
        component, _, instance, _, evse, connector = address
        known = self._template.has_place(component, instance, evse, connector)
        return "UnknownVariable" if known else "UnknownComponent"

    # --- changing -------------------------------------------------------------------------------------------------

    def register(self, component: str, variable: str, validator: Validator) -> None:
        """An extra pure check of writes: it returns why a (well-formed) value is refused, or None. One per variable."""
        if self._validators is None:
            self._validators = {}
        self._validators[component.casefold(), variable.casefold()] = validator

    def write(self, write: VariableWrite, *, by_technician: bool = False) -> WriteResult:
        """Check one write and apply it (B05). A technician may also write what is read-only, but no constant.

        The caller saves the row when the definition is persistent and `changed` is True.
        """
        return self._judge(write, by_technician=by_technician, apply=True)

    def check(self, write: VariableWrite, *, by_technician: bool = False) -> WriteResult:
        """What `write` would say now; nothing changes."""
        return self._judge(write, by_technician=by_technician, apply=False)

    def _judge(self, write: VariableWrite, *, by_technician: bool, apply: bool) -> WriteResult:
        address = (
            write.component,
            write.variable,
            write.component_instance,
            write.variable_instance,
            write.evse,
            write.connector,
        )
        definition = self._template.at(address)
        if definition is None:
            return WriteResult(self._unknown(address))  # B05.FR.04, B05.FR.05
        key = definition.key
        if write.attribute not in definition.attributes:
            return WriteResult("NotSupportedAttributeType", key=key)  # B05.FR.06
        fixed = definition.constant or write.attribute != "Actual"
        if fixed or (definition.mutability == "ReadOnly" and not by_technician):
            return WriteResult("Rejected", "ReadOnly", "the station sets this itself", key=key)  # B05.FR.09
        if key in self._computed:  # whoever may write it: it would read the same afterwards
            return WriteResult("Rejected", "ReadOnly", "the station works this out from its state", key=key)
        try:
            value = canonical(definition, write.value)
        except InvalidValueError as error:
            return WriteResult("Rejected", error.reason, str(error), key=key)  # B05.FR.07, B05.FR.08
        validator = (self._validators or {}).get((key.component.casefold(), key.variable.casefold()))
        refusal = validator(self, write) if validator is not None else None
        if isinstance(refusal, str):
            refusal = Refusal("InvalidValue", refusal)
        if refusal is not None:
            return WriteResult("Rejected", refusal.reason, refusal.info, key=key)
        changed = apply and self._store(definition, value)
        return WriteResult("RebootRequired" if definition.reboot_required else "Accepted", changed=changed, key=key)

    def compute(self, key: VariableKey, value: Callable[[], str]) -> None:
        """Ask `value()`, in wire form, at every read from now on: the clock, a state, a power. It must be pure and quick.

        Raises KeyError for an undefined variable.
        """
        self._computed[self._template[key].key] = value

    def put(self, key: VariableKey, value: str) -> bool:
        """The station itself sets a value, whatever the mutability; True when it is a new one.

        Limits bind those who write, not what the station finds. Raises KeyError for an undefined variable and
        InvalidValueError for a text that is not of its type.
        """
        definition = self._template[key]
        return self._store(definition, canonical(definition, value, limits=False))

    def _store(self, definition: Definition, value: str) -> bool:
        key = definition.key
        if value == (self.value(key) or ""):
            return False
        if value == (definition.default or ""):
            self._overlay.pop(key, None)
        else:
            self._overlay[key] = value
        return True
