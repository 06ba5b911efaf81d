"""What every block of the 2.0.1 dialect shares: field lengths, status infos, EVSE addresses, tolerant reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from station.clock import parse_iso
from station.core.types import Verdict
from station.ocpp.dialect import Call, Payload, Services

Handler = Callable[[Call, Services], None]

ACCEPTED_OR_REJECTED = frozenset({"Accepted", "Rejected"})
ACCEPTED_REJECTED_SCHEDULED = frozenset({"Accepted", "Rejected", "Scheduled"})

_REASON_CODE = 20
_ADDITIONAL_INFO = 512


def cut(text: str, limit: int) -> str:
    """The first `limit` characters: a field over its schema length costs the whole message."""
    return text[:limit]


def status_info(reason: str | None, info: str | None = None, *, accepted: bool = False) -> Payload | None:
    """StatusInfoType, None when there is nothing to say. The reason code is mandatory in it."""
    if not reason and not info:
        return None
    answer: Payload = {"reasonCode": cut(reason or ("NoError" if accepted else "Unspecified"), _REASON_CODE)}
    if info:
        answer["additionalInfo"] = cut(info, _ADDITIONAL_INFO)
    return answer


def status(word: str, reason: str | None = None, info: str | None = None) -> Payload:
    """An answer that consists of a status and, where there is one, the reason for it."""
    answer: Payload = {"status": word}
    detail = status_info(reason, info, accepted=word == "Accepted")
    if detail is not None:
        answer["statusInfo"] = detail
    return answer


def verdict_status(verdict: Verdict, words: Collection[str], otherwise: str = "Rejected") -> Payload:
    """The core's verdict in the words of one response; a word that the response lacks becomes `otherwise`."""
    word = verdict.status if verdict.status in words else otherwise
    return status(word, verdict.reason, verdict.info)


def address(evse: int, connector: int | None = None) -> Payload:
    """EVSEType."""
    return {"id": evse, "connectorId": connector} if connector else {"id": evse}


def read_address(evse: Mapping[str, Any] | None) -> tuple[int | None, int | None]:
    """EVSE and connector number of an optional, schema-valid EVSEType."""
    if evse is None:
        return None, None
    return evse["id"], evse.get("connectorId")


def read_time(text: object) -> float | None:
    """Wall time of any RFC 3339 text, None for everything else (CSMSs send offsets, six digits, and nonsense)."""
    if not isinstance(text, str):
        return None
    try:
        return parse_iso(text)
    except (ValueError, OverflowError):
        return None


def whole(value: float | None) -> int | None:
    """A quantity for an integer field, rounded down (never promise more than there is)."""
    return None if value is None or not math.isfinite(value) else math.floor(value)


def number(value: float) -> int | float:
    """Three decimals, not the tail of binary fractions (0.30000000000000004), and an integer where it is one."""
    rounded = round(value, 3)
    return int(rounded) if float(rounded).is_integer() else rounded
