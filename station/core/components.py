"""The standard device model of a station of given hardware, with the operator's defaults, and its documentation.

The rows themselves are in `components_control` and `components_station`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from station.core.components_charging import STANDARD_LIMITS, ChargingLimits, charging_definitions
from station.core.components_control import control_definitions
from station.core.components_station import station_definitions
from station.core.device_model import Definitions
from station.core.types import EvseInfo
from station.core.variables import Definition, InvalidValueError, VariableKey, canonical, number_text
from station.errors import ConfigError

__all__ = ["document", "standard_definitions"]

_NO_OVERRIDES: Mapping[str, str] = {}


def standard_definitions(
    evses: Sequence[EvseInfo],
    overrides: Mapping[str, str] = _NO_OVERRIDES,
    charging: ChargingLimits = STANDARD_LIMITS,
) -> dict[VariableKey, Definition]:
    """The template of a station: shared by all stations of the same shape and overrides, so do not change it.

    overrides: other defaults, by `VariableKey.row` ("TxCtrlr.TxStartPoint", "OCPPCommCtrlr.MessageTimeout[Default]",
    "EVSE#1.AllowReset"), names in any case. A value that the CSMS has set since then wins over them.
    charging: what SmartChargingCtrlr announces (`ChargingLimits.of` the setup).
    Raises ConfigError that lists every unknown name and every bad value.
    """
    return _template(tuple(evses), tuple(sorted(overrides.items())), charging)


@lru_cache(maxsize=64)
def _template(
    evses: tuple[EvseInfo, ...], overrides: tuple[tuple[str, str], ...], charging: ChargingLimits
) -> Definitions:
    unlocks = any(info.has_lock and not info.fixed_cable for info in evses)
    rows = (
        *control_definitions(unlocks=unlocks),
        *charging_definitions(evses, charging),
        *station_definitions(evses),
    )
    definitions = Definitions({row.key: row for row in rows})
    return _overridden(definitions, overrides) if overrides else definitions


def _overridden(definitions: Definitions, overrides: Iterable[tuple[str, str]]) -> Definitions:
    problems: list[str] = []
    changed: dict[VariableKey, Definition] = {}
    for row, value in overrides:
        definition = _named(definitions, row)
        if definition is None:
            problems.append(f"{row}: there is no such variable{_suggestion(definitions, row)}")
        elif definition.constant:
            problems.append(f"{row}: follows from the hardware or the program and cannot be set")
        elif definition.key in changed:
            problems.append(f"{row}: {definition.key.row} is set twice")
        else:
            try:
                changed[definition.key] = replace(definition, default=canonical(definition, value))
            except InvalidValueError as error:
                problems.append(f"{row}: the value does not fit: {error}")
    if problems:
        raise ConfigError(problems)
    return Definitions({key: changed.get(key, definition) for key, definition in definitions.items()})


def _named(definitions: Definitions, row: str) -> Definition | None:
    try:
        key = VariableKey.from_row(row)
    except ValueError:
        return None
    return definitions.at(key.address)


def _suggestion(definitions: Definitions, row: str) -> str:
    spelled = {key.row.casefold(): key.row for key in definitions}
    close = difflib.get_close_matches(row.casefold(), spelled, n=1, cutoff=0.6)
    return f"; did you mean {spelled[close[0]]}?" if close else ""


_HEADER = (
    "| Component | Variable | Type | Unit | Limits and values | Default | Access | Meaning |",
    "|---|---|---|---|---|---|---|---|",
)


def document() -> str:
    """Every variable of a station with one EVSE as a Markdown table, for the documentation."""
    rows = [_documented(definition) for definition in standard_definitions([EvseInfo(evse=1)]).values()]
    return "\n".join((*_HEADER, *rows)) + "\n"


def _documented(definition: Definition) -> str:
    key = definition.key
    component, _, variable = key.row.partition(".")
    cells = (
        component,
        variable,
        definition.data_type,
        definition.unit or "",
        _bounds(definition),
        "" if definition.secret or not definition.default else definition.default.replace(",", ", "),
        definition.mutability,
        definition.description,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bounds(definition: Definition) -> str:
    if definition.values:
        return ", ".join(definition.values)
    low = "" if definition.min_limit is None else number_text(definition.min_limit)
    high = "" if definition.max_limit is None else number_text(definition.max_limit)
    text = f"{low}..{high}" if low or high else ""
    return f"{text} characters" if text and definition.data_type == "string" else text
