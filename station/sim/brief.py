"""An OCPP frame in one line: what a person wants to know of it at a glance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CALL, RESULT, ERROR = 2, 3, 4
_WORDS_KEPT = 6


@dataclass(frozen=True, slots=True)
class Brief:
    """kind: "call", "result", "error" or "garbage". `text` says the rest in words."""

    kind: str
    action: str
    text: str


class Conversation:
    """Remembers which id was which action, so that an answer can be named. Feed it every frame in order."""

    def __init__(self, keep: int = 64) -> None:
        self._actions: dict[tuple[str, str], str] = {}
        self._keep = keep

    def brief(self, direction: str, text: str) -> Brief:
        """direction: "in" or "out", as the station sees it."""
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return Brief("garbage", "?", text[:80])
        match frame:
            case [2, str(number), str(action), dict(payload)]:
                self._remember(direction, number, action)
                return Brief("call", action, _call(action, payload))
            case [3, str(number), dict(payload)]:
                action = self._actions.pop((_other(direction), number), "?")
                return Brief("result", action, _result(action, payload))
            case [4, str(number), str(code), str(description), *_]:
                action = self._actions.pop((_other(direction), number), "?")
                return Brief("error", action, f"{code} {description}".strip())
            case _:
                return Brief("garbage", "?", text[:80])

    def _remember(self, direction: str, number: str, action: str) -> None:
        self._actions[direction, number] = action
        if len(self._actions) > self._keep:
            del self._actions[next(iter(self._actions))]


def _other(direction: str) -> str:
    return "in" if direction == "out" else "out"


def _call(action: str, payload: Mapping[str, Any]) -> str:
    special = _SPECIAL.get(action)
    return special(payload) if special is not None else _plain(payload)


def _result(action: str, payload: Mapping[str, Any]) -> str:
    return _plain(payload) or "ok"


def _plain(payload: Mapping[str, Any]) -> str:
    """The first few leaves, in their order."""
    words: list[str] = []
    for key, value in _leaves(payload):
        if len(words) == _WORDS_KEPT:
            words.append("…")
            break
        words.append(f"{key}={value}")
    return " ".join(words)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ("customData", "timestamp"):
                yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _status(payload: Mapping[str, Any]) -> str:
    if "evseId" in payload:
        return f"EVSE {payload['evseId']}/{payload['connectorId']} {payload['connectorStatus']}"
    error = payload.get("errorCode", "NoError")
    return f"connector {payload['connectorId']} {payload['status']}" + ("" if error == "NoError" else f" ({error})")


def _transaction(payload: Mapping[str, Any]) -> str:
    info = payload["transactionInfo"]
    words = [payload["eventType"], payload["triggerReason"], f"#{payload['seqNo']}"]
    if "chargingState" in info:
        words.append(info["chargingState"])
    if "stoppedReason" in info:
        words.append(f"because {info['stoppedReason']}")
    if payload.get("offline"):
        words.append("offline")
    words += _energy(payload.get("meterValue", []))
    return " ".join(words)


def _energy(meter_values: list[Mapping[str, Any]]) -> list[str]:
    """The last energy register and power of a list of meter values."""
    last: dict[str, float] = {}
    for meter_value in meter_values:
        for sample in meter_value["sampledValue"]:
            measurand = sample.get("measurand", "Energy.Active.Import.Register")
            if "phase" not in sample:
                last[measurand] = float(sample["value"])
    words: list[str] = []
    if "Energy.Active.Import.Register" in last:
        words.append(f"{last['Energy.Active.Import.Register'] / 1000:.3f} kWh")
    if "Power.Active.Import" in last:
        words.append(f"{last['Power.Active.Import'] / 1000:.1f} kW")
    if "SoC" in last:
        words.append(f"{last['SoC']:.0f} %")
    return words


def _meter_values(payload: Mapping[str, Any]) -> str:
    place = f"connector {payload['connectorId']}" if "connectorId" in payload else f"EVSE {payload['evseId']}"
    return " ".join([place, *_energy(payload["meterValue"])])


_SPECIAL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "StatusNotification": _status,
    "TransactionEvent": _transaction,
    "MeterValues": _meter_values,
}
