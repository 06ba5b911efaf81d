"""Block B, the device model item by item: SetVariables (B05) and GetVariables (B06)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from station.core import events
from station.core.device_model import DeviceModel, WriteResult
from station.core.types import Verdict
from station.ocpp.dialect import Call, Payload, Services
from station.ocpp.v201.fields import Handler, cut, read_address, status_info

_VALUE_SIZE = 2500  # GetVariableResult.attributeValue, VariableAttribute.value

_SET_STATUSES = frozenset(
    {
        "Accepted",
        "Rejected",
        "UnknownComponent",
        "UnknownVariable",
        "NotSupportedAttributeType",
        "RebootRequired",
    }
)


def limit(model: DeviceModel, variable: str, instance: str | None = None) -> int | None:
    """A limit that DeviceDataCtrlr announces (items or bytes per message, size of a value), None when it has none."""
    found = model.find("DeviceDataCtrlr", variable, variable_instance=instance)
    text = None if found is None else model.value(found.key)
    return int(text) if text and text.isdecimal() and int(text) > 0 else None


def wire_bytes(payload: Any) -> int:
    """Bytes that `payload` takes on the wire, written without spaces."""
    return len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass"))


def value_size(model: DeviceModel) -> int:
    """Characters that a reported value may have: ReportingValueSize or ValueSize, at most what the schema takes."""
    return min(limit(model, "ReportingValueSize") or limit(model, "ValueSize") or _VALUE_SIZE, _VALUE_SIZE)


def set_variables(call: Call, services: Services) -> None:
    """B05: all items are one command, one result per item in the order asked; a duplicate is written again."""
    items = call.payload["setVariableData"]
    if _too_much(call, services.model, len(items), "SetVariables"):
        return
    writes = tuple(_write(item) for item in items)
    services.command(
        lambda ref: events.SetVariables(ref, writes),
        lambda verdict: call.answer({"setVariableResult": _set_results(items, verdict)}),
    )


def get_variables(call: Call, services: Services) -> None:
    """B06."""
    items = call.payload["getVariableData"]
    model: DeviceModel = services.model
    if not _too_much(call, model, len(items), "GetVariables"):
        size = value_size(model)
        call.answer({"getVariableResult": [_get_result(model, item, size) for item in items]})


def _too_much(call: Call, model: DeviceModel, items: int, instance: str) -> bool:
    """Refuse a request over the announced limits."""
    most = limit(model, "ItemsPerMessage", instance)
    if most is not None and items > most:
        call.refuse("OccurrenceConstraintViolation", f"{items} items, at most {most} are allowed")  # B06.FR.16
        return True
    most = limit(model, "BytesPerMessage", instance)
    if most is not None and wire_bytes(call.payload) > most:
        call.refuse("FormatViolation", f"more than {most} bytes")  # B06.FR.17
        return True
    return False


def _write(item: Mapping[str, Any]) -> events.VariableWrite:
    component, variable = item["component"], item["variable"]
    evse, connector = read_address(component.get("evse"))
    return events.VariableWrite(
        component=component["name"],
        variable=variable["name"],
        value=item["attributeValue"],
        component_instance=component.get("instance") or None,
        variable_instance=variable.get("instance") or None,
        evse=evse,
        connector=connector,
        attribute=item.get("attributeType", "Actual"),
    )


def _set_results(items: Sequence[Mapping[str, Any]], verdict: Verdict) -> list[Payload]:
    """A command that was refused as a whole refuses every item."""
    results = verdict.data.get("results")
    if verdict.status != "Accepted" or not isinstance(results, list | tuple) or len(results) != len(items):
        refused = WriteResult("Rejected", verdict.reason or "InternalError", verdict.info)
        results = [refused] * len(items)
    return [_set_result(item, result) for item, result in zip(items, results, strict=True)]


def _set_result(item: Mapping[str, Any], result: WriteResult) -> Payload:
    word = result.status if result.status in _SET_STATUSES else "Rejected"
    answer = {**_echo(item), "attributeStatus": word}
    detail = status_info(result.reason, result.info, accepted=word == "Accepted")
    if detail is not None:
        answer["attributeStatusInfo"] = detail
    return answer


def _echo(item: Mapping[str, Any]) -> Payload:
    """Every result names its item the way the request did (B05.FR.02, FR.03, FR.12; B06.FR.02, FR.03, FR.11)."""
    return {
        "attributeType": item.get("attributeType", "Actual"),
        "component": item["component"],
        "variable": item["variable"],
    }


def _get_result(model: DeviceModel, item: Mapping[str, Any], size: int) -> Payload:
    component, variable = item["component"], item["variable"]
    evse, connector = read_address(component.get("evse"))
    result = model.read(
        component["name"],
        variable["name"],
        component_instance=component.get("instance") or None,  # B06.FR.15: an empty instance is none
        variable_instance=variable.get("instance") or None,
        evse=evse,
        connector=connector,
        attribute=item.get("attributeType", "Actual"),
    )
    answer = {**_echo(item), "attributeStatus": result.status}
    if result.value is not None:
        answer["attributeValue"] = cut(result.value, size)  # B06.FR.10; empty when unset (B06.FR.13)
    detail = status_info(result.reason)
    if detail is not None:
        answer["attributeStatusInfo"] = detail
    return answer


HANDLERS: Mapping[str, Handler] = {"SetVariables": set_variables, "GetVariables": get_variables}
