"""`station.core.unlocking`: F05, TC_F_05-07, 10, TC_017, 018, 030, 031."""

from __future__ import annotations

from hal.api import LockChanged, LockState
from station.core import unlocking
from station.core.events import Unlock
from station.core.types import EvseInfo, StopReason
from tests.core.rig import Rig


def test_no_cable_and_no_session() -> None:
    """TC_F_07, TC_017_1: out already."""
    assert Rig().command(lambda ref: Unlock(ref, 1)) == unlocking.UNLOCKED


def test_a_running_transaction_keeps_its_cable() -> None:
    """TC_F_05, F05.FR.02."""
    rig = Rig()
    rig.charge()
    assert rig.command(lambda ref: Unlock(ref, 1)).status == "OngoingAuthorizedTransaction"
    assert rig.locked[1]
    assert rig.closed[1]


def test_in_1_6_it_ends_the_transaction_first() -> None:
    """TC_018_1."""
    rig = Rig()
    rig.charge()
    assert rig.command(lambda ref: Unlock(ref, 1, stops_transaction=True)).status == "Unlocked"
    assert rig.last.stop_reason is StopReason.UNLOCK_COMMAND
    assert not rig.locked[1]


def test_unknown_connectors() -> None:
    """TC_F_10, TC_031."""
    rig = Rig()
    for evse, connector in ((2, 1), (1, 2), (1, 0)):
        assert rig.command(lambda ref, e=evse, c=connector: Unlock(ref, e, c)).status == "UnknownConnector"


def test_a_fixed_cable_has_no_lock() -> None:
    """TC_017_2, TC_018_2."""
    for info in (lambda n: EvseInfo(n, fixed_cable=True), lambda n: EvseInfo(n, has_lock=False)):
        verdict = Rig(info=info).command(lambda ref: Unlock(ref, 1))
        assert (verdict.status, verdict.reason) == ("UnlockFailed", "NotEnabled")


def kept(rig: Rig) -> None:
    """A cable that is locked and waits for its owner."""
    rig.charge()
    from hal.api import PilotState

    rig.pilot(PilotState.A)
    assert rig.locked[1]


def test_a_kept_cable_is_released() -> None:
    """TC_F_06."""
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    kept(rig)
    assert rig.command(lambda ref: Unlock(ref, 1)).status == "Unlocked"


def test_a_bolt_that_sticks_is_moved_again_and_reported() -> None:
    """TC_030: UnlockFailed within two seconds, and every further try moves the motor again."""
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    kept(rig)
    rig.obeys = False
    ref = rig.later(lambda r: Unlock(r, 1))
    level = rig.output()
    assert not level.locked
    rig.send(LockChanged(1, LockState.JAMMED))
    assert rig.replies[ref] == unlocking.FAILED
    assert rig.phases()[-1] == "Faulted"
    again = rig.later(lambda r: Unlock(r, 1))
    assert not rig.output().same_level(level), "the board sees a difference"
    assert not rig.output().locked
    rig.send(LockChanged(1, LockState.UNLOCKED))
    assert rig.replies[again].status == "Unlocked"
    assert rig.phases()[-1] != "Faulted"


def test_a_bolt_that_says_nothing() -> None:
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    kept(rig)
    rig.obeys = False
    first = rig.later(lambda r: Unlock(r, 1))
    second = rig.later(lambda r: Unlock(r, 1))
    assert rig.replies[first].status == "UnlockFailed", "asked again"
    rig.wait(unlocking.UNLOCK_WAIT_S + 0.1)
    assert unlocking.UNLOCK_WAIT_S < 2.0
    assert rig.replies[second].status == "UnlockFailed"
