"""Sessions as they go: `station.core.session` with `recording`, `evse` and `station`, on obedient hardware."""

from __future__ import annotations

import pytest

from hal.api import ButtonPressed, Fault, FaultCode, KeyEntered, LockState, PilotState, TokenKind
from station.core import faults, permission, recording, safety, session
from station.core.events import LinkDown, RemoteStart, RemoteStop, TokenReported
from station.core.types import AuthStatus, ChargingState, IdToken, ReadingContext, StopReason, TokenInfo, TxPhase
from tests.core.rig import ACCEPTED, Rig

CARD = IdToken("04A1B2C3")


def test_cable_first_charges_and_stops_with_the_same_card() -> None:
    """E02, E07, C01.FR.03; TC_E_03: one Authorize only."""
    rig = Rig()
    rig.plug()
    assert rig.story() == [("Started", "CablePluggedIn")]
    rig.swipe()
    rig.pilot(PilotState.C)
    rig.wait(3600)
    rig.swipe()
    assert rig.story()[:3] == [
        ("Started", "CablePluggedIn"),
        ("Updated", "Authorized"),
        ("Updated", "ChargingStateChanged"),
    ]
    assert rig.story()[-1] == ("Ended", "StopAuthorized")
    assert rig.last.stop_reason is StopReason.LOCAL
    assert rig.last.token == CARD
    assert rig.asked() == [CARD]
    assert rig.last.register_wh == pytest.approx(1000 + 3600)
    assert rig.last.seconds_charging == pytest.approx(3600)
    assert [f.seq for f in rig.facts] == list(range(len(rig.facts)))
    assert {f.tx_id for f in rig.facts} == {"tx-1-1"}


def test_the_final_register_is_read_after_power_is_off() -> None:
    """The Ended fact holds the register read once the contactor had opened, not the last periodic one."""
    rig = Rig()
    rig.charge()
    rig.wait(90)
    rig.obeys = False
    rig.swipe()
    rig.pilot(PilotState.B)
    assert not rig.output().permit
    assert not rig.ended(), "power is still on: the last reading is awaited"
    rig.wait(0.5)
    rig.register[1] = 1095.0
    rig.closed[1] = False
    from hal.api import PowerPathChanged

    rig.send(PowerPathChanged(1, False))
    assert rig.last.phase is TxPhase.ENDED
    assert rig.last.register_wh == pytest.approx(1095.0)


@pytest.mark.parametrize("silent", ["relay", "meter"])
def test_the_end_never_waits_long(silent: str) -> None:
    rig = Rig()
    rig.charge()
    rig.wait(10)
    rig.obeys = False
    rig.meter = "silent" if silent == "meter" else "works"
    rig.swipe()
    rig.wait(safety.LET_GO_S + session.OPEN_WAIT_S + session.FINAL_READING_WAIT_S + 0.1)
    assert rig.last.phase is TxPhase.ENDED


def test_card_first_then_cable() -> None:
    """E03; TC_E_04: the transaction starts at Authorized, the cable is an update."""
    rig = Rig()
    rig.swipe()
    assert rig.story() == [("Started", "Authorized")]
    assert rig.last.token == CARD
    assert rig.last.charging_state is ChargingState.IDLE
    rig.plug()
    assert rig.story()[1] == ("Updated", "CablePluggedIn")
    assert rig.last.charging_state is ChargingState.EV_CONNECTED
    rig.pilot(PilotState.C)
    assert rig.last.charging_state is ChargingState.CHARGING


def test_no_cable_in_time() -> None:
    """E03.FR.05; TC_E_38: EVConnectionTimeOut ends the transaction with Timeout."""
    rig = Rig(overrides={"TxCtrlr.EVConnectionTimeOut": "30"})
    rig.swipe()
    rig.wait(29)
    assert rig.story() == [("Started", "Authorized")]
    rig.wait(2)
    assert rig.story()[-1] == ("Ended", "EVConnectTimeout")
    assert rig.last.stop_reason is StopReason.TIMEOUT
    assert rig.phases() == ["Available", "Preparing", "Available"]


@pytest.mark.parametrize(
    ("points", "story"),
    [
        (
            "EVConnected",
            [("Started", "CablePluggedIn"), ("Updated", "Authorized"), ("Updated", "ChargingStateChanged")],
        ),
        ("Authorized", [("Started", "Authorized"), ("Updated", "ChargingStateChanged")]),
        ("PowerPathClosed", [("Started", "Authorized"), ("Updated", "ChargingStateChanged")]),
        ("EnergyTransfer", [("Started", "ChargingStateChanged")]),
        ("ParkingBayOccupancy,EnergyTransfer", [("Started", "ChargingStateChanged")]),
    ],
)
def test_start_points(points: str, story: list[tuple[str, str]]) -> None:
    """E01.FR.01-06, TC_E_01, 02, 09-13: cable first."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": points})
    rig.charge()
    assert rig.story() == story
    with_token = [f for f in rig.facts if f.token is not None]
    assert [f.token for f in with_token] == [CARD], "the id is told once, in the first fact that can (E01.FR.18)"


def test_parking_bay_starts_and_stops() -> None:
    """TC_E_09, TC_E_35."""
    from hal.api import BayChanged

    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "ParkingBayOccupancy", "TxCtrlr.TxStopPoint": "ParkingBayOccupancy"})
    rig.send(BayChanged(1, True))
    rig.charge()
    rig.swipe()
    rig.unplug()
    assert rig.story()[0] == ("Started", "EVDetected")
    assert not rig.ended()
    rig.send(BayChanged(1, False))
    assert rig.story()[-1] == ("Ended", "EVDeparted")
    assert rig.last.stop_reason is StopReason.LOCAL, "the reason settled when the driver stopped"


def test_stop_point_ev_connected_goes_on_after_the_card() -> None:
    """E07.FR.05: with TxStopPoint EVConnected the card stops energy, the cable ends the transaction."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EVConnected"})
    rig.charge()
    rig.swipe()
    assert rig.story()[-1] == ("Updated", "StopAuthorized")
    assert rig.last.charging_state is ChargingState.EV_CONNECTED
    assert not rig.closed[1]
    assert not rig.locked[1]
    rig.unplug()
    assert rig.story()[-1] == ("Ended", "EVCommunicationLost")
    assert rig.last.stop_reason is StopReason.LOCAL


def test_stop_point_energy_transfer_ends_when_the_car_pauses() -> None:
    """E15, TC_E_46: StoppedByEV."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EnergyTransfer"})
    rig.charge()
    rig.pilot(PilotState.B)
    assert rig.last.phase is TxPhase.ENDED
    assert rig.last.stop_reason is StopReason.STOPPED_BY_EV


def test_a_second_session_needs_a_new_rise() -> None:
    """After a local stop with the cable still in, no new transaction starts by itself; the card starts one."""
    rig = Rig()
    rig.charge()
    rig.swipe()
    rig.wait(60)
    assert rig.story().count(("Started", "CablePluggedIn")) == 1
    rig.swipe()
    assert rig.story()[-2:] == [("Started", "Authorized"), ("Updated", "ChargingStateChanged")]
    assert rig.last.tx_id == "tx-1-2"


def test_swiping_while_the_end_is_being_written_starts_anew() -> None:
    rig = Rig()
    rig.charge()
    rig.obeys = False
    rig.swipe()
    rig.swipe()
    rig.obeys = True
    rig.wait(12)
    assert [f.stop_reason for f in rig.ended()] == [StopReason.LOCAL]
    assert rig.last.tx_id == "tx-1-2"


def test_ev_side_disconnect_stops() -> None:
    """E09, TC_E_24, TC_005_1: StopTxOnEVSideDisconnect true, unlock true."""
    rig = Rig()
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.story()[-1] == ("Ended", "EVCommunicationLost")
    assert rig.last.stop_reason is StopReason.EV_DISCONNECTED
    assert not rig.locked[1]
    assert rig.phases()[-1] == "Finishing", "the cable is still in the socket"


def test_ev_side_disconnect_keeps_the_cable_until_its_owner_comes() -> None:
    """E09.FR.04, TC_E_25, TC_005_2: UnlockOnEVSideDisconnect false."""
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.ended()
    assert rig.locked[1]
    rig.swipe("0BADCAFE")
    assert rig.locked[1]
    rig.swipe()
    assert not rig.locked[1]


def test_ev_side_disconnect_waits_for_the_car() -> None:
    """E10, TC_E_26, TC_005_3: the transaction goes on, locked, and resumes with the car."""
    rig = Rig(overrides={"TxCtrlr.StopTxOnEVSideDisconnect": "false", "TxCtrlr.TxStopPoint": "Authorized"})
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.story()[-1] == ("Updated", "EVCommunicationLost")
    assert rig.last.charging_state is ChargingState.IDLE
    assert rig.locked[1]
    assert not rig.closed[1]
    assert rig.phases()[-1] == "SuspendedEV"
    rig.pilot(PilotState.B)
    rig.pilot(PilotState.C)
    assert rig.closed[1]
    assert not rig.ended()


def test_plugging_in_and_leaving_is_an_ended_transaction_without_a_token() -> None:
    rig = Rig()
    rig.plug()
    rig.unplug()
    assert rig.story() == [("Started", "CablePluggedIn"), ("Ended", "EVCommunicationLost")]
    assert rig.last.stop_reason is StopReason.EV_DISCONNECTED
    assert not rig.last.authorized


def test_refused_card_gives_no_energy() -> None:
    """C01.FR.02, TC_C_02."""
    rig = Rig()
    rig.answers = lambda _token: TokenInfo(AuthStatus.INVALID)
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    assert not rig.closed[1]
    assert rig.story() == [("Started", "CablePluggedIn")]


def test_a_card_for_another_evse_is_refused() -> None:
    """C01.FR.19: idTokenInfo.evseId restricts."""
    rig = Rig(evses=2)
    rig.answers = lambda _token: TokenInfo(AuthStatus.ACCEPTED, evses=(2,))
    rig.plug(1)
    rig.swipe(evse=1)
    assert not rig.station.view(rig.now()).evse(1).authorized


def test_group_may_stop() -> None:
    """C09.FR.03-07, TC_C_39: another token of the same group, asked about first."""
    family = IdToken("FAMILY", TokenKind.CENTRAL)
    rig = Rig()
    rig.answers = lambda token: TokenInfo(AuthStatus.ACCEPTED, group=None if token.value == "STRANGER" else family)
    rig.charge()
    rig.swipe("STRANGER")
    assert not rig.ended()
    rig.swipe("0BADCAFE")
    assert rig.last.stop_reason is StopReason.LOCAL
    assert rig.last.token == IdToken("0BADCAFE")
    assert len(rig.asked()) == 3


def test_invalid_after_start_ends_and_keeps_the_cable() -> None:
    """E05.FR.10, TC_E_52: StopTxOnInvalidId true."""
    rig = Rig()
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.BLOCKED)))
    assert rig.story()[-1] == ("Ended", "Deauthorized")
    assert rig.last.stop_reason is StopReason.DE_AUTHORIZED
    assert rig.locked[1]
    rig.swipe()
    assert not rig.locked[1]


def test_invalid_after_start_suspends_when_it_may_not_stop() -> None:
    """E05.FR.02: StopTxOnInvalidId false, no allowance."""
    rig = Rig(overrides={"TxCtrlr.StopTxOnInvalidId": "false"})
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.INVALID)))
    assert not rig.ended()
    assert not rig.closed[1]
    assert rig.last.charging_state is ChargingState.SUSPENDED_EVSE
    rig.swipe()
    assert rig.last.phase is TxPhase.ENDED


def test_max_energy_on_invalid_id() -> None:
    """E05.FR.03: the allowance is delivered, then power goes off."""
    rig = Rig(overrides={"TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "500"})
    first = rig.charge()
    rig.wait(100)
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.INVALID)))
    at_invalid = rig.register[1]
    assert rig.closed[1]
    rig.wait(3600)
    assert not rig.closed[1]
    delivered = rig.register[1] - at_invalid
    assert 500 <= delivered <= 500 + 2 * 5, "at most one polling interval more"


def test_offline_unknown_id_is_refused_unless_allowed() -> None:
    """C15, TC_C_26."""
    for allowed in (False, True):
        rig = Rig(online=False, overrides={"AuthCtrlr.OfflineTxForUnknownIdEnabled": str(allowed).lower()})
        rig.plug()
        rig.swipe()
        rig.pilot(PilotState.C)
        assert rig.closed[1] is allowed
        assert all(f.offline for f in rig.facts)


def test_offline_start_from_the_cache() -> None:
    """C12.FR.01, TC_C_08: a card seen before charges without a CSMS."""
    rig = Rig()
    rig.charge()
    rig.swipe()
    rig.unplug()
    rig.send(LinkDown())
    rig.charge()
    assert rig.last.offline
    assert len(rig.asked()) == 1


def test_unanswered_question_falls_back_to_offline_rules() -> None:
    from station.core.effects import Ask
    from station.core.events import Unanswered

    rig = Rig(overrides={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.answers = lambda _token: None
    rig.plug()
    rig.swipe()
    assert not rig.station.view(rig.now()).evse(1).authorized
    ask = next(e for e in rig.effects if isinstance(e, Ask))
    rig.send(Unanswered(ask.ask))
    assert rig.station.view(rig.now()).evse(1).authorized
    assert rig.station.view(rig.now()).online, "one lost answer does not make the station offline"


def test_start_button() -> None:
    """C02: no Authorize, not cached, pressed again it stops."""
    rig = Rig()
    rig.plug()
    rig.send(ButtonPressed(1))
    rig.pilot(PilotState.C)
    assert rig.closed[1]
    assert rig.asked() == []
    rig.send(ButtonPressed(1))
    assert rig.last.stop_reason is StopReason.LOCAL
    assert "cache" not in rig.rows


def test_pin_is_asked_and_never_kept() -> None:
    """C04.FR.02-06: KeyCode, never cached, never in a representation."""
    rig = Rig()
    rig.plug()
    rig.send(KeyEntered(1, "4711"))
    assert rig.asked() == [IdToken("4711", TokenKind.KEY_CODE)]
    assert not rig.rows.get("cache")
    assert "4711" not in repr(KeyEntered(1, "4711"))


def test_remote_start_cable_first_and_remote_stop() -> None:
    """F01, F03, TC_F_01, TC_F_08."""
    rig = Rig()
    rig.plug()
    verdict = rig.command(lambda ref: RemoteStart(ref, CARD, remote_start_id=77, evse=1))
    assert verdict.status == "Accepted"
    assert verdict.data["transactionId"] == "tx-1-1"
    started = next(f for f in rig.facts if f.remote_start_id == 77)
    assert (started.phase.value, started.trigger.value) == ("Updated", "RemoteStart")
    rig.pilot(PilotState.C)
    assert rig.closed[1]
    assert rig.command(lambda ref: RemoteStop(ref, "nonsense")).status == "Rejected"
    assert rig.command(lambda ref: RemoteStop(ref, "tx-1-1")).status == "Accepted"
    assert (rig.last.trigger.value, rig.last.stop_reason) == ("RemoteStop", StopReason.REMOTE)


def test_remote_start_first_times_out() -> None:
    """F02, TC_F_04, TC_011_2."""
    rig = Rig()
    assert rig.command(lambda ref: RemoteStart(ref, CARD, remote_start_id=5)).status == "Accepted"
    assert rig.facts[0].remote_start_id == 5
    rig.wait(61)
    assert rig.last.stop_reason is StopReason.TIMEOUT


@pytest.mark.parametrize("central", [True, False])
def test_remote_start_asks_only_when_it_should(central: bool) -> None:
    """C05.FR.01: a Central token is never asked about; F01.FR.01: others are, with AuthorizeRemoteStart."""
    rig = Rig()
    rig.plug()
    token = IdToken("CALLCENTER", TokenKind.CENTRAL) if central else CARD
    rig.command(lambda ref: RemoteStart(ref, token, remote_start_id=1, evse=1))
    assert (rig.asked() == []) is central
    assert rig.station.view(rig.now()).evse(1).authorized


def test_lock_failure_forbids_energy() -> None:
    """G05.FR.02, TC_024: no charging without a confirmed lock."""
    rig = Rig()
    rig.lock_works = False
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    assert not rig.closed[1]
    assert rig.phases()[-1] == "Faulted"
    view = rig.station.view(rig.now()).evse(1)
    assert view.faults == (FaultCode.CONNECTOR_LOCK_FAILURE,)
    assert view.lock is LockState.JAMMED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (FaultCode.EMERGENCY_STOP, StopReason.EMERGENCY_STOP),
        (FaultCode.GROUND_FAILURE, StopReason.GROUND_FAULT),
        (FaultCode.OVER_CURRENT_FAILURE, StopReason.OVERCURRENT_FAULT),
    ],
)
def test_grave_faults_end(code: FaultCode, reason: StopReason) -> None:
    rig = Rig()
    rig.charge()
    rig.send(Fault(1, code, True, "test"))
    assert not rig.closed[1]
    assert rig.last.stop_reason is reason
    assert rig.last.trigger.value == "AbnormalCondition"
    assert rig.phases()[-1] == "Faulted"
    rig.send(Fault(1, code, False))
    if faults.POLICY[code].recovery is faults.Recovery.UNPLUG:
        assert rig.phases()[-1] == "Faulted", "until the vehicle is unplugged"
        rig.unplug()
        assert rig.phases()[-1] == "Available"
        return
    assert rig.phases()[-1] in ("Finishing", "Preparing")


def test_a_passing_fault_suspends_and_resumes() -> None:
    """E.g. over-temperature: same transaction, SuspendedEVSE, then on."""
    rig = Rig()
    rig.charge()
    rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, True, "75 C"))
    assert not rig.closed[1]
    assert rig.last.charging_state is ChargingState.SUSPENDED_EVSE
    rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, False))
    rig.wait(safety.ERROR_WAIT_S - 1)
    assert not rig.closed[1], "the contactor is spared"
    rig.wait(1)
    assert rig.closed[1]
    assert not rig.ended()


def test_a_fault_of_the_station_stops_every_evse() -> None:
    rig = Rig(evses=2)
    rig.charge(1)
    rig.charge(2, "0BADCAFE")
    rig.send(Fault(0, FaultCode.EMERGENCY_STOP, True))
    assert rig.closed == {1: False, 2: False}
    assert {f.evse for f in rig.ended()} == {1, 2}


def test_car_pauses_and_resumes() -> None:
    rig = Rig()
    rig.charge()
    rig.pilot(PilotState.B)
    assert rig.last.charging_state is ChargingState.SUSPENDED_EV
    assert rig.phases()[-1] == "SuspendedEV"
    rig.pilot(PilotState.C)
    assert rig.last.charging_state is ChargingState.CHARGING


def test_a_slow_car_is_the_one_that_pauses() -> None:
    rig = Rig()
    rig.plug()
    rig.swipe()
    assert rig.last.charging_state is ChargingState.EV_CONNECTED
    rig.wait(permission.EV_REACTION_S + 1)
    assert rig.last.charging_state is ChargingState.SUSPENDED_EV


def test_a_ventilated_state_needs_ventilation() -> None:
    """State D at an EVSE without ventilation gets no power (IEC 61851-1)."""
    rig = Rig()
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.D)
    assert not rig.closed[1]


def test_two_evses_at_once() -> None:
    """Concurrent transactions do not mix."""
    rig = Rig(evses=2)
    rig.charge(1, "04A1B2C3")
    rig.charge(2, "0BADCAFE")
    rig.wait(120)
    rig.swipe("0BADCAFE", evse=None)
    assert [f.evse for f in rig.ended()] == [2]
    assert rig.closed == {1: True, 2: False}
    for tx in {f.tx_id for f in rig.facts}:
        assert [f.seq for f in rig.facts if f.tx_id == tx] == list(range(sum(f.tx_id == tx for f in rig.facts)))


def test_phases_of_a_plain_session_in_the_words_of_1_6() -> None:
    rig = Rig()
    rig.charge()
    rig.swipe()
    rig.unplug()
    assert rig.phases() == ["Available", "Preparing", "Charging", "Finishing", "Available"]


def test_record_tells_remote_start_id_once() -> None:
    """`station.core.recording.record` consumes what was not reported yet."""
    assert recording.record.__doc__
    rig = Rig()
    rig.plug()
    rig.command(lambda ref: RemoteStart(ref, CARD, remote_start_id=9, evse=1))
    rig.pilot(PilotState.C)
    rig.wait(120)
    assert [f.remote_start_id for f in rig.facts].count(9) == 1


def test_ended_fact_has_begin_and_end_samples() -> None:
    """E06.FR.11: Transaction.Begin and Transaction.End in the Ended fact."""
    rig = Rig()
    rig.charge()
    rig.wait(600)
    rig.swipe()
    contexts = [s.context for s in rig.last.samples]
    assert contexts == [ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END]
    begin, end = (s.values[0].value for s in rig.last.samples)
    assert end - begin == pytest.approx(600)


def test_accepted_again_resumes() -> None:
    """A token that the CSMS first withdraws and then accepts gets energy again."""
    rig = Rig(overrides={"TxCtrlr.StopTxOnInvalidId": "false"})
    first = rig.charge()
    rig.send(TokenReported(first.tx_id, CARD, TokenInfo(AuthStatus.INVALID)))
    assert not rig.closed[1]
    rig.send(TokenReported(first.tx_id, CARD, ACCEPTED))
    rig.wait(3)
    assert rig.closed[1]
