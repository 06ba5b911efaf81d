"""May this token charge? A decision from what we know, or a question for the CSMS (C01-C06, C09-C12, C15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from station.clock import Now
from station.core.state import CacheEntry, Turn
from station.core.types import AuthStatus, IdToken, TokenInfo, TokenKind

CACHE_ENTRIES = 1000
# Tokens that the CSMS is never asked about and that are never cached: start button (C02.FR.01-03) and CSMS-initiated (C05.FR.01).
_SELF_SUFFICIENT = frozenset({TokenKind.NO_AUTHORIZATION, TokenKind.CENTRAL})
# A PIN is a secret and Local ids (a parking ticket) are used once: neither is worth remembering.
_NOT_CACHED = _SELF_SUFFICIENT | {TokenKind.KEY_CODE, TokenKind.LOCAL}


class Answer(Enum):
    ACCEPT = "accept"
    REFUSE = "refuse"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Decision:
    """`info` is what is known of the token when it is accepted; `why` names the source for log and display."""

    answer: Answer
    why: str
    info: TokenInfo | None = None


def decide(turn: Turn, token: IdToken, evse: int) -> Decision:
    """Decide without asking, or say that the CSMS must be asked."""
    model = turn.model
    if not model.boolean("AuthCtrlr", "Enabled"):
        return Decision(Answer.ACCEPT, "authorisation is switched off")
    if token.kind in _SELF_SUFFICIENT:
        return Decision(Answer.ACCEPT, "needs no authorisation")
    known = lookup(turn, token)
    if turn.state.online:
        # C12.FR.02: an Accepted entry saves the round trip; any other status must be confirmed by the CSMS (C12.FR.05).
        if known and model.boolean("AuthCtrlr", "LocalPreAuthorize") and usable(known, turn.now, evse):
            return Decision(Answer.ACCEPT, "authorisation cache", known)
        return Decision(Answer.ASK, "the CSMS decides")
    return _offline(turn, known, evse)


def _offline(turn: Turn, known: TokenInfo | None, evse: int) -> Decision:
    model = turn.model
    if known is not None and model.boolean("AuthCtrlr", "LocalAuthorizeOffline"):
        if usable(known, turn.now, evse):
            return Decision(Answer.ACCEPT, "authorisation cache, offline", known)
        return Decision(Answer.REFUSE, f"known as {known.status.value}")
    if model.boolean("AuthCtrlr", "OfflineTxForUnknownIdEnabled"):  # C15.FR.01
        return Decision(Answer.ACCEPT, "unknown id accepted while offline")
    return Decision(Answer.REFUSE, "offline and unknown")


def usable(info: TokenInfo, now: Now, evse: int) -> bool:
    """Accepted, not expired, and valid for this EVSE (C01.FR.19: evseId list restricts)."""
    if info.status is not AuthStatus.ACCEPTED:
        return False
    if info.expires is not None and now.trusted and now.wall >= info.expires:
        return False
    return not info.evses or evse in info.evses


def lookup(turn: Turn, token: IdToken) -> TokenInfo | None:
    """What the cache says, None when it is off, empty, or the entry outlived AuthCacheLifeTime (C10.FR.08)."""
    if not turn.model.boolean("AuthCacheCtrlr", "Enabled"):
        return None
    entry = turn.state.cache.get(token.key)
    if entry is None:
        return None
    life = turn.model.integer("AuthCacheCtrlr", "LifeTime") if _has_lifetime(turn) else 0
    if life > 0 and turn.now.wall - entry.stored > life:
        return None
    entry.used = turn.now.wall
    return entry.info


def _has_lifetime(turn: Turn) -> bool:
    return turn.model.find("AuthCacheCtrlr", "LifeTime") is not None


def remember(turn: Turn, token: IdToken, info: TokenInfo) -> None:
    """Store whatever the CSMS said of a token (C10.FR.01, FR.05), evicting the least recently used one when full."""
    if token.kind in _NOT_CACHED or not turn.model.boolean("AuthCacheCtrlr", "Enabled"):
        return
    cache = turn.state.cache
    if token.key not in cache and len(cache) >= CACHE_ENTRIES:
        oldest = min(cache, key=lambda key: cache[key].used)
        del cache[oldest]
        turn.save("cache", oldest, None)
    entry = CacheEntry(info=info, stored=turn.now.wall, used=turn.now.wall)
    cache[token.key] = entry
    turn.save("cache", token.key, entry_to_row(entry))


def forget_all(turn: Turn) -> bool:
    """ClearCache; False when the cache is off (C11.FR.03)."""
    if not turn.model.boolean("AuthCacheCtrlr", "Enabled"):
        return False
    for key in turn.state.cache:
        turn.save("cache", key, None)
    turn.state.cache.clear()
    return True


def entry_to_row(entry: CacheEntry) -> dict[str, object]:
    info = entry.info
    return {
        "status": info.status.value,
        "group": [info.group.value, info.group.kind.value] if info.group else None,
        "expires": info.expires,
        "evses": list(info.evses),
        "language": info.language,
        "stored": entry.stored,
    }


def entry_from_row(row: dict[str, object]) -> CacheEntry:
    """Inverse of `entry_to_row`. Raises KeyError, TypeError or ValueError on a row that is none."""
    group = row["group"]
    stored = float(str(row["stored"]))
    expires = row["expires"]
    evses = row["evses"]
    return CacheEntry(
        info=TokenInfo(
            status=AuthStatus(row["status"]),
            group=IdToken(str(group[0]), TokenKind(group[1])) if isinstance(group, list) else None,
            expires=None if expires is None else float(str(expires)),
            evses=tuple(int(e) for e in evses) if isinstance(evses, list) else (),
            language=None if row["language"] is None else str(row["language"]),
        ),
        stored=stored,
        used=stored,
    )


def same_group(left: IdToken | None, right: IdToken | None) -> bool:
    """Group ids compare by value alone: 1.6 knows no kinds (C09.FR.03 compares within one version)."""
    return left is not None and right is not None and left.value.casefold() == right.value.casefold()
