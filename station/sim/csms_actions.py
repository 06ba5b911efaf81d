"""Which messages a CSMS sends to a station, and what OpenAPI says of them: made from the schemas of the OCA."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from station.ocpp.schemas import schema_folder
from station.runtime.control_types import Json

__all__ = ["CALLS", "call_paths"]

# OCPP 1.6 chapter 5, and the security whitepaper (edition 3) chapter 4.
_CALLS_16 = """
CancelReservation ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile DataTransfer GetCompositeSchedule
GetConfiguration GetDiagnostics GetLocalListVersion RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList
SetChargingProfile TriggerMessage UnlockConnector UpdateFirmware
CertificateSigned DeleteCertificate ExtendedTriggerMessage GetInstalledCertificateIds GetLog InstallCertificate SignedUpdateFirmware
"""
# OCPP 2.0.1 part 2, chapter 1.
_CALLS_201 = """
CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile ClearDisplayMessage ClearVariableMonitoring
CostUpdated CustomerInformation DataTransfer DeleteCertificate GetBaseReport GetChargingProfiles GetCompositeSchedule
GetDisplayMessages GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport GetReport GetTransactionStatus
GetVariables InstallCertificate PublishFirmware RequestStartTransaction RequestStopTransaction ReserveNow Reset SendLocalList
SetChargingProfile SetDisplayMessage SetMonitoringBase SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables
TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware
"""
CALLS: Mapping[str, frozenset[str]] = {"1.6": frozenset(_CALLS_16.split()), "2.0.1": frozenset(_CALLS_201.split())}
"""Every message from CSMS to station, per version."""


class _Components:
    """Schemas moved to where OpenAPI keeps them: a definition that several messages share is kept once."""

    def __init__(self) -> None:
        self.schemas: Json = {}

    def add(self, version: str, action: str, kind: str) -> Json:
        """A reference to the schema of a message. kind: Request or Response."""
        schema = _read(version, action, kind)
        prefix = "v" + version.replace(".", "")
        names: dict[str, str] = {}
        definitions: Json = schema.pop("definitions", {})
        for name, definition in definitions.items():
            own = f"{prefix}.{name}"
            plain = _moved(definition, lambda other: f"{prefix}.{other}")
            if self.schemas.get(own, plain) != plain:  # another message means something else by this name
                own = f"{prefix}.{action}{kind}.{name}"
            names[name] = own
        for name, definition in definitions.items():
            self.schemas[names[name]] = _moved(definition, names.__getitem__)
        self.schemas[f"{prefix}.{action}{kind}"] = _moved(schema, names.__getitem__)
        return {"$ref": f"#/components/schemas/{prefix}.{action}{kind}"}


def _read(version: str, action: str, kind: str) -> Json:
    folder = schema_folder(version)
    for name in (f"{action}{kind}.json", f"{action}.json"):  # 1.6 names its requests by the action alone
        if (folder / name).is_file():
            found: Json = json.loads((folder / name).read_text(encoding="utf-8-sig"), parse_float=_number)
            break
    else:
        raise KeyError(f"{action}{kind} of OCPP {version}")
    return {key: value for key, value in found.items() if key not in {"$schema", "$id", "id", "comment"}}


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _moved(node: Any, name_of: Callable[[str], str]) -> Any:
    """The same schema with references into the components; keywords of older drafts are left out."""
    if isinstance(node, list):
        return [_moved(item, name_of) for item in node]
    if not isinstance(node, dict):
        return node
    moved = {
        key: _moved(value, name_of)
        for key, value in node.items()
        if key not in {"javaType", "$id", "id"} or _names(node)
    }
    reference = node.get("$ref")
    if isinstance(reference, str):
        moved["$ref"] = f"#/components/schemas/{name_of(reference.removeprefix('#/definitions/'))}"
    return moved


def _names(node: Json) -> bool:
    """Whether this object holds properties by their names (where `id` is one of them) rather than keywords."""
    return all(isinstance(value, dict) for value in node.values())


def call_paths() -> tuple[Json, Json]:
    """(paths, schemas): `POST /call/{station}/ACTION` for every message of every version."""
    components = _Components()
    paths: Json = {}
    for action in sorted(frozenset().union(*CALLS.values())):
        versions = [version for version, actions in CALLS.items() if action in actions]
        requests = [components.add(version, action, "Request") for version in versions]
        responses = [components.add(version, action, "Response") for version in versions]
        paths[f"/call/{{station}}/{action}"] = {"post": _operation(action, versions, requests, responses)}
    return paths, components.schemas


def _operation(action: str, versions: list[str], requests: list[Json], responses: list[Json]) -> Json:
    answer = {
        "type": "object",
        "properties": {
            "payload": {"anyOf": [*responses, {"type": "null"}], "description": "Of the CALLRESULT."},
            "error": {"anyOf": [{"type": "object"}, {"type": "null"}], "description": "The CALLERROR in its place."},
        },
        "required": ["payload", "error"],
    }
    result = {"type": "object", "properties": {"result": answer}, "required": ["result"]}
    return {
        "operationId": f"call_{action}",
        "summary": f"Send {action} (OCPP {' and '.join(versions)}) and wait for the answer.",
        "tags": ["calls"],
        "parameters": [
            {"name": "station", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 48}},
            {
                "name": "check",
                "in": "query",
                "description": "false: send it though the schema does not allow it.",
                "schema": {"type": "boolean", "default": True},
            },
            {
                "name": "within",
                "in": "query",
                "description": "Seconds to wait for the answer.",
                "schema": {"type": "number", "minimum": 0.1, "maximum": 600, "default": 30},
            },
        ],
        "requestBody": {"content": {"application/json": {"schema": {"anyOf": requests}}}},
        "responses": {
            "200": {"description": "What the station answered.", "content": {"application/json": {"schema": result}}},
            "400": {"description": "Not valid, or no such station or message. Nothing was sent."},
            "409": {"description": "The station is not connected, or did not answer."},
        },
    }
