"""What the files of this version share: the handler signature, connector numbers, texts, times and identifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from station.clock import parse_iso
from station.core.types import AuthStatus, IdToken, TokenInfo, TokenKind, Verdict
from station.ocpp.dialect import Call, DialectSettings, Services

Handler = Callable[[Call, Services, DialectSettings], None]
"""Answers one CALL. Every feature file has a table `HANDLERS` of action -> handler; `dialect` joins the tables."""

ID_TAG_LENGTH = 20  # IdToken is CiString20Type
FREE_ID_TAG = "NoAuthorization"
"""idTag of a charge without identification: 1.6 has no word for it and an empty idTag is refused by many."""

_STATUSES = {
    "Accepted": AuthStatus.ACCEPTED,
    "Blocked": AuthStatus.BLOCKED,
    "Expired": AuthStatus.EXPIRED,
    "Invalid": AuthStatus.INVALID,
    "ConcurrentTx": AuthStatus.CONCURRENT_TX,
}


def knows_connector(settings: DialectSettings, connector: int) -> bool:
    """Whether `connector` is one of ours: a 1.6 connector is our EVSE of the same number. 0 is the station, not one."""
    return connector in settings.evses


def answer_status(call: Call, status: str) -> None:
    call.answer({"status": status})


def accepted_or_rejected(call: Call) -> Callable[[Verdict], None]:
    """Callback for commands whose 1.6 answer knows these two words only."""

    def done(verdict: Verdict) -> None:
        answer_status(call, "Accepted" if verdict.status == "Accepted" else "Rejected")

    return done


def wall_time(value: Any) -> float | None:
    """Seconds since the epoch of a received date-time, None when absent or unreadable."""
    if not isinstance(value, str):
        return None
    try:
        return parse_iso(value)
    except (ValueError, OverflowError):
        return None


def id_tag(token: IdToken) -> str:
    """The idTag for a token, cut to the 20 characters that 1.6 has for it."""
    if token.kind is TokenKind.NO_AUTHORIZATION or not token.value:
        return FREE_ID_TAG
    return token.value[:ID_TAG_LENGTH]


def token_of(tag: str) -> IdToken:
    """The token meant by an idTag from the CSMS.

    1.6 identifiers have no kind. They get the kind of a card, so that a card presented at the reader equals the idTag
    that a remote start named (a driver stops with the card what an app has started), and so that
    AuthorizeRemoteTxRequests stays in force: the kind Central would exempt it from authorisation (2.x C05).
    """
    return IdToken(tag, TokenKind.ISO14443)


def group_of(parent: str) -> IdToken:
    """The group meant by a parentIdTag.

    A parentIdTag has no kind either. All of them get the kind Central, so two groups learnt through 1.6 are equal
    exactly when their texts are (ignoring case), whatever the kinds of the tokens that belong to them.
    """
    return IdToken(parent, TokenKind.CENTRAL)


def token_info(payload: Mapping[str, Any]) -> TokenInfo | None:
    """The idTagInfo of an answer; None when there is none (StopTransaction.conf may be empty).

    A status word that 1.6 does not know is no acceptance.
    """
    info = payload.get("idTagInfo")
    if not isinstance(info, Mapping) or "status" not in info:
        return None
    parent = info.get("parentIdTag")
    return TokenInfo(
        status=_STATUSES.get(str(info["status"]), AuthStatus.INVALID),
        group=group_of(parent) if isinstance(parent, str) and parent else None,
        expires=wall_time(info.get("expiryDate")),
    )
