"""Commands: settings, as a technician at the station sets and reads them, in the words of 2.x (variables) and of 1.6 (keys)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Text, setting
from station.core.device_model import Definition, DeviceModel
from station.core.events import RaiseSecurityProfile, SetVariables, VariableWrite
from station.core.variables import VALUE_MAX, VariableKey
from station.errors import ControlError, Problem
from station.runtime.control_command import Command
from station.runtime.control_host import Host, Program, ask, conflict, program_of
from station.runtime.control_kinds import Line, Scalars, Words
from station.runtime.control_types import Json

__all__ = ["SETTINGS"]

SECRET_HINTS = ("password", "authorizationkey", "secret", "pin")
DONE = frozenset({"Accepted", "RebootRequired"})
_PROFILE = ("SecurityCtrlr", "SecurityProfile")
MASK = "***"


class SetRow(TypedDict):
    """A variable that was set; RebootRequired: it is obeyed from the next start on."""

    variable: str
    status: str


class SetResult(TypedDict):
    """What was set."""

    results: list[SetRow]


class VariableRow(TypedDict):
    """One variable. `value` is "***" for a secret that is set, and null for one that is not."""

    variable: str
    value: str | None
    mutability: str
    type: str
    unit: str | None
    min: float | None
    max: float | None
    values: list[str]
    constant: bool
    secret: bool
    reboot_required: bool
    doc: str


class VariablesResult(TypedDict):
    """Variables of the device model."""

    variables: list[VariableRow]


class KeyRow(TypedDict):
    """One configuration key of 1.6. `value` null: it is never told."""

    key: str
    value: str | None
    readonly: bool


class KeysResult(TypedDict):
    """Configuration keys of 1.6."""

    keys: list[KeyRow]


class _Setting(Command):
    __slots__ = ()
    group: ClassVar[str] = "settings"


def _secret(name: str) -> bool:
    """Whether the value may be a password; a name that only looks like one does no harm."""
    folded = name.casefold()
    return any(hint in folded for hint in SECRET_HINTS) and "ping" not in folded


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Set(_Setting):
    """A technician changes settings at the station, by their names in the 2.x device model; also such as the CSMS may only read.
    All of them or none.
    """

    name: ClassVar[str] = "set"
    returns: ClassVar[Any] = SetResult
    variables: Mapping[str, str] = setting(
        Scalars("device-model variables and their values"),
        'New values: { "TxCtrlr.EVConnectionTimeOut" = 30 }.',
    )

    def told(self) -> Json:
        return {"variables": {name: MASK if _secret(name) else value for name, value in self.variables.items()}}

    async def act(self, host: Host) -> Json:
        if not self.variables:
            raise ControlError("invalid", [Problem("variables", "must hold at least one variable")])
        return await write(host, [(f"variables.{row}", _write(row, value)) for row, value in self.variables.items()])


def _write(row: str, value: str) -> VariableWrite:
    try:
        key = VariableKey.from_row(row)
    except ValueError as error:
        raise ControlError("invalid", [Problem(f"variables.{row}", str(error))]) from error
    return VariableWrite(
        component=key.component,
        variable=key.variable,
        value=value,
        component_instance=key.component_instance,
        variable_instance=key.variable_instance,
        evse=key.evse,
        connector=key.connector,
    )


async def write(host: Host, writes: Sequence[tuple[str, VariableWrite]]) -> Json:
    """Set variables, all or none; each with the field that it came in. Raises ControlError."""
    model = program_of(host).gateway.model
    wrong = []
    for field, item in writes:
        verdict = model.check(item, by_technician=True)
        if verdict.status not in DONE:
            wrong.append(Problem(field, _words(verdict)))
    if wrong:
        raise ControlError("invalid", wrong)
    before = [(field, _as_is(model, item)) for field, item in writes]
    results = await _submit(host, [item for _, item in writes])
    late = [
        Problem(field, _words(result))
        for (field, _), result in zip(writes, results, strict=True)
        if result.status not in DONE
    ]
    if late:  # they do not go together, or cannot be saved: what went through is taken back
        await _submit(host, [item for _, item in reversed(before)])
        raise ControlError("conflict", late)
    rows = [
        {"variable": result.key.row if result.key is not None else field, "status": result.status}
        for (field, _), result in zip(writes, results, strict=True)
    ]
    return {"results": rows}


_REFUSALS = {
    "UnknownComponent": "there is no such component",
    "UnknownVariable": "the component has no such variable",
    "NotSupportedAttributeType": "has no such attribute",
}


def _words(result: Any) -> str:
    if result.status in _REFUSALS:
        return f"{_REFUSALS[result.status]} ({result.status}); `variables` lists them"
    return f"{result.status}: {result.info or result.reason or ''}".rstrip(": ")


def _as_is(model: DeviceModel, item: VariableWrite) -> VariableWrite:
    definition = model.find(
        item.component,
        item.variable,
        component_instance=item.component_instance,
        variable_instance=item.variable_instance,
        evse=item.evse,
        connector=item.connector,
    )
    value = model.value(definition.key) if definition is not None else None
    return VariableWrite(
        component=item.component,
        variable=item.variable,
        value=value or "",
        component_instance=item.component_instance,
        variable_instance=item.variable_instance,
        evse=item.evse,
        connector=item.connector,
    )


async def _submit(host: Host, writes: Sequence[VariableWrite]) -> Sequence[Any]:
    verdict = await ask(host, lambda ref: SetVariables(ref, tuple(writes), by_technician=True))
    results = verdict.data.get("results")
    if not isinstance(results, list | tuple) or len(results) != len(writes):
        raise conflict(
            f"{verdict.status}: {verdict.info or verdict.reason or 'the station does not take these settings'}"
        )
    return results


@dataclass(frozen=True, slots=True)
class SetKey(_Setting):
    """A technician changes a configuration key of 1.6, also one that the CSMS may only read. It is a view on the device model, so
    the variable behind it has the new value too. SecurityProfile can only rise: the station tries to connect with it.
    """

    name: ClassVar[str] = "set_key"
    returns: ClassVar[Any] = SetResult
    key: str = setting(Text(50), "Name of the key, in any case.", example="HeartbeatInterval")
    value: str = setting(Line(VALUE_MAX), "Its new value, as 1.6 writes it.", secret=True)

    def told(self) -> Json:
        return {"key": self.key, "value": MASK if _secret(self.key) else self.value}

    async def act(self, host: Host) -> Json:
        writes = program_of(host).expert.key_writes(self.key, self.value)
        if [(item.component, item.variable) for item in writes] == [_PROFILE]:
            return await _raise_profile(host, int(writes[0].value))
        return await write(host, [("value", item) for item in writes])


async def _raise_profile(host: Host, profile: int) -> Json:
    """The one key whose new value is an order. Raises ControlError."""
    verdict = await ask(host, lambda ref: RaiseSecurityProfile(ref, profile))
    if verdict.status != "Accepted":
        raise conflict(f"{verdict.status}: {verdict.info or verdict.reason or ''}".rstrip(": "), "value")
    return {"results": [{"variable": ".".join(_PROFILE), "status": verdict.status}]}


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Get(_Setting):
    """Variables of the device model by their names."""

    name: ClassVar[str] = "get"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = VariablesResult
    variables: tuple[str, ...] = setting(
        Words(), "Names such as TxCtrlr.EVConnectionTimeOut.", example=["TxCtrlr.TxStartPoint"]
    )

    async def act(self, host: Host) -> Json:
        model = program_of(host).gateway.model
        rows, wrong = [], []
        for name in self.variables:
            definition = _find(model, name)
            if definition is None:
                wrong.append(Problem("variables", f"{name!r}: there is no such variable"))
            else:
                rows.append(_row(model, definition))
        if wrong:
            raise ControlError("invalid", wrong)
        return {"variables": rows}


def _find(model: DeviceModel, row: str) -> Definition | None:
    try:
        key = VariableKey.from_row(row)
    except ValueError:
        return None
    return model.find(
        key.component,
        key.variable,
        component_instance=key.component_instance,
        variable_instance=key.variable_instance,
        evse=key.evse,
        connector=key.connector,
    )


def _row(model: DeviceModel, definition: Definition) -> Json:
    value = model.value(definition.key)
    if definition.secret or definition.mutability == "WriteOnly":
        value = MASK if value else None
    return {
        "variable": definition.key.row,
        "value": value,
        "mutability": definition.mutability,
        "type": definition.data_type,
        "unit": definition.unit,
        "min": definition.min_limit,
        "max": definition.max_limit,
        "values": list(definition.values),
        "constant": definition.constant,
        "secret": definition.secret,
        "reboot_required": definition.reboot_required,
        "doc": definition.description,
    }


@dataclass(frozen=True, slots=True)
class Variables(_Setting):
    """The whole device model, or one component of it."""

    name: ClassVar[str] = "variables"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = VariablesResult
    component: str | None = setting(Text(50), "Only this component (in any case).", default=None, example="TxCtrlr")

    async def act(self, host: Host) -> Json:
        model = program_of(host).gateway.model
        wanted = self.component.casefold() if self.component is not None else None
        rows = [
            _row(model, definition)
            for definition in model.definitions()
            if wanted is None or definition.key.component.casefold() == wanted
        ]
        if not rows:
            raise ControlError("invalid", [Problem("component", f"there is no component {self.component!r}")])
        return {"variables": rows}


def _keys(program: Program) -> list[Json]:
    return [{"key": row.key, "value": row.value, "readonly": row.readonly} for row in program.expert.key_rows()]


@dataclass(frozen=True, slots=True)
class Keys(_Setting):
    """Every configuration key of 1.6, whether 1.6 is spoken or not."""

    name: ClassVar[str] = "keys"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = KeysResult

    async def act(self, host: Host) -> Json:
        return {"keys": _keys(program_of(host))}


@dataclass(frozen=True, slots=True)
class GetKey(_Setting):
    """Configuration keys of 1.6 by their names."""

    name: ClassVar[str] = "get_key"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = KeysResult
    keys: tuple[str, ...] = setting(Words(), "Names of keys, in any case.", example=["HeartbeatInterval"])

    async def act(self, host: Host) -> Json:
        rows = {row["key"].casefold(): row for row in _keys(program_of(host))}
        wrong = [Problem("keys", f"{key!r}: there is no such key") for key in self.keys if key.casefold() not in rows]
        if wrong:
            raise ControlError("invalid", wrong)
        return {"keys": [rows[key.casefold()] for key in self.keys]}


SETTINGS: tuple[type[Command], ...] = (Set, SetKey, Get, GetKey, Variables, Keys)
