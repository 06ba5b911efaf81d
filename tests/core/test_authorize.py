"""`station.core.authorize`: every way to a decision, and the cache."""

from __future__ import annotations

from typing import Any

import pytest

from hal.api import TokenKind
from station.core import authorize
from station.core.authorize import Answer
from station.core.state import CacheEntry, Turn
from station.core.types import AuthStatus, IdToken, TokenInfo
from tests.core.rig import WALL, Rig

CARD = IdToken("04A1B2C3")
GOOD = TokenInfo(AuthStatus.ACCEPTED)
BLOCKED = TokenInfo(AuthStatus.BLOCKED)
OLD = TokenInfo(AuthStatus.ACCEPTED, expires=WALL)
MASTER = TokenInfo(AuthStatus.ACCEPTED, group=IdToken("POLICE"))
ELSEWHERE = TokenInfo(AuthStatus.ACCEPTED, evses=(2,))


def turn_with(known: TokenInfo | None, *, online: bool = True, **settings: str) -> Turn:
    names = {
        "lifetime": "AuthCacheCtrlr.LifeTime",
        "cache": "AuthCacheCtrlr.Enabled",
        "post": "AuthCacheCtrlr.DisablePostAuthorize",
    }
    names |= {
        "local": "AuthCtrlr.LocalPreAuthorize",
        "offline": "AuthCtrlr.LocalAuthorizeOffline",
        "unknown": "AuthCtrlr.OfflineTxForUnknownIdEnabled",
        "deaf": "AuthCtrlr.DisableRemoteAuthorization",
        "master": "AuthCtrlr.MasterPassGroupId",
        "enabled": "AuthCtrlr.Enabled",
    }
    rig = Rig(online=online, overrides={names[name]: value for name, value in settings.items()})
    state: Any = rig.station._state
    if known is not None:
        state.cache[CARD.key] = CacheEntry(known, stored=rig.now().wall, used=rig.now().wall)
    return Turn(state, rig.now())


@pytest.mark.parametrize(
    ("known", "settings", "expected"),
    [
        (None, {}, Answer.ASK),
        (GOOD, {}, Answer.ASK),  # TC_C_36: LocalPreAuthorize false
        (GOOD, {"local": "true"}, Answer.ACCEPT),  # C12.FR.02, TC_C_08
        (GOOD, {"local": "true", "cache": "false"}, Answer.ASK),
        (BLOCKED, {"local": "true"}, Answer.ASK),  # C12.FR.05, TC_C_09
        (OLD, {"local": "true"}, Answer.ASK),  # TC_C_11
        (ELSEWHERE, {"local": "true"}, Answer.ASK),
        (BLOCKED, {"local": "true", "post": "true"}, Answer.REFUSE),  # TC_C_57
        (None, {"post": "true"}, Answer.ASK),
        (GOOD, {"deaf": "true"}, Answer.ACCEPT),
        (BLOCKED, {"deaf": "true"}, Answer.REFUSE),
        (None, {"deaf": "true"}, Answer.REFUSE),  # TC_E_52
        (MASTER, {"local": "true", "master": "police"}, Answer.REFUSE),  # C12.FR.09, TC_C_45
        (None, {"enabled": "false"}, Answer.ACCEPT),
    ],
)
def test_online(known: TokenInfo | None, settings: dict[str, str], expected: Answer) -> None:
    assert authorize.decide(turn_with(known, **settings), CARD, 1).answer is expected


@pytest.mark.parametrize(
    ("known", "settings", "expected"),
    [
        (None, {}, Answer.REFUSE),
        (None, {"unknown": "true"}, Answer.ACCEPT),  # C15.FR.08, TC_C_26
        (GOOD, {}, Answer.ACCEPT),  # TC_037_1
        (GOOD, {"offline": "false"}, Answer.REFUSE),
        (GOOD, {"offline": "false", "unknown": "true"}, Answer.REFUSE),  # it is not unknown
        (BLOCKED, {"unknown": "true"}, Answer.REFUSE),
        (OLD, {"unknown": "true"}, Answer.REFUSE),
        (ELSEWHERE, {}, Answer.REFUSE),
        (MASTER, {"master": "POLICE"}, Answer.REFUSE),
    ],
)
def test_offline(known: TokenInfo | None, settings: dict[str, str], expected: Answer) -> None:
    assert authorize.decide(turn_with(known, online=False, **settings), CARD, 1).answer is expected
    if not settings.get("deaf"):
        asked = turn_with(known, **settings)
        assert authorize.decide(asked, CARD, 1, asked=True).answer is expected, "no answer is as good as offline"


@pytest.mark.parametrize("kind", [TokenKind.CENTRAL, TokenKind.NO_AUTHORIZATION])
def test_tokens_that_nobody_is_asked_about(kind: TokenKind) -> None:
    """C02, C03.FR.01, C05."""
    turn = turn_with(None)
    assert authorize.decide(turn, IdToken("X", kind), 1).answer is Answer.ACCEPT
    authorize.remember(turn, IdToken("X", kind), GOOD)
    assert not turn.state.cache, "C02.FR.03, C03.FR.02"


def test_an_identifier_that_a_card_makes_up_is_neither_kept_nor_looked_up() -> None:
    """It names nobody: the next phone may show the one that somebody else's was accepted with."""
    made_up = IdToken(CARD.value, CARD.kind, random=True)
    turn = turn_with(GOOD, local="true")
    assert authorize.decide(turn, CARD, 1).answer is Answer.ACCEPT
    assert authorize.decide(turn, made_up, 1).answer is Answer.ASK
    offline = turn_with(GOOD, online=False)
    assert authorize.decide(offline, made_up, 1).answer is Answer.REFUSE
    empty = turn_with(None)
    authorize.remember(empty, made_up, GOOD)
    assert not empty.state.cache


def test_life_time_counts_from_the_last_use() -> None:
    """C10.FR.08, TC_C_46; an expiry of its own goes before (C10.FR.13)."""
    turn = turn_with(GOOD, local="true", lifetime="100")
    entry = turn.state.cache[CARD.key]
    entry.used -= 90
    assert authorize.decide(turn, CARD, 1).answer is Answer.ACCEPT
    assert entry.used == turn.now.wall, "used again"
    assert turn.effects, "and saved, so that a restart knows"
    entry.used -= 101
    assert authorize.decide(turn, CARD, 1).answer is Answer.ASK
    turn.state.cache[CARD.key] = CacheEntry(
        TokenInfo(AuthStatus.ACCEPTED, expires=WALL + 1e6), entry.stored, entry.used
    )
    assert authorize.lookup(turn, CARD) is not None


def test_a_full_cache_gives_up_refused_entries_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """C10.FR.07."""
    monkeypatch.setattr(authorize, "CACHE_ENTRIES", 3)
    turn = turn_with(None)
    for value, info in (("A", GOOD), ("B", BLOCKED), ("C", GOOD), ("D", GOOD)):
        authorize.remember(turn, IdToken(value), info)
    assert [authorize.lookup(turn, IdToken(v)) is not None for v in "ABCD"] == [True, False, True, True]
    turn.state.cache[IdToken("C").key].used -= 5
    authorize.remember(turn, IdToken("E"), GOOD)
    assert authorize.lookup(turn, IdToken("C")) is None, "then the least recently used"


@pytest.mark.parametrize("info", [GOOD, BLOCKED, OLD, MASTER, ELSEWHERE, TokenInfo(AuthStatus.EXPIRED, language="de")])
def test_a_cache_row_is_the_entry(info: TokenInfo) -> None:
    entry = CacheEntry(info, 5.0, 7.0)
    assert authorize.entry_from_row(authorize.entry_to_row(entry)) == entry


def test_an_older_row_has_no_last_use() -> None:
    row = authorize.entry_to_row(CacheEntry(GOOD, 5.0, 7.0))
    del row["used"]
    assert authorize.entry_from_row(row).used == 5.0


def test_groups_compare_by_value() -> None:
    assert authorize.same_group(IdToken("Fam"), IdToken("FAM", TokenKind.CENTRAL))
    assert not authorize.same_group(IdToken(""), IdToken("")), "an empty group is none"
    assert not authorize.same_group(None, None)
