"""OCTT cases of block C for a 2.0.1 station: cards, groups, the authorisation cache, unknown cards offline."""

from __future__ import annotations

import pytest

from station.sim.csms import FaultKind
from tests.conformance.stage201 import (
    BLOCKED,
    CARD,
    EXPIRED,
    FAMILY,
    INVALID,
    MASTER,
    MASTER_GROUP,
    OTHER,
    SIBLING,
    STRANGER,
    Stage201,
    octt,
    token,
    trigger_pairs,
)

LOCAL = {"AuthCtrlr.LocalPreAuthorize": "true"}
STAY = {"TxCtrlr.TxStopPoint": "EVConnected"}


async def _refused_to_start(stage: Stage201, card: str) -> None:
    """Plugged in, this card is asked about and does not charge."""
    stage.plug()
    await stage.status("Occupied")
    stage.swipe(card)
    asked = await stage.told("Authorize")
    assert asked["idToken"] == token(card)  # C01.FR.02
    await stage.rest(30.0)
    assert not stage.view().authorized
    assert not stage.view().relay_closed
    assert not [event for event in stage.events() if event["triggerReason"] == "Authorized"]
    stage.unplug()


# --- cards that may not ---------------------------------------------------------------------------------------------


@octt()
async def test_tc_c_02_authorization_invalid_or_unknown(stage: Stage201) -> None:
    """No energy for a card that the CSMS calls Invalid or Unknown."""
    await _refused_to_start(stage, INVALID)
    stage.from_now()
    await stage.rest(5.0)
    await _refused_to_start(stage, STRANGER)


@octt()
async def test_tc_c_05_authorization_invalid_cable_lock(stage: Stage201) -> None:
    """Whoever is not authorised gets the cable back: it is not held."""
    stage.plug()
    await stage.status("Occupied")
    stage.swipe(INVALID)
    await stage.told("Authorize")
    await stage.rest(2.0)
    await stage.leave()
    await stage.status("Available")


@octt()
async def test_tc_c_06_authorization_blocked(stage: Stage201) -> None:
    """No energy for a blocked card."""
    await _refused_to_start(stage, BLOCKED)


@octt()
async def test_tc_c_07_authorization_expired(stage: Stage201) -> None:
    """No energy for an expired card."""
    await _refused_to_start(stage, EXPIRED)


@octt()
async def test_tc_c_56_authorization_unknown(stage: Stage201) -> None:
    """No energy for a card that nobody knows."""
    await _refused_to_start(stage, STRANGER)


# --- stopping with another card, groups -----------------------------------------------------------------------------


@octt()
async def test_tc_c_04_stop_with_different_id_token(stage: Stage201) -> None:
    """Another valid card does not stop the session; the one that started it does, without asking (C01.FR.03)."""
    await stage.charging()
    stage.from_now()
    stage.swipe(OTHER)
    assert (await stage.told("Authorize"))["idToken"] == token(OTHER)
    await stage.rest(10.0)
    assert trigger_pairs(stage.events()) == []
    assert stage.view().relay_closed
    stage.from_now()
    stage.swipe(CARD)
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["transactionInfo"].get("stoppedReason", "Local") == "Local"
    assert stage.calls("Authorize") == []


@octt({"AuthCacheCtrlr.Enabled": "false"})
async def test_tc_c_39_group_id_success(stage: Stage201) -> None:
    """A card of the same group stops the session once the CSMS has said so (C09.FR.03, FR.05)."""
    stage.csms.policy.learn(CARD, group=FAMILY)
    await stage.charging()
    stage.from_now()
    stage.swipe(SIBLING)
    assert (await stage.told("Authorize"))["idToken"] == token(SIBLING)
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["idToken"] == token(SIBLING)
    assert end["transactionInfo"].get("stoppedReason", "Local") == "Local"


@octt(LOCAL)
async def test_tc_c_41_group_id_success_with_cache(stage: Stage201) -> None:
    """A cached card of the same group stops the session without a question (C09.FR.07)."""
    stage.csms.policy.learn(CARD, group=FAMILY)
    await stage.cached(SIBLING)
    await stage.charging()
    stage.from_now()
    stage.swipe(SIBLING)
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["idToken"] == token(SIBLING)
    assert stage.calls("Authorize") == []


@octt({"AuthCacheCtrlr.Enabled": "false"})
async def test_tc_c_42_not_stopped_by_other_group(stage: Stage201) -> None:
    """A valid card of another group does not stop it (C09.FR.11)."""
    stage.csms.policy.learn(CARD, group=FAMILY)
    stage.csms.policy.learn(OTHER, group="FAMILY-2")
    await stage.charging()
    stage.from_now()
    stage.swipe(OTHER)
    await stage.told("Authorize")
    await stage.rest(10.0)
    assert trigger_pairs(stage.events()) == []
    assert stage.view().relay_closed


@octt(LOCAL)
async def test_tc_c_44_group_id_invalid_status_with_cache(stage: Stage201) -> None:
    """A card of the group that the cache knows as refused is asked about, and does not stop it."""
    stage.csms.policy.learn(CARD, group=FAMILY)
    stage.csms.policy.learn(SIBLING, status="Invalid")
    await stage.cached(SIBLING)
    await stage.charging()
    stage.from_now()
    stage.swipe(SIBLING)
    assert (await stage.told("Authorize"))["idToken"] == token(SIBLING)
    await stage.rest(10.0)
    assert trigger_pairs(stage.events()) == []
    assert stage.view().relay_closed


@octt({"AuthCtrlr.MasterPassGroupId": MASTER_GROUP})
async def test_tc_c_45_master_pass_starts_nothing(stage: Stage201) -> None:
    """A card of the master-pass group may not start a transaction, however valid (C16.FR.03)."""
    await _refused_to_start(stage, MASTER)


# --- unknown cards, offline -----------------------------------------------------------------------------------------


@octt({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true", "TxCtrlr.StopTxOnInvalidId": "true"})
async def test_tc_c_26_offline_authorization_unknown_id(stage: Stage201) -> None:
    """Unknown and offline it may start; back online and refused it is deauthorised, and was not cached before (C15)."""
    await stage.offline()
    stage.plug()
    await stage.authorized(STRANGER)
    await stage.until(lambda: stage.view().relay_closed, "energy")
    stage.from_now()
    await stage.online()
    started = await stage.event("Authorized")
    assert started["idToken"] == token(STRANGER)
    assert started["offline"] is True
    end = await stage.event("Deauthorized")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert not stage.view().relay_closed


@octt({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "false"})
async def test_tc_c_26_offline_unknown_id_not_allowed(stage: Stage201) -> None:
    """Where it is not allowed, an unknown card does not start."""
    await stage.offline()
    stage.plug()
    await stage.rest(1.0)
    stage.swipe(STRANGER)
    await stage.rest(10.0)
    assert not stage.view().authorized


# --- what goes into the cache ---------------------------------------------------------------------------------------


async def _starts_without_asking(stage: Stage201, card: str = CARD) -> None:
    stage.from_now()
    stage.plug()
    await stage.rest(1.0)
    stage.swipe(card)
    event = await stage.event("Authorized")
    assert event["idToken"] == token(card)
    await stage.flows()
    assert stage.calls("Authorize") == []


async def _asks(stage: Stage201, card: str = CARD) -> None:
    stage.from_now()
    stage.swipe(card)
    assert (await stage.told("Authorize"))["idToken"] == token(card)


@octt(LOCAL)
async def test_tc_c_32_cache_persistent_over_reboot(stage: Stage201) -> None:
    """C10.FR.02: known before the reboot, known after it."""
    await stage.cached(CARD)
    await stage.ask("Accepted", "Reset", {"type": "Immediate"})
    await stage.booted(2)
    await _starts_without_asking(stage)


@octt(LOCAL)
async def test_tc_c_33_cache_updated_by_authorize_response(stage: Stage201) -> None:
    """C10.FR.04: what Authorize says replaces what was known."""
    stage.csms.policy.learn(CARD, status="Blocked")
    await stage.cached(CARD)
    stage.csms.policy.learn(CARD, status="Accepted")
    await _asks(stage)  # known as Blocked: C10.FR.03
    await stage.until(lambda: stage.view().authorized, "the authorisation")
    stage.swipe()
    await stage.event(kind="Ended")
    await _starts_without_asking(stage)


@octt(LOCAL)
async def test_tc_c_34_cache_updated_by_transaction_response(stage: Stage201) -> None:
    """C10.FR.05: what the answer to a TransactionEvent says replaces what was known."""
    await stage.cached(CARD)
    stage.csms.policy.learn(CARD, status="Blocked")
    stage.plug()
    await stage.rest(1.0)
    stage.swipe()
    await stage.event("Deauthorized")
    stage.swipe()  # fetches the cable
    await stage.leave()
    await stage.rest(2.0)
    await _asks(stage)
    await stage.rest(2.0)
    assert not stage.view().authorized


@octt({"AuthCtrlr.LocalPreAuthorize": "false"})
async def test_tc_c_36_no_local_pre_authorization(stage: Stage201) -> None:
    """C10.FR.11: online, a known card is asked about all the same."""
    await stage.cached(CARD)
    await _asks(stage)


@octt({**LOCAL, "AuthCacheCtrlr.LifeTime": "60"})
async def test_tc_c_46_cache_life_time(stage: Stage201) -> None:
    """C10.FR.08: an entry that outlived its time is as good as none."""
    await stage.cached(CARD)
    await stage.rest(90.0)
    await _asks(stage)


@octt(LOCAL)
async def test_tc_c_37_clear_cache_accepted(stage: Stage201) -> None:
    """C11.FR.01-03: nothing is known any more."""
    await stage.cached(CARD)
    await stage.ask("Accepted", "ClearCache")
    await _asks(stage)


@octt({**LOCAL, "AuthCacheCtrlr.Enabled": "false"})
async def test_tc_c_38_clear_cache_rejected(stage: Stage201) -> None:
    """C11.FR.04: there is no cache to clear."""
    await stage.ask("Rejected", "ClearCache")


# --- starting with the cache ----------------------------------------------------------------------------------------


@octt(LOCAL)
async def test_tc_c_08_cached_accepted(stage: Stage201) -> None:
    """C12.FR.02: a card known as Accepted starts without a question."""
    await stage.cached(CARD)
    await _starts_without_asking(stage)


@octt(LOCAL)
async def test_tc_c_09_cached_invalid_not_accepted(stage: Stage201) -> None:
    """C12.FR.05: known as Invalid it is asked about again, and still refused."""
    await stage.cached(INVALID)
    stage.from_now()
    await _refused_to_start(stage, INVALID)


@octt(LOCAL)
async def test_tc_c_12_cached_invalid_accepted(stage: Stage201) -> None:
    """C12.FR.05: known as Invalid it is asked about again, and now accepted."""
    await stage.cached(INVALID)
    stage.csms.policy.learn(INVALID, status="Accepted")
    stage.plug()
    await stage.rest(1.0)
    await _asks(stage, INVALID)
    await stage.flows()


@octt(LOCAL)
async def test_tc_c_10_cached_blocked(stage: Stage201) -> None:
    """Known as Blocked it is asked about again."""
    await stage.cached(BLOCKED)
    stage.from_now()
    await _refused_to_start(stage, BLOCKED)


@octt(LOCAL)
async def test_tc_c_11_cached_expired(stage: Stage201) -> None:
    """Known as Expired it is asked about again; so is one that was Accepted and has expired since (C10.FR.10)."""
    await stage.cached(EXPIRED)
    stage.from_now()
    await _refused_to_start(stage, EXPIRED)
    now = stage.lab.clock.now().wall
    stage.csms.policy.learn(OTHER, expires=now + 60.0)
    await stage.cached(OTHER)
    await stage.rest(60.0)
    stage.from_now()
    await _refused_to_start(stage, OTHER)


@octt(LOCAL)
async def test_tc_c_13_cached_accepted_cable_not_connected(stage: Stage201) -> None:
    """A known card authorises before the cable is there, without a question."""
    await stage.cached(CARD)
    stage.from_now()
    stage.swipe()
    await stage.event("Authorized")
    stage.plug()
    await stage.flows()
    assert stage.calls("Authorize") == []


KNOWN = {**LOCAL, "AuthCtrlr.LocalAuthorizeOffline": "true"}


async def _refused_once_online(stage: Stage201) -> float:
    """A card that the cache accepts charges offline; back online the CSMS says that it may not.

    Returns the register at that moment, in Wh.
    """
    await stage.cached(CARD)
    stage.csms.policy.learn(CARD, status="Invalid")
    stage.plug()
    await stage.rest(2.0)
    await stage.offline()
    stage.from_now()
    stage.swipe()
    await stage.until(lambda: stage.view().relay_closed, "energy")
    await stage.rest(5.0)
    await stage.online()
    event = await stage.event("Authorized")
    assert event["idToken"] == token(CARD)
    assert event["offline"] is True
    assert stage.calls("Authorize") == []
    assert (await stage.event("ChargingStateChanged", state="Charging"))["offline"] is True
    return stage.register()


@octt({**KNOWN, **STAY, "TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "500"})
async def test_tc_c_15_refused_later_with_allowance(stage: Stage201) -> None:
    """So much energy is still delivered before charging is suspended; the transaction goes on (C15.FR.07)."""
    before = await _refused_once_online(stage)
    await stage.rest(30.0)
    assert stage.view().relay_closed
    assert not [one for one in stage.events() if one["transactionInfo"]["chargingState"] == "SuspendedEVSE"]
    await stage.event(state="SuspendedEVSE", within=600.0)
    assert stage.register() - before == pytest.approx(500.0, abs=25.0)
    assert "Deauthorized" not in {event["triggerReason"] for event in stage.events()}
    assert "Ended" not in {event["eventType"] for event in stage.events()}


@octt({**KNOWN, "TxCtrlr.StopTxOnInvalidId": "true"})
async def test_tc_c_16_refused_later_stops(stage: Stage201) -> None:
    """The transaction ends at once: DeAuthorized (E05.FR.10)."""
    await _refused_once_online(stage)
    end = await stage.event("Deauthorized", kind="Ended")
    assert end["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert not stage.view().relay_closed


@octt({**KNOWN, **STAY, "TxCtrlr.StopTxOnInvalidId": "false"})
async def test_tc_c_17_refused_later_suspends(stage: Stage201) -> None:
    """Charging is suspended at once, the transaction goes on (E05.FR.02)."""
    await _refused_once_online(stage)
    await stage.event("ChargingStateChanged", state="SuspendedEVSE")
    await stage.rest(30.0)
    assert not stage.view().relay_closed
    assert "Ended" not in {event["eventType"] for event in stage.events()}


@octt({**KNOWN, "TxCtrlr.StopTxOnInvalidId": "true", "TxCtrlr.MaxEnergyOnInvalidId": "500"})
async def test_tc_c_18_refused_later_stops_despite_allowance(stage: Stage201) -> None:
    """Where the transaction is to stop there is no allowance: energy ends with the answer."""
    before = await _refused_once_online(stage)
    end = await stage.event("Deauthorized")
    assert "offline" not in end or end["offline"] is False
    assert stage.register() - before < 50.0
    assert not stage.view().relay_closed


@octt({**LOCAL, "AuthCacheCtrlr.DisablePostAuthorize": "true"})
async def test_tc_c_57_disable_post_authorize(stage: Stage201) -> None:
    """A card that the cache knows as refused is not asked about again, and does not charge."""
    await stage.cached(INVALID)
    stage.from_now()
    stage.plug()
    await stage.status("Occupied")
    stage.swipe(INVALID)
    await stage.quiet("Authorize")
    assert not stage.view().authorized


@octt({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
async def test_tc_c_26_nobody_answers(stage: Stage201) -> None:
    """A CSMS that does not answer Authorize is as good as none."""
    stage.csms.fault(FaultKind.NEVER, "Authorize")
    stage.plug()
    await stage.rest(1.0)
    stage.swipe(STRANGER)
    await stage.event("Authorized")
