"""May this token charge? A decision from what we know, or a question for the CSMS (C01-C06, C09-C12, C15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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


def decide(turn: Turn, token: IdToken, evse: int, *, asked: bool = False) -> Decision:
    """Decide without asking, or say that the CSMS must be asked. `asked`: it was, and did not answer: as good as offline."""
    model = turn.model
    if not model.boolean("AuthCtrlr", "Enabled"):
        return Decision(Answer.ACCEPT, "authorisation is switched off")
    if token.kind in _SELF_SUFFICIENT:
        return Decision(Answer.ACCEPT, "needs no authorisation")
    known = lookup(turn, token)
    decision = _online(turn, known, evse) if turn.state.online and not asked else _offline(turn, known, evse)
    if decision.answer is Answer.ACCEPT and known is not None:
        touch(turn, token)
    return decision


def _online(turn: Turn, known: TokenInfo | None, evse: int) -> Decision:
    model = turn.model
    good = known is not None and usable(turn, known, evse)
    # C12.FR.02: an Accepted entry saves the round trip; any other status is checked with the CSMS (C10.FR.03, C12.FR.05).
    if good and (model.boolean("AuthCtrlr", "LocalPreAuthorize") or not may_ask(turn)):
        return Decision(Answer.ACCEPT, "authorisation cache", known)
    if known is not None and is_master(turn, known):
        return Decision(Answer.REFUSE, "a master pass starts nothing")
    if not may_ask(turn):  # TC_E_52
        return Decision(Answer.REFUSE, "not known here, and the CSMS is not asked")
    if known is not None and not good and model.boolean("AuthCacheCtrlr", "DisablePostAuthorize"):  # TC_C_57
        return Decision(Answer.REFUSE, f"known as {known.status.value}")
    return Decision(Answer.ASK, "the CSMS decides")


def _offline(turn: Turn, known: TokenInfo | None, evse: int) -> Decision:
    model = turn.model
    if known is not None:
        if not usable(turn, known, evse):
            return Decision(Answer.REFUSE, f"known as {known.status.value}, and no good here and now")
        if model.boolean("AuthCtrlr", "LocalAuthorizeOffline"):
            return Decision(Answer.ACCEPT, "authorisation cache, offline", known)
        return Decision(Answer.REFUSE, "nobody is authorised locally while offline")
    if model.boolean("AuthCtrlr", "OfflineTxForUnknownIdEnabled"):  # C15.FR.08
        return Decision(Answer.ACCEPT, "unknown id accepted while offline")
    return Decision(Answer.REFUSE, "offline and unknown")


def may_ask(turn: Turn) -> bool:
    """Whether the CSMS may be asked at all."""
    return not turn.model.boolean("AuthCtrlr", "DisableRemoteAuthorization")


def is_master(turn: Turn, info: TokenInfo) -> bool:
    return info.group is not None and is_master_group(turn, info.group)


def is_master_group(turn: Turn, group: IdToken) -> bool:
    """The group that may end transactions and never starts one (C12.FR.09, C16.FR.03)."""
    master = turn.model.text("AuthCtrlr", "MasterPassGroupId")
    return bool(master) and group.value.casefold() == master.casefold()


def usable(turn: Turn, info: TokenInfo, evse: int) -> bool:
    """Good for starting: Accepted, not expired, valid for this EVSE (C01.FR.21), and no master pass."""
    now = turn.now
    if info.status is not AuthStatus.ACCEPTED or is_master(turn, info):
        return False
    if info.expires is not None and now.trusted and now.wall >= info.expires:  # C10.FR.10, FR.13
        return False
    return not info.evses or evse in info.evses


def lookup(turn: Turn, token: IdToken) -> TokenInfo | None:
    """What the cache says, None when it is off, empty, or the entry outlived LifeTime since its last use (C10.FR.08)."""
    if token.random or not turn.model.boolean("AuthCacheCtrlr", "Enabled"):
        return None
    entry = turn.state.cache.get(token.key)
    if entry is None:
        return None
    life = turn.model.integer("AuthCacheCtrlr", "LifeTime")
    if life > 0 and entry.info.expires is None and turn.now.wall - entry.used > life:
        return None
    return entry.info


def touch(turn: Turn, token: IdToken) -> None:
    """The entry was used: its life begins anew."""
    entry = turn.state.cache[token.key]
    entry.used = turn.now.wall
    turn.save("cache", token.key, entry_to_row(entry))


def remember(turn: Turn, token: IdToken, info: TokenInfo) -> None:
    """Store whatever the CSMS said of a token (C10.FR.01, FR.04, FR.05). When full, a refused entry goes first (C10.FR.07)."""
    if token.random or token.kind in _NOT_CACHED or not turn.model.boolean("AuthCacheCtrlr", "Enabled"):
        return
    cache = turn.state.cache
    if token.key not in cache and len(cache) >= CACHE_ENTRIES:
        oldest = min(cache, key=lambda key: (cache[key].info.status is AuthStatus.ACCEPTED, cache[key].used))
        del cache[oldest]
        turn.save("cache", oldest, None)
    entry = CacheEntry(info=info, stored=turn.now.wall, used=turn.now.wall)
    cache[token.key] = entry
    turn.save("cache", token.key, entry_to_row(entry))


def forget_all(turn: Turn) -> bool:
    """ClearCache; False when the cache is off (C11.FR.04)."""
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
        "used": entry.used,
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
        used=float(str(row.get("used", stored))),
    )


def same_group(left: IdToken | None, right: IdToken | None) -> bool:
    """Group ids compare by value alone: 1.6 knows no kinds (C09.FR.03 compares within one version). Empty ones are none."""
    if left is None or right is None or not left.value:
        return False
    return left.value.casefold() == right.value.casefold()
