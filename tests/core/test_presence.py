"""`station.core.presence`: one reader for two EVSEs."""

from __future__ import annotations

from hal.api import CardPresented, KeyEntered, TokenKind
from station.core import presence
from station.core.effects import Refused
from station.core.facts import token_from_json, token_to_json
from station.core.types import AuthStatus, IdToken, TokenInfo
from tests.core.rig import Rig

FAMILY = IdToken("FAMILY")


def authorized(rig: Rig) -> list[int]:
    return [e.evse for e in rig.station.view(rig.now()).evses if e.authorized]


def test_a_card_starts_where_a_vehicle_waits() -> None:
    rig = Rig(evses=2)
    rig.plug(2)
    rig.swipe(evse=None)
    assert authorized(rig) == [2]
    rig.swipe("0BADCAFE", evse=None)
    assert authorized(rig) == [1, 2], "the next one gets the place that is free"


def test_a_card_stops_where_it_charges() -> None:
    rig = Rig(evses=2)
    rig.charge(1)
    rig.charge(2, "0BADCAFE")
    rig.swipe("0BADCAFE", evse=None)
    assert [f.evse for f in rig.ended()] == [2]
    rig.swipe(evse=None)
    assert [f.evse for f in rig.ended()] == [2, 1]


def test_a_card_of_the_group_stops_its_session_wherever_it_is() -> None:
    """C09: once as an unknown card, once from the cache."""
    rig = Rig(evses=2)
    groups = {"04A1B2C3": None, "0BADCAFE": FAMILY, "CAFE0001": FAMILY}
    rig.answers = lambda t: TokenInfo(AuthStatus.ACCEPTED, group=groups[t.value])
    rig.charge(1)
    rig.charge(2, "0BADCAFE")
    rig.swipe("CAFE0001", evse=None)
    assert [f.evse for f in rig.ended()] == [2]
    rig.unplug(2)
    rig.charge(2, "0BADCAFE")
    asked = len(rig.asked())
    rig.swipe("CAFE0001", evse=None)
    assert [f.evse for f in rig.ended()] == [2, 2]
    assert len(rig.asked()) == asked


def test_a_finished_session_with_its_cable_is_the_last_choice() -> None:
    rig = Rig(evses=2)
    rig.charge(1)
    rig.swipe()
    rig.swipe("0BADCAFE", evse=None)
    assert authorized(rig) == [2]


def test_a_pin_at_the_keypad() -> None:
    rig = Rig()
    rig.plug()
    rig.send(KeyEntered(None, "4711"))
    assert rig.asked() == [IdToken("4711", TokenKind.KEY_CODE)]


def test_an_evse_that_is_not_there() -> None:
    rig = Rig()
    before = len(rig.effects)
    rig.send(CardPresented(9, "04A1B2C3"))
    assert [type(e) for e in rig.effects[before:]] == [Refused]
    assert presence.presented.__name__ == "presented"


def test_a_made_up_identifier_is_asked_about_each_time_also_after_a_restart() -> None:
    rig = Rig(overrides={"AuthCtrlr.LocalPreAuthorize": "true"})
    rig.plug()
    rig.send(CardPresented(1, "08A1B2C3", random=True))
    assert authorized(rig) == [1]
    assert not rig.station._state.cache
    tx = rig.station._state.evses[1].tx
    assert tx is not None
    assert tx.token is not None
    assert tx.token.random
    again = token_from_json(token_to_json(tx.token))
    assert again == tx.token
    assert again is not None
    assert again.random, "the row of the transaction knows it"
    rig.send(CardPresented(1, "08A1B2C3", random=True))
    assert len(rig.ended()) == 1, "the same one ends its session"
    rig.unplug()
    rig.plug()
    asked = len(rig.asked())
    rig.send(CardPresented(1, "08A1B2C3", random=True))
    assert len(rig.asked()) == asked + 1
