"""`station.core.restore`: what a restart makes of what was saved (LAW 5)."""

from __future__ import annotations

from typing import Any

import pytest

from hal.api import PilotState, PowerFailing, ProximityChanged
from station.core import restore
from station.core.events import LinkUp, ShutdownRequested
from station.core.types import ChargingState, EvseInfo, IdToken, ReadingContext, StopReason, TxPhase
from tests.core.rig import Rig

CARD = IdToken("04A1B2C3")


def seqs(*rigs: Rig) -> list[int]:
    return [fact.seq for rig in rigs for fact in rig.facts]


def test_a_power_cut_while_charging() -> None:
    """TC_032_2: closed with the register that the meter tells now; seqNo goes on, told as offline."""
    rig = Rig()
    rig.charge()
    rig.wait(600)
    rig.register[1] += 5.0
    after = rig.reboot(online=False)
    assert [f.phase for f in after.facts] == [TxPhase.ENDED]
    assert after.last.stop_reason is StopReason.POWER_LOSS
    assert after.last.trigger.value == "AbnormalCondition"
    assert after.last.register_wh == pytest.approx(rig.register[1])
    assert after.last.offline
    assert after.last.tx_token == CARD
    assert after.last.token is None, "nobody presented a token to stop"
    assert seqs(rig, after) == list(range(len(rig.facts) + 1))
    assert not after.rows["tx"]
    assert [s.context for s in after.last.samples] == [
        ReadingContext.TRANSACTION_BEGIN,
        ReadingContext.TRANSACTION_END,
    ]
    assert after.last.seconds_charging == pytest.approx(600, abs=61), "up to the last saved row"


def test_power_that_fails_with_a_warning() -> None:
    """TC_032_1: while the capacitor lasts, the contactor opens, the last register is read, and the end is told."""
    rig = Rig()
    rig.charge()
    rig.wait(63)
    rig.send(PowerFailing())
    assert (rig.last.phase, rig.last.stop_reason) == (TxPhase.ENDED, StopReason.POWER_LOSS)
    assert rig.last.register_wh == pytest.approx(rig.register[1])
    assert rig.reboot().facts == [], "there is nothing left to close"


def test_power_that_fails_faster_than_the_meter_answers() -> None:
    """The reason is saved at once; the register that the meter shows after the cut is the end, so no energy is lost."""
    rig = Rig()
    rig.charge()
    rig.wait(60)
    rig.obeys = False
    rig.send(PowerFailing())
    assert not rig.output().permit
    assert not rig.ended()
    rig.register[1] += 7.0
    after = rig.reboot(cause=StopReason.REBOOT)
    assert after.last.stop_reason is StopReason.POWER_LOSS, "settled before the cut"
    assert after.last.register_wh == pytest.approx(after.register[1])


@pytest.mark.parametrize("shown", [0.0, 900.0])
def test_another_meter_after_the_restart_does_not_end_below_what_was_told(shown: float) -> None:
    """A register below the last one saved is another meter, or a reset one: the last one saved is the end."""
    rig = Rig()
    rig.charge()
    rig.wait(125)
    told = max(f.register_wh or 0.0 for f in rig.facts)
    rig.register[1] = shown
    after = rig.reboot()
    assert after.last.phase is TxPhase.ENDED
    assert after.last.register_wh == pytest.approx(told)
    assert [s.values[0].value for s in after.last.samples] == sorted(s.values[0].value for s in after.last.samples)
    after.charge()
    assert after.last.register_wh == pytest.approx(shown), "the next session counts on the meter that is there"


def test_a_locked_cable_waits_for_its_owner_over_a_restart() -> None:
    """E05.FR.11, E09.FR.03, 1.6 section 4.8: the owner's card frees the plug, also after a power cut."""
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.locked[1]
    after = rig.reboot()
    after.send(ProximityChanged(1, 32.0))
    assert after.output().locked
    after.swipe("0BADCAFE")
    assert after.output().locked
    after.swipe()
    assert not after.output().locked
    assert not after.rows.get("owner")


def test_a_cable_that_is_gone_after_the_restart_frees_the_evse() -> None:
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    rig.charge()
    rig.pilot(PilotState.A)
    after = rig.reboot()
    after.send(ProximityChanged(1, None))
    assert not after.output().locked
    assert not after.rows.get("owner")


def test_a_brown_out_that_passes() -> None:
    rig = Rig()
    rig.charge()
    rig.send(PowerFailing())
    rig.swipe()
    assert not rig.closed[1]
    rig.wait(11)
    rig.swipe()
    assert rig.closed[1], "whoever still runs has its supply back"


def test_restarts_before_the_meter_answers_change_nothing() -> None:
    rig = Rig()
    rig.charge()
    first = rig.reboot(cause=StopReason.POWER_LOSS, online=False, meter="silent")
    row = dict(first.rows["tx"]["1"])
    second = first.reboot(cause=StopReason.REBOOT, online=False, meter="silent")
    assert second.rows["tx"]["1"] == row
    assert not first.facts
    third = second.reboot(cause=StopReason.REBOOT, online=False)
    assert third.last.stop_reason is StopReason.POWER_LOSS, "the first cut settled the reason"
    assert third.last.at.boot == 2, "and the time"
    assert len(third.ended()) == 1


def test_a_cut_while_the_end_is_being_written_keeps_the_reason() -> None:
    rig = Rig()
    rig.charge()
    rig.obeys = False
    rig.swipe()
    assert rig.rows["tx"]["1"]["ending"]["reason"] == "Local"
    after = rig.reboot()
    assert after.last.stop_reason is StopReason.LOCAL
    assert after.last.token == CARD
    assert after.last.trigger.value == "StopAuthorized"


@pytest.mark.parametrize("meter", ["fails", "silent"])
def test_a_meter_that_does_not_answer_after_the_restart(meter: str) -> None:
    """The last register of this transaction must do, not the one saved after the transaction before."""
    rig = Rig()
    rig.charge()
    rig.wait(600)
    rig.swipe()
    rig.unplug()
    rig.charge()
    rig.wait(120)
    after = rig.reboot(online=False, meter=meter)
    after.wait(3)
    begin, end = (s.values[0].value for s in after.last.samples)
    assert end >= begin
    assert after.last.register_wh == pytest.approx(rig.register[1], abs=61)


def test_a_vehicle_that_is_still_plugged_starts_a_transaction_of_its_own() -> None:
    rig = Rig()
    rig.charge()
    after = rig.reboot(online=False)
    after.plug()
    after.pilot(PilotState.C)
    assert after.story() == [("Ended", "AbnormalCondition"), ("Started", "CablePluggedIn")]
    assert after.facts[1].tx_id != after.facts[0].tx_id
    assert after.facts[1].tx_token is None
    assert not after.closed[1], "nobody is authorised any more"
    assert after.last.charging_state is ChargingState.EV_CONNECTED


def test_a_vehicle_that_shows_up_before_the_meter_answers() -> None:
    """The new transaction waits for the old one's end."""
    rig = Rig()
    rig.charge()
    after = rig.reboot(online=False, meter="silent")
    after.plug()
    assert after.story() == []
    after.wait(3)
    assert after.story() == [("Ended", "AbnormalCondition"), ("Started", "CablePluggedIn")]


def test_asked_to_stop() -> None:
    """SIGTERM: power is forbidden, the transaction stays saved and is closed after the start."""
    rig = Rig()
    rig.charge()
    rig.wait(30)
    rig.send(ShutdownRequested())
    assert not rig.closed[1]
    assert not rig.ended()
    assert rig.rows["tx"]["1"]["tx_id"] == "tx-1-1"
    assert "shutdown" in rig.rows["station"]
    after = rig.reboot(cause=StopReason.REBOOT)
    assert after.last.stop_reason is StopReason.REBOOT


def test_cache_and_security_log_survive() -> None:
    """C10.FR.02, TC_C_32."""
    rig = Rig()
    rig.charge()
    after = rig.reboot(online=False)
    after.unplug()
    after.charge()
    assert after.closed[1]
    log = after.rows["security_log"]
    assert [row["kind"] for _, row in sorted(log.items())] == ["StartupOfTheDevice"] * 2
    assert [s.kind for s in after.security] == ["StartupOfTheDevice"]


@pytest.mark.parametrize(
    "rows",
    [
        {"cache": {"ISO14443:x": {"status": "Nonsense"}}},
        {"tx": {"1": {"tx_id": "half"}}},
        {"meter": {"1": {"wh": "many"}}},
        {"tx": {"9": {"tx_id": "of an EVSE that is gone"}}},
    ],
)
def test_rows_that_cannot_be_read_are_no_reason_not_to_start(rows: dict[str, Any]) -> None:
    rig = Rig(rows=rows)
    assert restore.restore_state.__doc__
    rig.charge()
    assert rig.closed[1]


def test_without_a_meter_it_closes_at_once() -> None:
    rig = Rig(info=lambda n: EvseInfo(n, has_meter=False))
    rig.charge()
    after = rig.reboot(online=False, meter="silent")
    assert [f.stop_reason for f in after.ended()] == [StopReason.POWER_LOSS]
    after.send(LinkUp())
    assert after.last.register_wh is None
