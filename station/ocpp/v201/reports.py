"""Block B, the device model as a whole: GetBaseReport and its NotifyReport parts (B07)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from station.clock import iso
from station.core.device_model import Definition, DeviceModel, VariableKey
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.fields import Handler, address, cut, number, status
from station.ocpp.v201.variables import limit, value_size, wire_bytes

_ITEMS = 50  # used where the device model announces no limit
_BYTES = 32_768
_ENVELOPE = 200  # more than action, message id and the fields around reportData ever take
_VALUES_LIST = 1000

_AVAILABILITY = frozenset({"chargingstation", "evse", "connector"})
_ABNORMAL = frozenset({"problem", "tripped", "overload", "fallback"})


def get_base_report(call: Call, services: Services) -> None:
    """B07: the answer first, then the parts, all with the same requestId and time. One report at a time."""
    model: DeviceModel = services.model
    base = call.payload["reportBase"]
    found = [one for one in model.definitions() if _belongs(model, one, base)]
    if not found:
        call.answer({"status": "EmptyResultSet"})
        return
    if services.sending_series():
        # A CSMS that asks faster than it listens must not fill our memory.
        call.answer(status("Rejected", "Unspecified", "another report is being sent"))
        return
    call.answer({"status": "Accepted"})
    size = value_size(model)
    entries = (_entry(model, one, size) for one in found)
    services.send_series(notify_report(model, call.payload["requestId"], entries, iso(services.now().wall)))


def notify_report(
    model: DeviceModel, request_id: int, entries: Iterable[Payload], generated_at: str
) -> Iterator[Frame]:
    """NotifyReport parts within the announced items and bytes per message, each made when it is asked for."""
    parts = _split(model, entries)
    part = next(parts, None)
    seq = 0
    while part is not None:
        after = next(parts, None)
        payload: Payload = {
            "requestId": request_id,  # B07.FR.04
            "generatedAt": generated_at,
            "seqNo": seq,  # B07.FR.10: from 0
            "reportData": part,
        }
        if after is not None:
            payload["tbc"] = True
        yield Frame("NotifyReport", payload)
        part = after
        seq += 1


def _split(model: DeviceModel, entries: Iterable[Payload]) -> Iterator[list[Payload]]:
    most_items = limit(model, "ItemsPerMessage", "GetReport") or _ITEMS
    most_bytes = (limit(model, "BytesPerMessage", "GetReport") or _BYTES) - _ENVELOPE
    part: list[Payload] = []
    size = 0
    for entry in entries:
        length = wire_bytes(entry) + 1
        if part and (len(part) >= most_items or size + length > most_bytes):
            yield part
            part, size = [], 0
        part.append(entry)
        size += length
    if part:
        yield part


def _belongs(model: DeviceModel, definition: Definition, base: str) -> bool:
    if base == "FullInventory":
        return True  # B07.FR.08
    if base == "ConfigurationInventory":
        return definition.mutability != "ReadOnly" and not definition.constant  # B07.FR.07: what the operator can set
    # SummaryInventory, B07.FR.09: availability of station, EVSEs and connectors, and whatever is out of order.
    name = definition.key.variable.casefold()
    if name == "availabilitystate":
        return definition.key.component.casefold() in _AVAILABILITY
    return name in _ABNORMAL and model.value(definition.key) == "true"


def _entry(model: DeviceModel, definition: Definition, size: int) -> Payload:
    key = definition.key
    return {
        "component": _component(key),
        "variable": _named(key.variable, key.variable_instance),
        # B07.FR.11: every supported attribute type, also unset ones.
        "variableAttribute": [_attribute(model, definition, attribute, size) for attribute in definition.attributes],
        "variableCharacteristics": _characteristics(definition),
    }


def _named(name: str, instance: str | None) -> Payload:
    return {"name": name, "instance": instance} if instance else {"name": name}


def _component(key: VariableKey) -> Payload:
    component = _named(key.component, key.component_instance)
    if key.evse is not None:
        component["evse"] = address(key.evse, key.connector)
    return component


def _attribute(model: DeviceModel, definition: Definition, attribute: str, size: int) -> Payload:
    # Only Actual values can be written; the others say what the station makes of them.
    mutability = definition.mutability if attribute == "Actual" else "ReadOnly"
    wire: Payload = {"type": attribute, "mutability": "WriteOnly" if definition.secret else mutability}
    if wire["mutability"] != "WriteOnly":
        wire["value"] = cut(model.attribute(definition, attribute), size)
    if definition.persistent:
        wire["persistent"] = True
    if definition.constant:
        wire["constant"] = True
    return wire


def _characteristics(definition: Definition) -> Payload:
    wire: Payload = {"dataType": definition.data_type, "supportsMonitoring": definition.supports_monitoring}
    if definition.unit:
        wire["unit"] = definition.unit
    if definition.min_limit is not None:
        wire["minLimit"] = number(definition.min_limit)
    if definition.max_limit is not None:
        wire["maxLimit"] = number(definition.max_limit)
    if definition.values:
        wire["valuesList"] = _values_list(definition.values)
    return wire


def _values_list(values: tuple[str, ...]) -> str:
    """As many whole values as the field takes."""
    text = ",".join(values)
    return text if len(text) <= _VALUES_LIST else text[: _VALUES_LIST + 1].rpartition(",")[0]


HANDLERS: Mapping[str, Handler] = {"GetBaseReport": get_base_report}
