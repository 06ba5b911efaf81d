"""`station.core.permission`: tokens presented, asked about, withdrawn."""

from __future__ import annotations

import pytest

from hal.api import BayChanged, ButtonPressed, PilotState
from station.core import permission
from station.core.effects import Ask, Refused
from station.core.events import Answered, LinkDown, Reset, TokenReported, Unanswered
from station.core.types import AuthStatus, ChargingState, IdToken, ResetKind, StopReason, TokenInfo
from tests.core.rig import ACCEPTED, Rig

CARD = IdToken("04A1B2C3")
FAMILY = IdToken("FAMILY")


def refusals(rig: Rig) -> list[str]:
    return [e.reason for e in rig.effects if isinstance(e, Refused)]


def test_a_different_card_does_not_stop() -> None:
    """TC_C_04: it is asked about, and then nothing happens."""
    rig = Rig()
    rig.charge()
    rig.swipe("0BADCAFE")
    assert len(rig.asked()) == 2
    assert rig.closed[1]


@pytest.mark.parametrize("status", [AuthStatus.BLOCKED, AuthStatus.ACCEPTED])
def test_the_group_stops_only_when_accepted(status: AuthStatus) -> None:
    """TC_C_39, C09.FR.11 (TC_C_42)."""
    rig = Rig()
    rig.answers = lambda t: TokenInfo(AuthStatus.ACCEPTED if t == CARD else status, group=FAMILY)
    rig.charge()
    rig.swipe("0BADCAFE")
    assert bool(rig.ended()) is (status is AuthStatus.ACCEPTED)


def test_the_group_stops_from_the_cache_without_asking() -> None:
    """TC_C_41, E07.FR.01; offline TC_E_45, E08.FR.02."""
    rig = Rig()
    rig.answers = lambda _t: TokenInfo(AuthStatus.ACCEPTED, group=FAMILY)
    rig.charge(token="0BADCAFE")
    rig.swipe("0BADCAFE")
    rig.unplug()
    rig.charge()
    rig.send(LinkDown())
    rig.swipe("0BADCAFE")
    assert len(rig.asked()) == 2
    assert rig.last.token == IdToken("0BADCAFE")
    assert rig.last.offline


def test_a_stopped_transaction_is_not_taken_over() -> None:
    """C01.FR.23."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EVConnected"})
    rig.charge()
    rig.swipe()
    rig.swipe("0BADCAFE")
    assert not rig.closed[1]
    assert "belongs to another token" in refusals(rig)[-1]
    rig.swipe()
    rig.wait(3)
    assert rig.closed[1], "its own card may go on"


def test_an_answer_that_never_comes() -> None:
    """Not even from the outlet: the EVSE is not blocked for ever."""
    rig = Rig()
    rig.answers = lambda _t: None
    rig.plug()
    rig.swipe()
    rig.swipe("0BADCAFE")
    assert refusals(rig) == ["a token is being checked"]
    rig.wait(permission.ASK_TIMEOUT_S + permission.ASK_GRACE_S + 0.1)
    assert refusals(rig)[-1] == "offline and unknown"
    rig.answers = lambda _t: ACCEPTED
    rig.swipe()
    assert rig.station.view(rig.now()).evse(1).authorized


def test_answers_that_come_late_twice_or_to_nobody() -> None:
    rig = Rig()
    rig.answers = lambda _t: None
    rig.plug()
    rig.swipe()
    ask = next(e for e in rig.effects if isinstance(e, Ask))
    rig.unplug()
    rig.send(Unanswered(ask.ask))
    before = len(rig.effects)
    for event in (Answered(ask.ask, ACCEPTED), Unanswered(ask.ask), Answered(4711, ACCEPTED)):
        rig.send(event)
    assert rig.effects[before:] == []


def test_an_answer_after_the_evse_went_out_of_service() -> None:
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "Authorized"})
    rig.answers = lambda _t: None
    rig.swipe()
    ask = next(e for e in rig.effects if isinstance(e, Ask))
    rig.send(Reset(1, ResetKind.ON_IDLE, 1))
    rig.station._state.reset = ResetKind.ON_IDLE
    rig.send(Answered(ask.ask, ACCEPTED))
    assert rig.facts == []
    assert not rig.station.view(rig.now()).evse(1).authorized


@pytest.mark.parametrize("points", ["EVConnected", "Authorized", "EnergyTransfer"])
def test_deauthorized_by_the_csms(points: str) -> None:
    """E05.FR.09, FR.10, C15.FR.03, FR.04, TC_C_16, TC_E_16."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": points})
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.INVALID)))
    ends = points != "EVConnected"
    assert rig.story()[-1] == ("Ended" if ends else "Updated", "Deauthorized")
    assert rig.last.charging_state is ChargingState.EV_CONNECTED
    assert rig.locked[1]
    rig.answers = lambda _t: TokenInfo(AuthStatus.INVALID)
    rig.swipe()
    assert not rig.locked[1], "its owner has come"
    rig.unplug()
    assert rig.ended()[-1].stop_reason is StopReason.DE_AUTHORIZED


def test_suspended_by_the_csms_is_told_as_a_charging_state() -> None:
    """E05.FR.02, TC_C_17, TC_037_2."""
    rig = Rig(overrides={"TxCtrlr.StopTxOnInvalidId": "false"})
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.INVALID)))
    assert rig.story()[-1] == ("Updated", "ChargingStateChanged")
    assert rig.last.charging_state is ChargingState.SUSPENDED_EVSE


def test_news_of_other_tokens_and_other_transactions() -> None:
    rig = Rig()
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, IdToken("0BADCAFE"), TokenInfo(AuthStatus.BLOCKED)))
    rig.send(TokenReported("tx-0", CARD, TokenInfo(AuthStatus.BLOCKED)))
    assert rig.closed[1]


@pytest.mark.parametrize(("points", "ends"), [("EVConnected", True), ("ParkingBayOccupancy", False)])
def test_no_vehicle_in_time(points: str, ends: bool) -> None:
    """F02.FR.07, FR.08, E03.FR.15, TC_E_39: ended unless the bay decides."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": points, "TxCtrlr.EVConnectionTimeOut": "20"})
    rig.send(BayChanged(1, True))
    rig.swipe()
    rig.wait(21)
    assert rig.story()[-1] == ("Ended" if ends else "Updated", "EVConnectTimeout")
    assert not rig.station.view(rig.now()).evse(1).authorized


def test_free_charging() -> None:
    """AuthCtrlr.Enabled false: plugging in is enough, and anybody stops."""
    rig = Rig(overrides={"AuthCtrlr.Enabled": "false"})
    rig.plug()
    rig.pilot(PilotState.C)
    assert rig.closed[1]
    assert rig.asked() == []
    assert rig.facts[-1].tx_token == permission.NOBODY
    rig.swipe()
    assert rig.last.stop_reason is StopReason.LOCAL
    rig.send(ButtonPressed(1))
    rig.wait(3)
    assert rig.closed[1]


def test_a_card_presented_while_the_end_is_written_belongs_to_the_next_transaction() -> None:
    """The Ended fact does not carry the token of whoever comes next."""
    rig = Rig()
    rig.charge()
    rig.obeys = False
    from station.core.events import RemoteStop

    rig.command(lambda ref: RemoteStop(ref, "tx-1-1"))
    rig.swipe("0BADCAFE")
    rig.obeys = True
    rig.wait(12)
    ended = rig.ended()[0]
    assert (ended.tx_id, ended.token, ended.tx_token) == ("tx-1-1", None, CARD)
    started = next(f for f in rig.facts if f.tx_id == "tx-1-2")
    assert (started.token, started.trigger.value) == (IdToken("0BADCAFE"), "Authorized")


def test_master_pass_starts_nothing() -> None:
    """TC_C_45, C12.FR.09."""
    rig = Rig(overrides={"AuthCtrlr.MasterPassGroupId": "POLICE"})
    rig.answers = lambda _t: TokenInfo(AuthStatus.ACCEPTED, group=IdToken("POLICE"))
    rig.plug()
    rig.swipe()
    assert not rig.station.view(rig.now()).evse(1).authorized


def test_the_csms_is_not_asked_when_it_must_not_be() -> None:
    """TC_E_52: neither to start nor to stop."""
    rig = Rig(overrides={"AuthCtrlr.DisableRemoteAuthorization": "true"})
    rig.plug()
    rig.swipe()
    rig.send(ButtonPressed(1))
    rig.swipe()
    assert rig.asked() == []
