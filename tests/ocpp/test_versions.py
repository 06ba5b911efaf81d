"""Which version is offered while a transaction must be finished in an older one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.clock import Now
from station.core.facts import Fact, SecurityFact, TxFact
from station.core.types import ChargingState, Trigger, TxPhase
from station.ocpp.dialect import Rendered
from station.ocpp.entries import Entry, SetAside
from station.ocpp.records import RecordQueue
from station.ocpp.versions import PATIENCE, Opened, VersionChoice
from station.store.ops import StoredContext

NOW = Now(0.0, 0.0)
BOTH = ("ocpp2.0.1", "ocpp1.6")


class Named:
    def __init__(self, version: str) -> None:
        self.version = version
        self.subprotocol = f"ocpp{version}"


class Silent(Named):
    """Has no words for anything, but remembers."""

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        return Rendered(None, {"silent": context.get("silent", 0) + 1})

    def finished(self, fact: Fact, context: Mapping[str, Any]) -> bool:
        return False


def plug(tx_id: str, seq: int = 0) -> TxFact:
    return TxFact(
        tx_id=tx_id,
        seq=seq,
        phase=TxPhase.UPDATED if seq else TxPhase.STARTED,
        trigger=Trigger.CABLE_PLUGGED_IN,
        at=NOW,
        evse=1,
        connector=1,
        charging_state=ChargingState.EV_CONNECTED,
        authorized=False,
        connected=True,
    )


def choice(pinned: str | None) -> tuple[VersionChoice, RecordQueue]:
    spoken: dict[str, Any] = {version: Named(version) for version in ("1.6", "2.0.1")}
    records = RecordQueue(spoken.get)
    contexts = {} if pinned is None else {"T": StoredContext(pinned, {"told": True})}
    records.load([], contexts, NOW)
    return VersionChoice(lambda: BOTH, records, spoken.get), records


def test_nothing_pinned_offers_what_is_configured() -> None:
    versions, _ = choice(None)
    assert versions.offer() == BOTH
    assert versions.opened("1.6") == Opened()
    assert versions.wrong("1.6") is None


def test_a_pinned_version_is_offered_alone_and_left_when_it_is_free() -> None:
    versions, records = choice("1.6")
    assert versions.offer() == ("ocpp1.6",)
    assert versions.opened("1.6") == Opened()
    assert versions.wrong("1.6") is None, "the transaction is still open"
    records.abandon("1.6", "over", NOW)
    assert versions.wrong("1.6") == "every transaction in OCPP 1.6 is finished"


def test_a_csms_that_prefers_the_old_version_anyway_is_left_in_peace() -> None:
    versions, records = choice(None)
    versions.offer()
    versions.opened("1.6")
    records.load([], {"T": StoredContext("1.6", {})}, NOW)
    assert versions.offer() == ("ocpp1.6",)
    versions.opened("1.6")
    records.abandon("1.6", "over", NOW)
    assert versions.wrong("1.6") is None


def test_a_version_unknown_to_the_program_pins_nothing() -> None:
    versions, _ = choice("0.9")
    assert versions.offer() == BOTH


def test_a_version_is_given_up_only_when_it_is_refused_where_another_is_not() -> None:
    versions, records = choice("1.6")
    offers = [versions.offer() for _ in range(PATIENCE + 1)]
    assert offers == [("ocpp1.6",)] * PATIENCE + [BOTH]
    first = versions.opened("2.0.1")
    assert first.reconnect is not None
    assert first.abandon is None
    assert versions.offer() == ("ocpp1.6",), "it must be refused once more"
    assert versions.offer() == BOTH
    assert versions.opened("2.0.1") == Opened(abandon="1.6")
    records.abandon("1.6", "refused", NOW)
    assert versions.wrong("2.0.1") is None


def test_the_pinned_version_wins_when_it_is_spoken_after_all() -> None:
    versions, _ = choice("1.6")
    for _ in range(PATIENCE + 1):
        versions.offer()
    assert versions.opened("2.0.1").reconnect is not None
    assert versions.offer() == ("ocpp1.6",)
    assert versions.opened("1.6") == Opened()
    assert [versions.offer() for _ in range(PATIENCE)] == [("ocpp1.6",)] * PATIENCE


def test_what_was_never_told_waits_for_the_version_that_is_chosen_freely() -> None:
    """The connection in 1.6 was made to finish a transaction. Once it is finished, nothing new begins there."""
    versions, records = choice("1.6")
    records.may_begin = versions.may_begin
    versions.offer()
    versions.opened("1.6")
    records.link_up()
    assert versions.may_begin("1.6"), "the old transaction is still open, its records come first"
    records.abandon("1.6", "over", NOW)
    records.prepare(None, NOW)
    records.committed()
    records.add(1, SecurityFact("StartupOfTheDevice", NOW), NOW)
    old: Any = Named("1.6")  # would fail when asked for words
    assert records.prepare(old, NOW) == ()
    assert not records.pressing("1.6"), "notices need not wait for it"
    assert versions.wrong("1.6") == "every transaction in OCPP 1.6 is finished"
    versions.offer()
    versions.opened("2.0.1")
    assert records.pressing("2.0.1")
    assert versions.wrong("2.0.1") is None


def test_a_csms_that_chooses_the_old_version_freely_gets_the_news_in_it() -> None:
    versions, records = choice("1.6")
    records.may_begin = versions.may_begin
    versions.offer()
    versions.opened("1.6")
    records.abandon("1.6", "over", NOW)
    assert versions.offer() == BOTH
    versions.opened("1.6")
    assert versions.may_begin("1.6")
    assert versions.wrong("1.6") is None


def test_what_the_connected_version_cannot_tell_pins_nothing() -> None:
    versions, records = choice(None)
    records.may_begin = versions.may_begin
    silent: Any = Silent("1.6")
    versions.offer()
    versions.opened("1.6")
    records.link_up()
    for seq in range(3):
        records.add(seq + 1, plug("T", seq), NOW)
    assert records.prepare(silent, NOW) == ()
    assert not records.contexts()
    assert not records.queued()
    assert records.pinned_versions() == set()
    assert records.blocked_by("2.0.1") is None
    records.link_down()
    assert records.queued("T")
    assert [fact.seq for fact in records.facts() if isinstance(fact, TxFact)] == [0, 1, 2]
    assert versions.offer() == BOTH
    assert versions.opened("2.0.1") == Opened()
    assert records.pressing("2.0.1")


def test_what_is_set_aside_comes_back_in_its_order() -> None:
    aside = SetAside()
    for record, tx_id in enumerate("ABBA", 1):
        aside.add(tx_id, Entry(record, plug(tx_id, record), 1), {"last": record})
    assert aside.data("B") == {"last": 3}
    assert aside.data("C") is None
    aside.drop({2})
    assert len(aside) == 3
    assert [entry.record for entry in aside.take("B")] == [3]
    assert aside.take("B") == []
    aside.add("B", Entry(5, plug("B"), 1), {})
    assert [entry.record for entry in aside.take_all()] == [1, 4, 5]
    assert len(aside) == 0
    assert aside.data("A") is None
