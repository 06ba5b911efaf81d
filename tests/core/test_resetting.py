"""`station.core.resetting`: B11, B12, and Hard and Soft of 1.6."""

from __future__ import annotations

import pytest

from station.core import resetting
from station.core.events import Reset
from station.core.types import ResetKind, StopReason
from tests.core.rig import Rig


def reset(rig: Rig, kind: ResetKind, evse: int = 0) -> str:
    return rig.command(lambda ref: Reset(ref, kind, evse)).status


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ResetKind.ON_IDLE, "ScheduledReset"),
        (ResetKind.IMMEDIATE, "RemoteReset"),
        (ResetKind.HARD, "RemoteReset"),
        (ResetKind.SOFT, "RemoteReset"),
    ],
)
def test_without_a_transaction(kind: ResetKind, reason: str) -> None:
    """TC_B_20, TC_013, TC_014."""
    rig = Rig()
    assert reset(rig, kind) == resetting.ACCEPTED.status
    assert rig.reboots == [reason]
    assert rig.rows["station"]["boot"] == {"reason": reason}
    assert rig.security[-1].kind == "ResetOrReboot"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ResetKind.IMMEDIATE, StopReason.IMMEDIATE_RESET),
        (ResetKind.HARD, StopReason.HARD_RESET),
        (ResetKind.SOFT, StopReason.SOFT_RESET),
    ],
)
def test_with_transactions_at_once(kind: ResetKind, reason: StopReason) -> None:
    """TC_B_22, TC_015, TC_016: they end first, then comes the reboot."""
    rig = Rig(evses=2)
    rig.charge(1)
    rig.charge(2, "0BADCAFE")
    assert reset(rig, kind) == "Accepted"
    assert [(f.stop_reason, f.trigger.value) for f in rig.ended()] == [(reason, "ResetCommand")] * 2
    assert len(rig.reboots) == 1
    assert not rig.rows["tx"]


def test_on_idle_waits_for_every_transaction() -> None:
    """TC_B_21, TC_B_41; step 3a: whoever is free is out of service meanwhile."""
    rig = Rig(evses=2)
    rig.charge(1)
    assert reset(rig, ResetKind.ON_IDLE) == resetting.SCHEDULED.status
    assert rig.closed[1]
    assert rig.phases(2)[-1] == "Unavailable"
    rig.swipe("0BADCAFE", evse=2)
    assert not rig.station.view(rig.now()).evse(2).authorized
    assert rig.reboots == []
    rig.swipe()
    assert rig.reboots == ["ScheduledReset"]
    assert rig.ended()[-1].stop_reason is StopReason.LOCAL
    assert rig.reboot(cause=StopReason.REBOOT).phases(2) == ["Available"], "after the start it is in service"


def test_an_immediate_reset_overtakes_one_that_waits() -> None:
    rig = Rig()
    rig.charge()
    assert reset(rig, ResetKind.ON_IDLE) == "Scheduled"
    assert reset(rig, ResetKind.ON_IDLE) == "Scheduled"
    assert reset(rig, ResetKind.IMMEDIATE) == "Accepted"
    assert rig.last.stop_reason is StopReason.IMMEDIATE_RESET
    assert rig.reboots == ["RemoteReset"]


def test_a_second_reset_changes_nothing() -> None:
    rig = Rig()
    rig.charge()
    rig.obeys = False
    assert reset(rig, ResetKind.SOFT) == "Accepted"
    assert reset(rig, ResetKind.HARD) == "Accepted"
    rig.wait(12)
    assert [f.stop_reason for f in rig.ended()] == [StopReason.SOFT_RESET]
    assert len(rig.reboots) == 1


def test_one_evse_at_once() -> None:
    """TC_B_27, B12.FR.08: the other goes on, and nothing reboots."""
    rig = Rig(evses=2)
    rig.charge(1)
    rig.charge(2, "0BADCAFE")
    assert reset(rig, ResetKind.IMMEDIATE, 1) == "Accepted"
    assert [(f.evse, f.stop_reason) for f in rig.ended()] == [(1, StopReason.IMMEDIATE_RESET)]
    assert rig.closed == {1: False, 2: True}
    assert rig.reboots == []
    rig.swipe()
    rig.wait(3)
    assert rig.closed[1], "it can be used again"


def test_one_evse_on_idle() -> None:
    """TC_B_26, B12.FR.07: its transaction ends normally, then it starts anew."""
    rig = Rig()
    rig.charge()
    assert reset(rig, ResetKind.ON_IDLE, 1) == "Scheduled"
    assert rig.closed[1]
    rig.swipe()
    assert rig.last.stop_reason is StopReason.LOCAL
    assert rig.phases()[-1] != "Unavailable", "the reset is over"
    rig.swipe()
    rig.wait(3)
    assert rig.closed[1]


@pytest.mark.parametrize("kind", [ResetKind.ON_IDLE, ResetKind.IMMEDIATE])
def test_one_evse_without_a_transaction(kind: ResetKind) -> None:
    """TC_B_25: its hardware is told its level again."""
    rig = Rig()
    before = len(rig.effects)
    assert reset(rig, kind, 1) == "Accepted"
    assert any(type(e).__name__ == "Output" for e in rig.effects[before:])
    assert rig.reboots == []


def test_an_unknown_evse() -> None:
    rig = Rig()
    verdict = rig.command(lambda ref: Reset(ref, ResetKind.IMMEDIATE, 7))
    assert (verdict.status, verdict.reason) == ("Rejected", "UnknownEvse")


def test_whoever_waits_for_a_vehicle_is_forgotten() -> None:
    """And a time-out of before does not hit whoever comes after."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.EVConnectionTimeOut": "30"})
    rig.swipe()
    reset(rig, ResetKind.IMMEDIATE, 1)
    rig.charge()
    rig.wait(60)
    assert rig.closed[1]
