"""Block E: TransactionEvent and GetTransactionStatus. TC_E_03 to TC_E_08, TC_E_28 to TC_E_34, TC_E_43, TC_C_34."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.clock import Now
from station.core import events
from station.core.facts import TxFact, from_json, to_json
from station.core.types import (
    AuthStatus,
    ChargingState,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    StopReason,
    TokenInfo,
    TokenKind,
    Trigger,
    TxPhase,
)
from station.ocpp.v201 import transactions
from station.ocpp.v201.metering import MEASURANDS

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)
CARD = IdToken("04A1B2C3")


def fact(**more):
    base = {
        "tx_id": "tx-1",
        "seq": 0,
        "phase": TxPhase.STARTED,
        "trigger": Trigger.CABLE_PLUGGED_IN,
        "at": NOW,
        "evse": 2,
        "connector": 1,
        "charging_state": ChargingState.EV_CONNECTED,
        "authorized": False,
        "connected": True,
    }
    return TxFact(**{**base, **more})


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
_nows = st.builds(
    Now,
    mono=st.floats(0, 1e6),
    wall=st.floats(0, 4e9),
    boot=st.integers(0, 9),
    trusted=st.booleans(),
)
_tokens = st.none() | st.builds(IdToken, _text, st.sampled_from(TokenKind))
_values = st.builds(
    SampledValue,
    measurand=st.sampled_from([*sorted(MEASURANDS), "Temperature"]),
    value=st.floats(),
    unit=st.sampled_from(["Wh", "W", "A", "V", "Percent", ""]),
    phase=st.sampled_from([None, "L1", "L1-N", "N", "L4"]),
    signed=st.none() | _text,
)
_samples = st.builds(MeterSample, _nows, st.sampled_from(ReadingContext), st.lists(_values, max_size=4).map(tuple))
_facts = st.builds(
    TxFact,
    tx_id=st.text("0123456789abcdef-", min_size=1, max_size=40),
    seq=st.integers(0, 10**6),
    phase=st.sampled_from(TxPhase),
    trigger=st.sampled_from(Trigger),
    at=_nows,
    evse=st.integers(0, 4),
    connector=st.integers(0, 2),
    charging_state=st.sampled_from(ChargingState),
    authorized=st.booleans(),
    connected=st.booleans(),
    offline=st.booleans(),
    token=_tokens,
    tx_token=_tokens,
    group=_tokens,
    register_wh=st.none() | st.floats(0, 1e9),
    samples=st.lists(_samples, max_size=3).map(tuple),
    stop_reason=st.none() | st.sampled_from(StopReason),
    remote_start_id=st.none() | st.integers(-(2**31), 2**31 - 1),
    reservation_id=st.none() | st.integers(0, 2**31 - 1),
    phases_used=st.none() | st.integers(0, 3),
    cable_max_a=st.none() | st.floats(),
    seconds_charging=st.none() | st.floats(),
)


@settings(deadline=None)
@given(_facts, _nows, st.booleans())
def test_any_fact_is_a_valid_event(valid, any_fact, now, offline):
    frame = transactions.event(any_fact, now, offline=offline)
    wire = valid("TransactionEventRequest", frame.payload)
    assert wire["seqNo"] == any_fact.seq
    assert wire.get("offline", False) == (offline or any_fact.offline)
    assert ("stoppedReason" in wire["transactionInfo"]) <= (any_fact.phase is TxPhase.ENDED)
    assert ("idToken" in wire) == (any_fact.token is not None)
    assert transactions.event(any_fact, now, offline=offline) == frame


@settings(deadline=None)
@given(_facts.filter(lambda one: all(v.value == v.value for s in one.samples for v in s.values)), _nows)
def test_a_fact_from_the_store_says_the_same(any_fact, now):
    """LAW 5: what is sent after a restart is what would have been sent before it."""
    assert transactions.event(from_json(to_json(any_fact)), now, offline=True) == transactions.event(
        any_fact, now, offline=True
    )


def test_started(valid):  # TC_E_03, E02.FR.05, E01.FR.16
    values = (SampledValue("Energy.Active.Import.Register", 100.0, "Wh"),)
    begin = fact(
        samples=(MeterSample(NOW, ReadingContext.TRANSACTION_BEGIN, values),),
        token=CARD,
        remote_start_id=5,
        reservation_id=6,
        phases_used=3,
        cable_max_a=32.7,
        seconds_charging=12.9,
    )
    assert valid("TransactionEventRequest", transactions.event(begin, NOW, offline=False).payload) == {
        "eventType": "Started",
        "timestamp": "2025-06-15T15:06:40.000Z",
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {
            "transactionId": "tx-1",
            "chargingState": "EVConnected",
            "timeSpentCharging": 12,
            "remoteStartId": 5,
        },
        "evse": {"id": 2, "connectorId": 1},
        "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"},
        "numberOfPhasesUsed": 3,
        "cableMaxCurrent": 32,
        "reservationId": 6,
        "meterValue": [
            {
                "timestamp": "2025-06-15T15:06:40.000Z",
                "sampledValue": [
                    {
                        "value": 100,
                        "context": "Transaction.Begin",
                        "measurand": "Energy.Active.Import.Register",
                    }
                ],
            }
        ],
    }


def test_without_anything_extra_only_the_mandatory_fields_go_out():
    payload = transactions.event(fact(evse=0, connector=0), NOW, offline=False).payload
    assert set(payload) == {"eventType", "timestamp", "triggerReason", "seqNo", "transactionInfo"}  # E01.FR.17


def test_the_connector_may_be_unknown():
    assert transactions.event(fact(connector=0), NOW, offline=False).payload["evse"] == {"id": 2}


def test_only_the_token_of_this_event_is_told():  # E03.FR.01: once
    assert "idToken" not in transactions.event(fact(tx_token=CARD), NOW, offline=False).payload


def test_every_event_names_its_evse():
    """Home Assistant books an event without EVSE on EVSE 1."""
    updated = fact(phase=TxPhase.UPDATED, seq=9)
    assert transactions.event(updated, NOW, offline=False).payload["evse"]["id"] == 2


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (None, None),
        (StopReason.LOCAL, "Local"),  # E06: may be omitted
        (StopReason.REMOTE, "Remote"),
        (StopReason.TIMEOUT, "Timeout"),  # TC_E_05
        (StopReason.DE_AUTHORIZED, "DeAuthorized"),
        (StopReason.POWER_LOSS, "PowerLoss"),
        (StopReason.HARD_RESET, "ImmediateReset"),
        (StopReason.SOFT_RESET, "ImmediateReset"),
        (StopReason.UNLOCK_COMMAND, "Other"),
    ],
)
def test_stopped_reasons(reason, word):
    ended = fact(phase=TxPhase.ENDED, stop_reason=reason)
    assert transactions.event(ended, NOW, offline=False).payload["transactionInfo"].get("stoppedReason") == word


def test_offline_and_the_clock(valid):  # E04, E11, E12.FR.05
    early = Now(mono=940.0, wall=50.0, boot=3, trusted=False)
    payload = transactions.event(fact(at=early), NOW, offline=True).payload
    assert payload["offline"] is True
    assert payload["timestamp"] == "2025-06-15T15:05:40.000Z"
    assert "offline" not in transactions.event(fact(), NOW, offline=False).payload


def test_answers(valid):  # TC_C_34, E05, C10.FR.05
    answer = {"idTokenInfo": {"status": "Blocked", "groupIdToken": {"idToken": "G", "type": "Central"}}}
    valid("TransactionEventResponse", answer)
    info = TokenInfo(AuthStatus.BLOCKED, group=IdToken("G", TokenKind.CENTRAL))
    assert transactions.answer(fact(token=CARD), answer) == (events.TokenReported("tx-1", CARD, info),)
    assert transactions.answer(fact(), answer) == ()


@pytest.mark.parametrize("payload", [{}, {"totalCost": 1.5}, {"idTokenInfo": {}}, {"idTokenInfo": "Accepted"}])
def test_answers_without_token_info(payload):  # ocpp-go
    assert transactions.answer(fact(token=CARD), payload) == ()


def test_transaction_status(station):  # TC_E_28 to TC_E_34
    assert station.ask("GetTransactionStatus", {}) == {"messagesInQueue": False}
    station.start(1, "tx-1")
    station.waiting = {"tx-0"}
    assert station.ask("GetTransactionStatus", {}) == {"messagesInQueue": True}
    ask = lambda tx_id: station.ask("GetTransactionStatus", {"transactionId": tx_id})  # noqa: E731
    assert ask("tx-1") == {"messagesInQueue": False, "ongoingIndicator": True}
    assert ask("tx-0") == {"messagesInQueue": True, "ongoingIndicator": False}
    assert ask("tx-9") == {"messagesInQueue": False, "ongoingIndicator": False}
