"""`station.core.commands`: remote start and stop, settings, triggers; every refusal has a reason of the OCA's list."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from hal.api import Fault, FaultCode, PilotState
from station.core import commands
from station.core.effects import SettingChanged
from station.core.events import (
    ChangeAvailability,
    ClearCache,
    Event,
    RemoteStart,
    RemoteStop,
    Reset,
    SaveFailed,
    SetVariables,
    TriggerMeterValues,
    TriggerStatus,
    TriggerTransaction,
    Unlock,
    VariableWrite,
)
from station.core.types import ChargingState, EvseInfo, IdToken, ResetKind, StopReason, Verdict
from tests.core.rig import Rig

CARD = IdToken("04A1B2C3")
REASONS = Path(__file__).parents[3] / "shared" / "vectors" / "appendices" / "2.0.1-v1.4" / "reason_codes.csv"


def start(rig: Rig, evse: int | None = 1, **more: object) -> Verdict:
    return rig.command(lambda ref: RemoteStart(ref, CARD, remote_start_id=7, evse=evse, **more))  # type: ignore[arg-type] # test helper


# --- remote start -------------------------------------------------------------------------------------------------------


def busy(rig: Rig) -> None:
    rig.charge()


def stopped(rig: Rig) -> None:
    """Its transaction goes on (TxStopPoint), but it was authorised before."""
    rig.charge()
    rig.swipe()


def faulted(rig: Rig) -> None:
    rig.send(Fault(1, FaultCode.GROUND_FAILURE, True))


def unavailable(rig: Rig) -> None:
    rig.command(lambda ref: ChangeAvailability(ref, False, 1))


def restarting(rig: Rig) -> None:
    rig.charge()
    rig.command(lambda ref: Reset(ref, ResetKind.ON_IDLE))


def diskless(rig: Rig) -> None:
    rig.send(SaveFailed("full"))


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (busy, "TxInProgress"),
        (stopped, "TxInProgress"),
        (faulted, "InternalError"),
        (unavailable, "NotEnabled"),
        (restarting, "Unspecified"),
        (diskless, "InternalError"),
    ],
)
@pytest.mark.parametrize("evse", [1, None])
def test_remote_start_refused(prepare: Callable[[Rig], None], reason: str, evse: int | None) -> None:
    """F01.FR.21-24, F02.FR.25, FR.26, TC_026."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EVConnected"})
    prepare(rig)
    before = len(rig.facts)
    verdict = start(rig, evse)
    assert (verdict.status, verdict.reason) == ("Rejected", reason)
    assert len(rig.facts) == before


def test_remote_start_refusals_of_its_content() -> None:
    rig = Rig(overrides={"AuthCtrlr.MasterPassGroupId": "POLICE"})
    assert start(rig, 9).reason == "UnknownEvse"
    assert start(rig, 1, group=IdToken("police")).reason == "InvalidIdToken"  # C16.FR.03
    assert start(rig).status == "Accepted"


def test_remote_start_before_the_csms_accepted_us() -> None:
    rig = Rig(online=False, overrides={"TxCtrlr.TxBeforeAcceptedEnabled": "false"})
    assert start(rig).reason == "CSNotAccepted"


def test_the_station_chooses_where_a_vehicle_waits() -> None:
    """F02.FR.22."""
    rig = Rig(evses=3)
    rig.charge(1, "0BADCAFE")
    rig.plug(3)
    assert start(rig, None).status == "Accepted"
    assert rig.station.view(rig.now()).evse(3).authorized


def test_the_first_fact_after_a_remote_start_says_so() -> None:
    """F02.FR.21: also when it is the cable that starts the transaction."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "EVConnected"})
    start(rig)
    assert rig.facts == []
    rig.plug()
    assert rig.story()[0] == ("Started", "RemoteStart")
    assert (rig.facts[0].remote_start_id, rig.facts[0].token) == (7, CARD)
    assert rig.facts[0].charging_state is ChargingState.EV_CONNECTED
    assert rig.station.view(rig.now()).evse(1).transaction.remote_start_id == 7  # type: ignore[union-attr] # it runs


@pytest.mark.parametrize("authorize", ["true", "false"])
def test_authorize_remote_start(authorize: str) -> None:
    """TC_F_02, TC_F_03, TC_023_5."""
    from station.core.types import AuthStatus, TokenInfo

    rig = Rig(overrides={"AuthCtrlr.AuthorizeRemoteStart": authorize})
    rig.answers = lambda _token: TokenInfo(AuthStatus.INVALID)
    assert start(rig).status == "Accepted"
    assert bool(rig.asked()) is (authorize == "true")
    assert rig.station.view(rig.now()).evse(1).authorized is (authorize == "false")


# --- remote stop --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "phase"), [("Authorized", "Ended"), ("PowerPathClosed", "Ended"), ("EVConnected", "Updated")]
)
@pytest.mark.parametrize("authorized", [True, False])
def test_remote_stop(points: str, phase: str, authorized: bool) -> None:
    """F03.FR.02, FR.03, TC_F_08, TC_E_21, TC_E_35: also of a transaction that nobody was authorised for yet."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": points})
    if authorized:
        rig.charge()
    else:
        rig.plug()
    assert rig.command(lambda ref: RemoteStop(ref, "tx-1-1")).status == "Accepted"
    assert rig.story()[-1] == (phase, "RemoteStop")
    assert not rig.closed[1]
    if phase == "Updated":
        rig.unplug()
        assert rig.last.phase.value == "Ended"
    assert rig.last.stop_reason is StopReason.REMOTE


def test_remote_stop_of_a_stranger() -> None:
    """TC_F_09, TC_028."""
    rig = Rig()
    rig.charge()
    verdict = rig.command(lambda ref: RemoteStop(ref, "tx-9"))
    assert (verdict.status, verdict.reason) == ("Rejected", "TxNotFound")
    assert rig.closed[1]


# --- settings -----------------------------------------------------------------------------------------------------------


def test_settings_are_saved_announced_and_obeyed() -> None:
    """TC_B_09, TC_B_10: every item for itself."""
    rig = Rig()
    rig.charge()
    writes = (
        VariableWrite("sampleddatactrlr", "txupdatedinterval", "10"),
        VariableWrite("Nowhere", "Nothing", "1"),
        VariableWrite("TxCtrlr", "EVConnectionTimeOut", "minus"),
    )
    verdict = rig.command(lambda ref: SetVariables(ref, writes))
    results = verdict.data["results"]
    assert [r.status for r in results] == ["Accepted", "UnknownComponent", "Rejected"]  # type: ignore[attr-defined] # a list of WriteResult
    assert rig.rows["variable"] == {"SampledDataCtrlr.TxUpdatedInterval": {"value": "10"}}
    assert SettingChanged("SampledDataCtrlr", "TxUpdatedInterval") in rig.effects
    before = len(rig.facts)
    rig.wait(31)
    assert [t for _, t in rig.story()[before:]] == ["MeterValuePeriodic"] * 3


def test_a_new_password_is_logged_without_its_value() -> None:
    """A01: ReconfigurationOfSecurityParameters goes to the security log, not to the CSMS."""
    rig = Rig()
    write = VariableWrite("SecurityCtrlr", "BasicAuthPassword", "correct-horse-battery")
    rig.command(lambda ref: SetVariables(ref, (write,)))
    logged = rig.rows["security_log"][max(rig.rows["security_log"])]
    assert (logged["kind"], logged["info"]) == ("ReconfigurationOfSecurityParameters", "BasicAuthPassword")
    assert [s.kind for s in rig.security] == ["StartupOfTheDevice"]


def test_clear_cache() -> None:
    """TC_C_37, TC_C_38, TC_061."""
    rig = Rig()
    rig.charge()
    assert rig.rows["cache"]
    assert rig.command(ClearCache) == commands.ACCEPTED
    assert not rig.rows["cache"]
    off = Rig(overrides={"AuthCacheCtrlr.Enabled": "false"})
    assert off.command(ClearCache).reason == "NotEnabled"


# --- triggers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evse", [None, 1])
def test_trigger_status(evse: int | None) -> None:
    """TC_F_23, TC_F_24."""
    rig = Rig(evses=2)
    before = len(rig.notices(1)), len(rig.notices(2)), len(rig.notices(0))
    rig.command(lambda ref: TriggerStatus(ref, evse))
    new = len(rig.notices(1)) - before[0], len(rig.notices(2)) - before[1], len(rig.notices(0)) - before[2]
    assert new == ((1, 0, 0) if evse else (1, 1, 1))
    assert rig.notices(1)[-1].forced
    assert rig.notices(1)[-1].since == rig.notices(1)[0].since, "it did not change"


def test_trigger_meter_values_and_transaction() -> None:
    """TC_F_11-14."""
    rig = Rig(evses=2)
    rig.charge(1)
    assert rig.command(TriggerMeterValues).status == "Accepted"
    assert len([b for b in rig.notices(1) if hasattr(b, "samples")]) == 1
    assert len([b for b in rig.notices(2) if hasattr(b, "samples")]) == 1
    assert rig.command(lambda ref: TriggerTransaction(ref, 2)).reason == "TxNotFound"
    assert rig.command(TriggerTransaction).status == "Accepted"
    assert rig.story()[-1] == ("Updated", "Trigger")
    assert rig.last.samples


@pytest.mark.parametrize("meter", ["fails", "works"])
def test_what_was_promised_is_sent(meter: str) -> None:
    """F06.FR.10: with what is known, even if the meter does not answer now."""
    rig = Rig()
    rig.charge()
    rig.meter = meter
    rig.command(TriggerTransaction)
    assert rig.story()[-1] == ("Updated", "Trigger")
    assert rig.last.samples


def test_triggers_without_a_meter() -> None:
    rig = Rig(info=lambda n: EvseInfo(n, has_meter=False))
    rig.meter = "silent"
    assert rig.command(TriggerMeterValues).reason == "UnsupportedRequest"
    rig.charge()
    assert rig.command(TriggerTransaction).status == "Accepted"
    assert rig.story()[-1] == ("Updated", "Trigger")


def test_triggers_of_an_unknown_evse() -> None:
    rig = Rig()
    for make in (TriggerStatus, TriggerMeterValues):
        assert rig.command(lambda ref, m=make: m(ref, 9)).reason == "UnknownEvse"


# --- reason codes -------------------------------------------------------------------------------------------------------


def test_every_reason_is_of_the_list() -> None:
    """csms_quirks and Part 2 appendix 5: a CSMS may look the code up."""
    if not REASONS.is_file():
        pytest.skip("the OCA's list is not at hand")
    with REASONS.open(newline="") as file:
        known = {row["Reason Code"] for row in csv.DictReader(file, delimiter=";")}
    made: list[Callable[[int], Event]] = [
        lambda ref: RemoteStart(ref, CARD, evse=9),
        lambda ref: RemoteStart(ref, CARD, evse=1),
        lambda ref: RemoteStart(ref, CARD),
        lambda ref: RemoteStop(ref, "x"),
        lambda ref: Unlock(ref, 9),
        lambda ref: Unlock(ref, 1),
        lambda ref: ChangeAvailability(ref, True, 9),
        lambda ref: ChangeAvailability(ref, True, 1, 9),
        lambda ref: Reset(ref, ResetKind.SOFT, 9),
        lambda ref: TriggerStatus(ref, 9),
        lambda ref: TriggerMeterValues(ref, 1),
        TriggerTransaction,
        ClearCache,
    ]
    for prepare in (lambda rig: None, busy, faulted, unavailable, restarting, diskless):
        rig = Rig(
            info=lambda n: EvseInfo(n, has_meter=False, fixed_cable=True),
            overrides={"AuthCacheCtrlr.Enabled": "false"},
        )
        rig.meter = "silent"
        prepare(rig)
        rig.pilot(PilotState.B)
        for make in made:
            reason = rig.command(make).reason
            assert reason is None or reason in known
