"""OCTT cases of block E for a 2.0.1 station: transaction status, lost links, messages that fail."""

from __future__ import annotations

import pytest

from station.sim.csms import FaultKind
from tests.conformance.stage201 import CARD, FAMILY, SIBLING, Payload, Stage201, octt, token, trigger_pairs

UPDATES = {"SampledDataCtrlr.TxUpdatedInterval": "10"}
ATTEMPTS = "OCPPCommCtrlr.MessageAttempts[TransactionEvent]"
INTERVAL = "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]"
MESSAGE_TIMEOUT_S = 30.0
RETRIES = {ATTEMPTS: "3", INTERVAL: "10", "SampledDataCtrlr.TxUpdatedInterval": "0"}


async def _status(stage: Stage201, tx_id: str | None = None) -> Payload:
    return await stage.call("GetTransactionStatus", {} if tx_id is None else {"transactionId": tx_id})


async def _status_at_once(stage: Stage201, tx_id: str | None = None) -> Payload:
    """Ask the moment the link is back, while everything is still queued."""
    await stage.lab.go_online()
    await stage.csms.wait_connected(stage.id)
    return await _status(stage, tx_id)


# --- E14 ------------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_e_28_unknown_transaction(stage: Stage201) -> None:
    """E14.FR.01."""
    assert await _status(stage, "nobody-knows-me") == {"ongoingIndicator": False, "messagesInQueue": False}


@octt(UPDATES)
async def test_tc_e_29_ongoing_with_message_in_queue(stage: Stage201) -> None:
    """E14.FR.02, FR.04; what was queued is told to have happened offline."""
    tx_id = await stage.charging()
    await stage.offline()
    stage.from_now()
    await stage.rest(30.0)
    assert await _status_at_once(stage, tx_id) == {"ongoingIndicator": True, "messagesInQueue": True}
    await stage.delivered()
    (first, *_) = stage.events()
    assert (first["eventType"], first["offline"]) == ("Updated", True)
    assert first["meterValue"]


@octt()
async def test_tc_e_30_ongoing_without_message_in_queue(stage: Stage201) -> None:
    """E14.FR.02, FR.05."""
    tx_id = await stage.charging()
    await stage.delivered()
    assert await _status(stage, tx_id) == {"ongoingIndicator": True, "messagesInQueue": False}


@octt(UPDATES)
async def test_tc_e_31_ended_with_message_in_queue(stage: Stage201) -> None:
    """E14.FR.03, FR.04."""
    tx_id = await stage.charging()
    await stage.offline()
    stage.from_now()
    stage.swipe()
    await stage.until(lambda: stage.view().transaction is None, "the end")
    await stage.leave()
    assert await _status_at_once(stage, tx_id) == {"ongoingIndicator": False, "messagesInQueue": True}
    await stage.delivered()
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["offline"] is True
    assert end["transactionInfo"]["transactionId"] == tx_id


@octt()
async def test_tc_e_32_ended_without_message_in_queue(stage: Stage201) -> None:
    """E14.FR.03, FR.05."""
    tx_id = await stage.charging()
    stage.swipe()
    await stage.event(kind="Ended")
    await stage.leave()
    await stage.delivered()
    assert await _status(stage, tx_id) == {"ongoingIndicator": False, "messagesInQueue": False}


@octt(UPDATES)
async def test_tc_e_33_any_with_message_in_queue(stage: Stage201) -> None:
    """E14.FR.06, FR.07: without an id nothing is said of a transaction."""
    await stage.charging()
    await stage.offline()
    await stage.rest(30.0)
    assert await _status_at_once(stage) == {"messagesInQueue": True}
    await stage.delivered()


@octt()
async def test_tc_e_34_any_without_message_in_queue(stage: Stage201) -> None:
    """E14.FR.06, FR.08."""
    assert await _status(stage) == {"messagesInQueue": False}


# --- E08, E11, E12 --------------------------------------------------------------------------------------------------


@octt(UPDATES)
async def test_tc_e_40_connection_loss_during_transaction(stage: Stage201) -> None:
    """Readings go on offline, and are delivered in order afterwards (E11.FR.01, FR.02, FR.06)."""
    await stage.charging()
    await stage.rest(1.0)
    known = stage.events()[-1]["seqNo"]
    await stage.offline()
    stage.from_now()
    await stage.rest(45.0)
    await stage.online()
    await stage.delivered()
    late = [event for event in stage.events() if event.get("offline")]
    assert len(late) >= 4
    assert {event["eventType"] for event in late} == {"Updated"}
    assert all(event["meterValue"] for event in late)
    numbers = [event["seqNo"] for event in stage.events()]
    assert numbers == list(range(known + 1, known + 1 + len(numbers)))
    times = [event["timestamp"] for event in stage.events()]
    assert times == sorted(times)


async def _cached_offline_session(stage: Stage201) -> None:
    await stage.cached(CARD)
    await stage.offline()
    stage.from_now()
    stage.plug()
    await stage.rest(1.0)
    await stage.authorized(CARD)
    await stage.until(lambda: stage.view().relay_closed, "energy")


@octt()
async def test_tc_e_43_transaction_during_offline_period(stage: Stage201) -> None:
    """Begun and ended offline: all of it arrives, in order, and says so (E12.FR.01, FR.02, FR.06)."""
    await _cached_offline_session(stage)
    await stage.rest(30.0)
    stage.swipe()
    await stage.leave()
    await stage.online()
    await stage.delivered()
    events = stage.events()
    assert {event.get("offline") for event in events} == {True}
    assert events[0]["eventType"] == "Started"
    assert events[-1]["eventType"] == "Ended"
    assert [event["seqNo"] for event in events] == list(range(len(events)))


@octt()
async def test_tc_e_44_stop_during_offline_period(stage: Stage201) -> None:
    """Ended offline by the card that started it (E08.FR.01, FR.04-08)."""
    await stage.charging()
    await stage.offline()
    stage.from_now()
    stage.swipe()
    await stage.leave()
    await stage.online()
    await stage.delivered()
    assert {event.get("offline") for event in stage.events()} == {True}
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["idToken"] == token(CARD)


@octt()
async def test_tc_e_45_stop_during_offline_period_same_group(stage: Stage201) -> None:
    """Ended offline by a card that is known to be of the same group (E08.FR.02)."""
    stage.csms.policy.learn(CARD, group=FAMILY)
    await stage.cached(SIBLING)
    await stage.charging()
    await stage.offline()
    stage.from_now()
    stage.swipe(SIBLING)
    await stage.leave()
    await stage.online()
    await stage.delivered()
    assert {event.get("offline") for event in stage.events()} == {True}
    end = await stage.event("StopAuthorized", kind="Ended")
    assert end["idToken"] == token(SIBLING)


# --- E13 ------------------------------------------------------------------------------------------------------------


def _attempts(stage: Stage201) -> dict[int, list[float]]:
    """When (seconds) each seqNo was sent."""
    times: dict[int, list[float]] = {}
    for frame in stage.frames("TransactionEvent"):
        times.setdefault(frame.payload["seqNo"], []).append(frame.mono)
    return times


def _identical(stage: Stage201, seq: int) -> None:
    """A message that is sent again is the same one, under a new message id."""
    frames = [frame for frame in stage.frames("TransactionEvent") if frame.payload["seqNo"] == seq]
    assert all(frame.payload == frames[0].payload for frame in frames)
    assert len({frame.id for frame in frames}) == len(frames)


async def _failing_event(stage: Stage201, kind: FaultKind, times: int) -> int:
    """An event that the CSMS fails to process so many times; returns its seqNo."""
    await stage.authorized()
    await stage.delivered()
    stage.csms.fault(kind, "TransactionEvent", times=times)
    stage.from_now()
    stage.plug()
    return int((await stage.event("CablePluggedIn"))["seqNo"])


@octt(RETRIES)
async def test_tc_e_41_max_retry_count_reached(stage: Stage201) -> None:
    """Never answered: it is sent MessageAttempts times, ever later, then given up, and the next one follows."""
    seq = await _failing_event(stage, FaultKind.NEVER, 3)
    await stage.flows()
    await stage.rest(120.0)
    sent = _attempts(stage)[seq]
    assert len(sent) == 3  # E13.FR.02
    assert sent[1] - sent[0] == pytest.approx(MESSAGE_TIMEOUT_S + 10.0, abs=1.0)  # E13.FR.03
    assert sent[2] - sent[1] == pytest.approx(MESSAGE_TIMEOUT_S + 20.0, abs=1.0)
    _identical(stage, seq)
    assert len(_attempts(stage)[seq + 1]) == 1  # E13.FR.04


@octt(RETRIES, refusals=True, complaints=True)
async def test_tc_e_50_max_retry_count_reached_call_error(stage: Stage201) -> None:
    """Refused every time: the same, without the wait for an answer."""
    seq = await _failing_event(stage, FaultKind.REFUSE, 3)
    await stage.flows()
    await stage.rest(120.0)
    sent = _attempts(stage)[seq]
    assert len(sent) == 3
    assert sent[1] - sent[0] == pytest.approx(10.0, abs=1.0)
    assert sent[2] - sent[1] == pytest.approx(20.0, abs=1.0)
    _identical(stage, seq)
    assert len(_attempts(stage)[seq + 1]) == 1


@octt(RETRIES)
async def test_tc_e_42_success_before_max_retry_count(stage: Stage201) -> None:
    """Answered at the second attempt: there is no third."""
    seq = await _failing_event(stage, FaultKind.NEVER, 1)
    await stage.flows()
    await stage.rest(120.0)
    sent = _attempts(stage)[seq]
    assert len(sent) == 2
    assert sent[1] - sent[0] == pytest.approx(MESSAGE_TIMEOUT_S + 10.0, abs=1.0)
    _identical(stage, seq)


@octt(RETRIES, refusals=True)
async def test_tc_e_51_success_before_max_retry_count_call_error(stage: Stage201) -> None:
    """Refused once, then taken: there is no third attempt, and the order is kept."""
    seq = await _failing_event(stage, FaultKind.REFUSE, 1)
    await stage.flows()
    await stage.rest(120.0)
    sent = _attempts(stage)[seq]
    assert len(sent) == 2
    assert sent[1] - sent[0] == pytest.approx(10.0, abs=1.0)
    _identical(stage, seq)
    numbers = [event["seqNo"] for event in stage.events()]
    assert numbers == sorted(numbers)
    assert trigger_pairs(stage.events())[-1] == ("Updated", "ChargingStateChanged")
