"""Block C: identifiers, what a CSMS says of them, Authorize, ClearCache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.clock import iso
from station.core import events
from station.core.types import AuthStatus, IdToken, TokenInfo, TokenKind
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.fields import ACCEPTED_OR_REJECTED, Handler, cut, read_time, verdict_status

_ID_TOKEN = 36
_LANGUAGE = 8
_CONTENT = 512


def id_token(token: IdToken) -> Payload:
    """IdTokenType. The value goes out as it came in, for a CSMS compares it with its own.

    Some check its form by type (ISO14443: 8 or 14 hex digits, ISO15693: 16): a reader must deliver it so.
    """
    if token.kind is TokenKind.NO_AUTHORIZATION:
        return {"idToken": "", "type": token.kind.value}  # C02.FR.01
    return {"idToken": cut(token.value, _ID_TOKEN), "type": token.kind.value}


def read_token(wire: object) -> IdToken | None:
    """Inverse of `id_token`; None when unreadable. additionalInfo is ignored (errata C01.FR.25/26)."""
    if not isinstance(wire, Mapping):
        return None
    value, kind = wire.get("idToken"), wire.get("type")
    if not isinstance(value, str):
        return None
    try:
        return IdToken(value, TokenKind(kind))
    except ValueError:
        return None


def token_info(info: TokenInfo) -> Payload:
    """IdTokenInfoType."""
    wire: Payload = {"status": info.status.value}
    if info.expires is not None:
        wire["cacheExpiryDateTime"] = iso(info.expires)
    if info.evses:
        wire["evseId"] = list(info.evses)
    if info.group is not None:
        wire["groupIdToken"] = id_token(info.group)
    if info.language:
        wire["language1"] = cut(info.language, _LANGUAGE)
    if info.message:
        wire["personalMessage"] = {"format": "UTF8", "content": cut(info.message, _CONTENT)}
    return wire


def read_token_info(wire: object) -> TokenInfo | None:
    """Inverse of `token_info`; None without a status that we know. Parts that make no sense are left out."""
    if not isinstance(wire, Mapping):
        return None
    try:
        status = AuthStatus(wire.get("status"))
    except ValueError:
        return None
    group = read_token(wire.get("groupIdToken"))
    return TokenInfo(
        status=status,
        # An empty group would make strangers members of one group, and let them stop each other (C09).
        group=group if group is not None and group.value else None,
        expires=read_time(wire.get("cacheExpiryDateTime")),
        evses=_evses(wire.get("evseId")),
        language=_text(wire.get("language1")),
        message=_message(wire.get("personalMessage")),
    )


def authorize(token: IdToken) -> Frame:
    """C01.FR.02, C04, C06."""
    return Frame("Authorize", {"idToken": id_token(token)})


def authorize_answer(payload: Payload) -> TokenInfo:
    """An answer without a readable status authorises nobody."""
    return read_token_info(payload.get("idTokenInfo")) or TokenInfo(AuthStatus.INVALID)


def clear_cache(call: Call, services: Services) -> None:
    """C11."""
    services.command(events.ClearCache, lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_OR_REJECTED)))


def _evses(wire: Any) -> tuple[int, ...]:
    if not isinstance(wire, list):
        return ()
    return tuple(number for number in wire if isinstance(number, int) and not isinstance(number, bool))


def _text(wire: object) -> str | None:
    return wire if isinstance(wire, str) and wire else None


def _message(wire: object) -> str | None:
    return _text(wire.get("content")) if isinstance(wire, Mapping) else None


HANDLERS: Mapping[str, Handler] = {"ClearCache": clear_cache}
