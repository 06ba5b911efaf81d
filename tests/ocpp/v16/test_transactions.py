"""TxFact -> StartTransaction, MeterValues, StopTransaction."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import TokenKind
from station.clock import Now
from station.core.events import TokenReported
from station.core.facts import SecurityFact, TxFact
from station.core.types import (
    AuthStatus,
    ChargingState,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    StopReason,
    TokenInfo,
    Trigger,
    TxPhase,
)
from station.ocpp.v16 import transactions

WALL = 1_790_000_000.0
NOW = Now(1000.0, WALL)
CARD = IdToken("04A1B2C3")
BY_CARD = {"trigger": Trigger.STOP_AUTHORIZED, "token": CARD}
ENERGY = SampledValue("Energy.Active.Import.Register", 1500.0, "Wh")


def fact(seq, phase=TxPhase.UPDATED, *, on=True, **more):
    """A fact of one transaction on EVSE 2; `on`: authorised and connected."""
    values = {
        "tx_id": "tx",
        "seq": seq,
        "phase": phase,
        "trigger": Trigger.CHARGING_STATE_CHANGED,
        "at": NOW,
        "evse": 2,
        "connector": 1,
        "charging_state": ChargingState.CHARGING,
        "authorized": on,
        "connected": on,
        "tx_token": CARD if on else None,
    }
    return TxFact(**{**values, **more})


def sample(value=ENERGY, context=ReadingContext.SAMPLE_PERIODIC):
    return MeterSample(NOW, context, (value,))


class Shell:
    """What delivery does: render in order, send, hand the answer back; the context goes through JSON in between."""

    def __init__(self, rig, *, answer=None):
        self.rig = rig
        self.context = {}
        self.sent = []
        self.events = []
        accepted = {"transactionId": 77, "idTagInfo": {"status": "Accepted"}}
        self.answer = accepted if answer is None else answer

    def deliver(self, one, *, dropped=False, payload=None):
        """The payload sent for a fact, None when it has no words."""
        dialect = self.rig.dialect
        rendered = dialect.record(one, self.context, NOW, offline=False)
        again = dialect.record(one, self.context, NOW, offline=True)
        assert again == rendered
        self.context = json.loads(json.dumps(rendered.context, allow_nan=False))
        if rendered.frame is None:
            return None
        assert dialect.record(one, self.context, NOW, offline=False).frame == rendered.frame
        self.rig.check(rendered.frame)
        self.sent.append(rendered.frame)
        if dropped:
            self.context = json.loads(json.dumps(dict(dialect.record_dropped(one, self.context))))
            return rendered.frame.payload
        if payload is None:
            payload = self.answer if rendered.frame.action == "StartTransaction" else {}
        answered = dialect.record_answer(one, self.context, payload)
        self.context = json.loads(json.dumps(dict(answered.context)))
        self.events += answered.events
        return rendered.frame.payload

    @property
    def actions(self):
        return [frame.action for frame in self.sent]


@pytest.fixture
def shell(rig):
    return Shell(rig)


def test_tc_003_plug_in_first(shell):
    """The core's transaction begins with the plug, 1.6's with the authorisation."""
    assert shell.deliver(fact(0, TxPhase.STARTED, connected=True, authorized=False, tx_token=None)) is None
    assert shell.deliver(fact(1, token=CARD, register_wh=1000.4)) == {
        "connectorId": 2,
        "idTag": "04A1B2C3",
        "meterStart": 1000,
        "timestamp": "2026-09-21T14:13:20.000Z",
    }
    assert shell.context["csms_id"] == 77
    values = shell.deliver(fact(2, samples=(sample(),)))
    assert (values["transactionId"], values["connectorId"]) == (77, 2)
    assert shell.deliver(fact(3)) is None  # a change of state alone is no message
    end = fact(4, TxPhase.ENDED, register_wh=1999.6, stop_reason=StopReason.LOCAL, **BY_CARD)
    assert shell.deliver(end) == {
        "transactionId": 77,
        "meterStop": 2000,
        "idTag": "04A1B2C3",
        "timestamp": "2026-09-21T14:13:20.000Z",
    }
    assert shell.actions == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert shell.rig.dialect.finished(end, shell.context)


def test_tc_004_1_identification_first(shell):
    assert shell.deliver(fact(0, TxPhase.STARTED, authorized=True, connected=False, token=CARD)) is None
    assert shell.deliver(fact(1))["meterStart"] == 0


def test_tc_004_2_a_transaction_that_never_began_for_1_6_ends_without_words(shell):
    shell.deliver(fact(0, TxPhase.STARTED, authorized=True, connected=False, token=CARD))
    end = fact(1, TxPhase.ENDED, connected=False, authorized=False, stop_reason=StopReason.TIMEOUT)
    assert shell.deliver(end) is None
    assert shell.rig.dialect.finished(end, shell.context)
    assert shell.sent == []


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.EV_DISCONNECTED, "EVDisconnected"),  # TC_005
        (StopReason.REMOTE, "Remote"),  # TC_012
        (StopReason.HARD_RESET, "HardReset"),  # TC_015
        (StopReason.SOFT_RESET, "SoftReset"),  # TC_016
        (StopReason.UNLOCK_COMMAND, "UnlockCommand"),  # TC_018
        (StopReason.POWER_LOSS, "PowerLoss"),  # TC_032
        (StopReason.DE_AUTHORIZED, "DeAuthorized"),  # TC_037_3
        (StopReason.EMERGENCY_STOP, "EmergencyStop"),
        (StopReason.LOCAL, None),
        (None, None),
    ],
)
def test_reasons(shell, reason, word):
    shell.deliver(fact(0, TxPhase.STARTED))
    payload = shell.deliver(fact(1, TxPhase.ENDED, on=False, stop_reason=reason))
    assert payload.get("reason") == word
    assert "idTag" not in payload  # 4.10: nobody presented one


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_reason_has_a_legal_word(shell, reason):
    assert reason in transactions.REASONS
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.deliver(fact(1, TxPhase.ENDED, stop_reason=reason))


def test_tc_069_the_card_of_the_group_that_stops_is_named(shell):
    other = IdToken("CAFE0001")
    shell.deliver(fact(0, TxPhase.STARTED))
    assert shell.deliver(fact(1, TxPhase.ENDED, trigger=Trigger.STOP_AUTHORIZED, token=other))["idTag"] == "CAFE0001"


def test_tc_068_a_card_presented_before_the_end_is_named_at_the_end(shell):
    """TxStopPoint may wait for the plug: the card was told with an earlier fact."""
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.deliver(fact(1, authorized=False, **BY_CARD))
    payload = shell.deliver(fact(2, TxPhase.ENDED, on=False), payload={"idTagInfo": {"status": "Expired"}})
    assert payload["idTag"] == "04A1B2C3"
    assert shell.events[-1] == TokenReported("tx", CARD, TokenInfo(AuthStatus.EXPIRED))


def test_a_stop_that_was_taken_back_is_not_named(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.deliver(fact(1, authorized=False, **BY_CARD))
    shell.deliver(fact(2, trigger=Trigger.AUTHORIZED, token=CARD))
    assert "idTag" not in shell.deliver(fact(3, TxPhase.ENDED, on=False))


def test_a_token_told_for_another_reason_did_not_stop_it(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    payload = shell.deliver(fact(1, TxPhase.ENDED, trigger=Trigger.REMOTE_STOP, token=CARD))
    assert "idTag" not in payload


def test_errata_3_14_readings_of_the_end_are_transaction_data(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    both = (sample(context=ReadingContext.TRANSACTION_BEGIN), sample(context=ReadingContext.TRANSACTION_END))
    data = shell.deliver(fact(1, TxPhase.ENDED, samples=both))["transactionData"]
    assert [d["sampledValue"][0]["context"] for d in data] == ["Transaction.Begin", "Transaction.End"]


def test_readings_from_before_the_authorisation_are_not_of_this_transaction(shell):
    """The car was plugged for an hour before somebody presented a card."""
    plugged = Now(NOW.mono - 3600, WALL - 3600)
    early = Now(NOW.mono - 1800, WALL - 1800)
    shell.deliver(fact(0, TxPhase.STARTED))
    samples = (
        MeterSample(plugged, ReadingContext.TRANSACTION_BEGIN, (ENERGY,)),
        MeterSample(early, ReadingContext.SAMPLE_PERIODIC, (ENERGY,)),
        MeterSample(NOW, ReadingContext.TRANSACTION_END, (ENERGY,)),
    )
    data = shell.deliver(fact(1, TxPhase.ENDED, samples=samples))["transactionData"]
    assert [(d["timestamp"], d["sampledValue"][0]["context"]) for d in data] == [
        ("2026-09-21T14:13:20.000Z", "Transaction.Begin"),
        ("2026-09-21T14:13:20.000Z", "Transaction.End"),
    ]


def test_no_reading_no_transaction_data_and_no_meter_values(shell):
    """Chapter 3.16.5; quirk table: an empty meterValue is refused."""
    shell.deliver(fact(0, TxPhase.STARTED))
    nothing = (sample(SampledValue("Display.SomethingElse", 1.0, "Percent")),)
    assert shell.deliver(fact(1, samples=nothing)) is None
    assert "transactionData" not in shell.deliver(fact(2, TxPhase.ENDED, samples=nothing))


def test_frequency_at_the_end_has_no_unit(shell):
    """The schema of StopTransaction knows no Hertz, though that of MeterValues does (quirk 5)."""
    shell.deliver(fact(0, TxPhase.STARTED))
    data = shell.deliver(fact(1, TxPhase.ENDED, samples=(sample(SampledValue("Frequency", 50.0, "Hz")),)))
    assert "unit" not in data["transactionData"][0]["sampledValue"][0]


def test_quirk_8_transaction_id_0_is_a_real_one(rig):
    shell = Shell(rig, answer={"transactionId": 0, "idTagInfo": {"status": "ConcurrentTx"}})
    shell.deliver(fact(0, TxPhase.STARTED))
    assert shell.deliver(fact(1, samples=(sample(),)))["transactionId"] == 0
    assert shell.deliver(fact(2, TxPhase.ENDED))["transactionId"] == 0
    assert shell.events == [TokenReported("tx", CARD, TokenInfo(AuthStatus.CONCURRENT_TX))]


@pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_tc_023_037_the_word_about_the_token_reaches_the_core(rig, status):
    info = {"status": status, "parentIdTag": "PARENT", "expiryDate": "1970-01-01T00:01:00+00:00"}
    shell = Shell(rig, answer={"transactionId": 1, "idTagInfo": info})
    shell.deliver(fact(0, TxPhase.STARTED))
    [event] = shell.events
    assert event == TokenReported(
        "tx", CARD, TokenInfo(AuthStatus(status), IdToken("parent", TokenKind.CENTRAL), expires=60.0)
    )


def test_tc_037_to_039_an_offline_transaction_keeps_its_times(rig):
    """Recorded before the clock was known, delivered hours later: corrected to the CSMS's time, in order."""
    shell = Shell(rig)
    early = Now(400.0, 7.0, trusted=False)
    started = shell.deliver(fact(0, TxPhase.STARTED, at=early, offline=True))
    assert started["timestamp"] == "2026-09-21T14:03:20.000Z"
    stopped = shell.deliver(fact(1, TxPhase.ENDED, at=Now(700.0, 307.0, trusted=False), offline=True))
    assert stopped["timestamp"] == "2026-09-21T14:08:20.000Z"
    assert shell.actions == ["StartTransaction", "StopTransaction"]


def test_a_start_that_was_given_up_loses_the_transaction(shell):
    shell.deliver(fact(0, TxPhase.STARTED), dropped=True)
    assert shell.context["lost"] is True
    assert shell.deliver(fact(1, samples=(sample(),))) is None
    assert shell.deliver(fact(2, TxPhase.ENDED)) is None
    assert shell.actions == ["StartTransaction"]


def test_a_reason_that_the_shell_gave_for_the_loss_is_kept(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.context["lost"] = "given up by an operator"
    assert shell.deliver(fact(1, TxPhase.ENDED)) is None
    assert shell.context["lost"] == "given up by an operator"


def test_meter_values_that_were_given_up_are_missed_singly(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.deliver(fact(1, samples=(sample(),)), dropped=True)
    assert shell.context["lost"] is False
    assert shell.deliver(fact(2, TxPhase.ENDED))["transactionId"] == 77


@pytest.mark.parametrize("answer", [{}, {"transactionId": None}, {"transactionId": "5"}, {"transactionId": True}])
def test_quirk_8_without_an_id_none_is_invented(rig, answer):
    shell = Shell(rig)
    shell.deliver(fact(0, TxPhase.STARTED), payload=answer)
    assert shell.context["lost"] is True
    assert shell.deliver(fact(1, TxPhase.ENDED)) is None


def test_a_fact_before_the_answer_has_no_words(rig):
    rendered = rig.dialect.record(fact(0, TxPhase.STARTED), {}, NOW, offline=False)
    later = rig.dialect.record(fact(1, TxPhase.ENDED), rendered.context, NOW, offline=False)
    assert later.frame is None
    assert later.context["lost"] is True


def test_stop_transaction_conf_may_be_empty(shell):
    """ocpp-go answers {}."""
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.events.clear()
    shell.deliver(fact(1, TxPhase.ENDED, **BY_CARD), payload={})
    assert shell.events == []


def test_the_meter_is_unknown_at_the_end(shell):
    shell.deliver(fact(0, TxPhase.STARTED, register_wh=500.0))
    assert shell.deliver(fact(1, TxPhase.ENDED))["meterStop"] == 500


@pytest.mark.parametrize(("later", "stop"), [(9_000_000.0, 2500), (None, 0)])
def test_a_register_unknown_at_the_start_is_never_billed_whole(shell, later, stop):
    assert shell.deliver(fact(0, TxPhase.STARTED))["meterStart"] == 0
    shell.deliver(fact(1, register_wh=later))
    assert shell.deliver(fact(2, TxPhase.ENDED, register_wh=9_002_500.0))["meterStop"] == stop


def test_a_negative_register_counts_as_zero(shell):
    assert shell.deliver(fact(0, TxPhase.STARTED, register_wh=-3.0))["meterStart"] == 0


def test_a_reservation_is_named_and_a_long_token_cut(shell):
    payload = shell.deliver(fact(0, TxPhase.STARTED, reservation_id=5, tx_token=IdToken("T" * 36)))
    assert payload["reservationId"] == 5
    assert payload["idTag"] == "T" * 20


def test_a_context_of_a_later_version_is_readable(shell):
    shell.deliver(fact(0, TxPhase.STARTED))
    shell.context["invented_later"] = 1
    assert shell.deliver(fact(1, TxPhase.ENDED))["transactionId"] == 77


def test_security_events_have_no_words_in_1_6(rig):
    event = SecurityFact("SettingSystemTime", NOW)
    assert rig.dialect.record(event, {"a": 1}, NOW, offline=False).frame is None
    assert rig.dialect.record_answer(event, {}, {}).events == ()
    assert rig.dialect.record_dropped(event, {}) == {}
    assert rig.dialect.finished(event, {})


_values = st.builds(
    SampledValue,
    st.sampled_from(["Energy.Active.Import.Register", "Voltage", "Frequency", "SoC", "Display.Whatever"]),
    st.floats() | st.just(math.nan),
    st.sampled_from(["Wh", "V", "Hz", "Percent", "", "furlong"]),
    st.sampled_from([None, "L1", "L1-N", "L7"]),
    st.sampled_from([None, "OCMF|x"]),
)
_samples = st.builds(
    MeterSample, st.just(NOW), st.sampled_from(list(ReadingContext)), st.lists(_values, max_size=3).map(tuple)
)
_tokens = st.none() | st.builds(IdToken, st.text(max_size=40), st.sampled_from(list(TokenKind)))
_changes = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(list(Trigger)),
        "at": st.builds(Now, st.floats(0, 2000), st.floats(0, 2e9), st.integers(0, 2), st.booleans()),
        "authorized": st.booleans(),
        "connected": st.booleans(),
        "token": _tokens,
        "tx_token": _tokens,
        "register_wh": st.none() | st.floats(-1e6, 1e12),
        "samples": st.lists(_samples, max_size=2).map(tuple),
        "stop_reason": st.none() | st.sampled_from(list(StopReason)),
        "reservation_id": st.none() | st.integers(0, 2**31 - 1),
    }
)
_answers = st.sampled_from(
    [
        {"transactionId": 0, "idTagInfo": {"status": "Accepted"}},
        {"transactionId": 5, "idTagInfo": {"status": "Invalid", "expiryDate": "never"}},
        {"transactionId": 5, "idTagInfo": {"status": "NewWord", "parentIdTag": ""}},
        {"idTagInfo": {}},
        {},
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    changes=st.lists(_changes, min_size=1, max_size=10),
    ended=st.booleans(),
    fates=st.lists(st.booleans(), min_size=10, max_size=10),
    answer=_answers,
)
def test_any_transaction_is_at_most_one_start_and_one_stop_in_order(new_rig, changes, ended, fates, answer):
    shell = Shell(new_rig(), answer=answer)
    for seq, change in enumerate(changes):
        last = seq == len(changes) - 1
        phase = TxPhase.STARTED if seq == 0 else TxPhase.ENDED if ended and last else TxPhase.UPDATED
        shell.deliver(fact(seq, phase, **change), dropped=fates[seq] and fates[-1])
    actions = shell.actions
    assert actions.count("StartTransaction") <= 1
    assert actions.count("StopTransaction") <= 1
    if actions:
        assert actions[0] == "StartTransaction"
        assert set(actions[1:-1]) <= {"MeterValues"}
    for frame in shell.sent[1:]:
        assert frame.payload["transactionId"] == answer["transactionId"]
    if shell.context.get("csms_id") is not None and ended and len(changes) > 1:
        assert actions[-1] == "StopTransaction"
