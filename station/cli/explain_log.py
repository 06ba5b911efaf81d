"""What a log says around its messages: when, by which station, and when transactions began and ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from station.clock import parse_iso

__all__ = ["NOWHERE", "Charge", "Charges", "Moment", "Stamp", "of_line", "of_object"]

Moment = Callable[[str], float]
"""Wall seconds of a time; one without an offset is of the local clock. Raises ValueError, OverflowError."""

_DATED = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_NAMED = re.compile(r"\d\d:\d\d:\d\d\S* (\S+) [<>] *$", re.ASCII)
"""`12:00:01 CS1 < [...`, as `station csms` prints it. `station > [...` is how a station prints what it sends itself."""
_TIMES = ("time", "timestamp", "wall", "ts", "at")
_ITSELF = "station"
MOST_S = 2**35
"""Seconds since 1970 in the year 3058; more are milliseconds."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of one line or frame object. at: wall seconds, None: no time with a date. station None: not said. log: it is one of these."""

    at: float | None = None
    station: str | None = None
    log: bool = False


NOWHERE = Stamp()


def of_line(before: str, moment: Moment) -> Stamp:
    """Out of what stands in a line before the JSON."""
    dated, named = _DATED.search(before), _NAMED.search(before)
    station = named[1] if named is not None and named[1] != _ITSELF else None
    return Stamp(None if dated is None else _wall(dated[0].replace(",", "."), moment), station, log=True)


def of_object(value: Any, around: Stamp, moment: Moment) -> Stamp:
    """Out of an object that holds a frame; what it does not say is as `around`."""
    if not isinstance(value, Mapping):
        return around
    at = next((found for name in _TIMES if (found := _wall(value.get(name), moment)) is not None), around.at)
    station = value.get("station")
    return Stamp(at, station if isinstance(station, str) else around.station, log=True)


def _wall(value: Any, moment: Moment) -> float | None:
    """A number is one of seconds, or of milliseconds, if it can be."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < MOST_S * 1000:  # nor is it NaN
            return None
        return float(value) if value < MOST_S else value / 1000
    if not isinstance(value, str) or _DATED.match(value) is None:
        return None
    try:
        return moment(value)
    except (ValueError, OverflowError):
        return None


@dataclass(slots=True)
class Charge:
    """A transaction that the log tells of. Wall seconds; None: not told. evse: EVSE or connector."""

    tx_id: str
    station: str | None
    evse: int | None = None
    began: float | None = None
    ended: float | None = None


class Charges:
    """Transactions out of StartTransaction and StopTransaction (1.6) and TransactionEvent (2.x)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str], Charge] = {}
        self._asked: dict[tuple[str | None, str], Mapping[str, Any]] = {}  # StartTransaction without its answer

    def __iter__(self) -> Iterator[Charge]:
        return iter(self._known.values())

    def call(self, message: str, action: str, payload: Mapping[str, Any], station: str | None) -> None:
        """Times are those that the station tells, so only moments with an offset or UTC."""
        told = _wall(payload.get("timestamp"), parse_iso)
        if action == "StartTransaction":
            self._asked[station, message] = payload
        elif action == "StopTransaction" and _is_whole(payload.get("transactionId")):
            self._charge(str(payload["transactionId"]), station).ended = told
        elif action == "TransactionEvent":
            self._event(payload, told, station)

    def answer(self, message: str, payload: Mapping[str, Any], station: str | None) -> None:
        """1.6: only the answer says the id."""
        asked = self._asked.pop((station, message), None)
        number = payload.get("transactionId")
        if asked is None or not _is_whole(number):
            return
        charge = self._charge(str(number), station)
        charge.began = _wall(asked.get("timestamp"), parse_iso)
        charge.evse = _place(asked.get("connectorId"))

    def _event(self, payload: Mapping[str, Any], told: float | None, station: str | None) -> None:
        info, evse = payload.get("transactionInfo"), payload.get("evse")
        tx_id = info.get("transactionId") if isinstance(info, dict) else None
        if not isinstance(tx_id, str):
            return
        charge = self._charge(tx_id, station)
        if isinstance(evse, dict):
            charge.evse = _place(evse.get("id")) or charge.evse
        if payload.get("eventType") == "Started":
            charge.began = told
        elif payload.get("eventType") == "Ended":
            charge.ended = told

    def _charge(self, tx_id: str, station: str | None) -> Charge:
        return self._known.setdefault((station, tx_id), Charge(tx_id, station))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _place(value: Any) -> int | None:
    return value if _is_whole(value) else None
