"""An OCPP frame in one line: what a person wants to know of it at a glance, on the screen, in lines and in scenarios. And the
current that is offered, in the same words everywhere.

Nothing in it differs between two runs with the same seed. Frames of the station are told in words; what the CSMS sends
may be anything, and nothing in it may reach the terminal as a control character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from station.core.charging import limits
from station.core.view import EvseView

CALL, RESULT, ERROR = 2, 3, 4
_WORDS_KEPT = 6
_SHOWN = 80
_DEPTH = 8
_ROUTINE_ACTIONS = frozenset({"Heartbeat", "MeterValues"})
_ROUTINE_TRIGGERS = frozenset({"MeterValuePeriodic", "MeterValueClock"})


@dataclass(frozen=True, slots=True)
class Brief:
    """kind: "call", "result", "error" or "garbage". `text` says the rest in words.

    action: "?" for garbage and for an answer to nothing. routine: a periodic call, of which there will be more. empty: an
    answer that says nothing but that it is one.
    """

    kind: str
    action: str
    text: str
    routine: bool = False
    empty: bool = False


class Conversation:
    """Remembers which id was which action, so that an answer can be named. Feed it every frame in order."""

    def __init__(self, keep: int = 64) -> None:
        self._actions: dict[tuple[str, str], str] = {}
        self._keep = keep

    def brief(self, direction: str, text: str) -> Brief:
        """direction: "in" or "out", as the station sees it."""
        brief = self._brief(direction, text)
        return replace(brief, action=printable(brief.action), text=printable(brief.text))

    def _brief(self, direction: str, text: str) -> Brief:
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return Brief("garbage", "?", text[:_SHOWN])
        match frame:
            case [2, str(number), str(action), dict(payload)]:
                self._remember(direction, number, action)
                text = _told(action, payload) if direction == "out" else _plain(payload)
                return Brief("call", action, text, routine=_is_routine(action, payload))
            case [3, str(number), dict(payload)]:
                action = self._answered(direction, number)
                return Brief("result", action, _plain(payload) or "ok", empty=not payload and action != "?")
            case [4, str(number), str(code), str(description), *_]:
                return Brief("error", self._answered(direction, number), f"{code} {description}".strip())
            case _:
                return Brief("garbage", "?", text[:_SHOWN])

    def _answered(self, direction: str, number: str) -> str:
        return self._actions.pop((_other(direction), number), "?")

    def _remember(self, direction: str, number: str, action: str) -> None:
        self._actions[direction, number] = action
        if len(self._actions) > self._keep:
            del self._actions[next(iter(self._actions))]


def _other(direction: str) -> str:
    return "in" if direction == "out" else "out"


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "·" for char in text)


def _is_routine(action: str, payload: Mapping[str, Any]) -> bool:
    if action == "TransactionEvent":
        return payload.get("eventType") == "Updated" and payload.get("triggerReason") in _ROUTINE_TRIGGERS
    return action in _ROUTINE_ACTIONS


def _told(action: str, payload: Mapping[str, Any]) -> str:
    """A call of the station in words; its leaves, if it is not what such a call should be."""
    try:
        return _SPECIAL.get(action, _plain)(payload)
    except (KeyError, TypeError, ValueError, AttributeError):
        return _plain(payload)


def _plain(payload: Mapping[str, Any]) -> str:
    """The first few leaves, in their order."""
    words: list[str] = []
    for key, value in _leaves(payload):
        if len(words) == _WORDS_KEPT:
            words.append("…")
            break
        words.append(f"{key}={_word(value)}")
    return " ".join(words)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _leaves(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth == _DEPTH:
        yield key, "…"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ("customData", "timestamp"):
                yield from _leaves(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key, depth + 1)
    else:
        yield key, value


def offered(view: EvseView) -> str:
    """The current that an EVSE offers, and why: on the screen and in lines."""
    if view.cause == limits.CAR:
        # The car does not bound what is offered, it only takes less of it.
        return f"{view.offered_a:g} A, because: car takes less"
    return f"{f'{view.offered_a:g} A' if view.offered_a else 'nothing'}, because: {view.cause}"


def _status(payload: Mapping[str, Any]) -> str:
    if "evseId" in payload:
        return f"EVSE {payload['evseId']}/{payload['connectorId']} {payload['connectorStatus']}"
    error = payload.get("errorCode", "NoError")
    return f"connector {payload['connectorId']} {payload['status']}" + ("" if error == "NoError" else f" ({error})")


def _transaction(payload: Mapping[str, Any]) -> str:
    info = payload["transactionInfo"]
    # What a person wants to know stands first: narrow views cut the rest.
    why = f"because {info['stoppedReason']}" if "stoppedReason" in info else payload["triggerReason"]
    words = [payload["eventType"], why, *_energy(payload.get("meterValue", []))]
    if "chargingState" in info:
        words.append(info["chargingState"])
    if payload.get("offline"):
        words.append("offline")
    words.append(f"#{payload['seqNo']}")
    if "stoppedReason" in info:
        words.append(payload["triggerReason"])
    return " ".join(words)


def _energy(meter_values: list[Mapping[str, Any]]) -> list[str]:
    """The last energy register and power of a list of meter values."""
    last: dict[str, float] = {}
    for meter_value in meter_values:
        for sample in meter_value["sampledValue"]:
            measurand = sample.get("measurand", "Energy.Active.Import.Register")
            if "phase" not in sample and sample.get("format") != "SignedData":
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


def _start(payload: Mapping[str, Any]) -> str:
    return f"connector {payload['connectorId']} by {payload['idTag']} {payload['meterStart'] / 1000:.3f} kWh"


def _stop(payload: Mapping[str, Any]) -> str:
    words = [f"transaction {payload['transactionId']}"]
    if "idTag" in payload:
        words.append(f"by {payload['idTag']}")
    words.append(f"because {payload.get('reason', 'Local')}")
    return f"{' '.join(words)} {payload['meterStop'] / 1000:.3f} kWh"


_SPECIAL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "StatusNotification": _status,
    "TransactionEvent": _transaction,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "MeterValues": _meter_values,
}
