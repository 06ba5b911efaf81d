"""What real CSMSs refuse: a judge over the frames of a station, for both versions.

Each rule is one that some CSMS enforces with a CALLERROR, or with silence; see the strictness that they were measured for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from station.ocpp.schemas import Schemas

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
TIME_FIELDS = re.compile(r"(?i)timestamp|.*date_?time|currentTime|generatedAt|retrieve(Date)?")
HEX14443 = re.compile(r"[0-9A-F]{8}|[0-9A-F]{14}", re.IGNORECASE)
HEX15693 = re.compile(r"[0-9A-F]{16}", re.IGNORECASE)
EMAID = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[A-Z0-9]{9}[A-Z0-9]?", re.IGNORECASE)
LISTS = frozenset({"meterValue", "reportData", "sampledValue", "transactionData", "configurationKey", "unknownKey"})
UNIQUE_ID = 36


def problems(version: str, text: str, action: str | None) -> list[str]:
    """What is wrong with a frame of the station. `action`: of the CALL that an answer belongs to, None: not known."""
    try:
        frame = json.loads(text)
    except ValueError:
        return ["not JSON"]
    wrong = list(_envelope(frame))
    if wrong or frame[0] == 4:
        return wrong
    schemas = Schemas.for_version(version)
    payload = frame[3] if frame[0] == 2 else frame[2]
    action = frame[2] if frame[0] == 2 else action
    wrong += _walk(payload, "")
    if action is None:
        return wrong
    if action not in schemas.actions:
        return [*wrong, f"unknown action {action}"]
    validator = schemas.request(action) if frame[0] == 2 else schemas.response(action)
    if not validator.is_valid(payload):
        wrong.append("breaks its schema")
    if frame[0] == 2:
        wrong += _call_16(action, payload) if version == "1.6" else _call_201(action, payload)
    return wrong


def _envelope(frame: Any) -> Iterator[str]:
    length = {2: 4, 3: 3, 4: 5}.get(frame[0])
    if len(frame) != length:
        yield f"{len(frame)} elements of type {frame[0]}"
    elif not isinstance(frame[1], str) or len(frame[1]) > UNIQUE_ID or (frame[0] == 2 and not frame[1]):
        yield f"message id {frame[1]!r}"
    elif frame[0] == 4 and not (isinstance(frame[3], str) and isinstance(frame[4], dict)):
        yield "a CALLERROR without description and details"


def _walk(value: Any, path: str) -> Iterator[str]:
    """Rules for values wherever they are."""
    name = path.rpartition(".")[2]
    if value is None:
        yield f"{path} is null"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}")
        if "idToken" in value and "type" in value:
            yield from _id_token(value, path)
    elif isinstance(value, list):
        if not value and name in LISTS - {"configurationKey"}:
            yield f"{path} is empty"
        for inner in value:
            yield from _walk(inner, path)
    elif isinstance(value, str):
        if value != value.strip():
            yield f"{path} is padded: {value!r}"
        if TIME_FIELDS.fullmatch(name) and not TIME.fullmatch(value):
            yield f"{path} is {value}, not UTC with Z and at most three digits"


def _id_token(token: Mapping[str, Any], path: str) -> Iterator[str]:
    forms = {"ISO14443": HEX14443, "ISO15693": HEX15693, "eMAID": EMAID, "NoAuthorization": re.compile("")}
    form = forms.get(token["type"])
    if form is not None and not form.fullmatch(token["idToken"]):
        yield f"{path}: {token['idToken']!r} is no {token['type']}"


def _call_16(action: str, payload: Mapping[str, Any]) -> Iterator[str]:
    if action == "StartTransaction" and payload["connectorId"] < 1:
        yield "StartTransaction at connector 0"
    if min(payload.get("meterStart", 0), payload.get("meterStop", 0)) < 0:
        yield "a negative meter"
    if payload.get("transactionId", 0) < 0:
        yield "an invented transactionId"
    for element in [*payload.get("meterValue", ()), *payload.get("transactionData", ())]:
        for value in element["sampledValue"]:
            if not isinstance(value["value"], str):
                yield "a number as value"
            if value.get("measurand") == "Frequency" and "unit" in value:
                yield "a unit of Frequency"
    if action in {"SecurityEventNotification", "SignCertificate", "LogStatusNotification"}:
        yield f"{action} is refused by a CSMS without the security extension"


def _call_201(action: str, payload: Mapping[str, Any]) -> Iterator[str]:
    if action == "FirmwareStatusNotification" and "requestId" not in payload:
        yield "FirmwareStatusNotification without requestId"
    if action == "StatusNotification" and payload["evseId"] < 1:
        yield "the status of EVSE 0"
