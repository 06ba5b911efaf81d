"""`station.core.signing`: one signature at the beginning, one at the end, and no session that hangs on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hal.api import CardPresented, MeterReading, PilotState, SignedMoment, TokenKind
from station.core import signing
from station.core.effects import SignReading
from station.core.events import SignedReading
from station.core.facts import TxFact, sample_from_json, sample_to_json
from station.core.types import EvseInfo, ReadingContext
from tests.core.rig import WALL, Rig

ENERGY = "Energy.Active.Import.Register"
KEY = "3059301306"


def rig_with(rows: Mapping[str, Mapping[str, Any]] | None = None, boot: int = 1, **overrides: str) -> Rig:
    names = {
        "SampledDataCtrlr.SignReadings": "true",
        "SampledDataCtrlr.TxStartedMeasurands": ENERGY,
        "SampledDataCtrlr.TxEndedMeasurands": ENERGY,
        **overrides,
    }
    return Rig(overrides=names, info=lambda number: replace(EvseInfo(number), signs=True), rows=rows, boot=boot)


def asked(rig: Rig) -> list[SignReading]:
    return [effect for effect in rig.effects if isinstance(effect, SignReading)]


def sign(rig: Rig, text: str | None, moment: SignedMoment = SignedMoment.BEGIN) -> None:
    reading = MeterReading(rig.register[1], signed=text, public_key=KEY if text else "")
    rig.send(SignedReading(1, moment, reading))


def records(fact: TxFact) -> list[tuple[ReadingContext, str | None]]:
    return [(sample.context, value.signed) for sample in fact.samples for value in sample.values]


def stop(rig: Rig) -> None:
    """The vehicle lets go, so that power is off at once."""
    rig.swipe()
    rig.pilot(PilotState.B)
    rig.wait(2.0)


def test_begin_and_end() -> None:
    rig = rig_with()
    rig.charge()
    (begin,) = asked(rig)
    assert (begin.moment, begin.identification) == (SignedMoment.BEGIN, "04A1B2C3")
    assert begin.wall_s is not None
    assert begin.wall_s >= WALL
    sign(rig, "OCMF|begin")
    assert rig.story()[-1] == ("Updated", "SignedDataReceived")
    assert records(rig.last) == [(ReadingContext.TRANSACTION_BEGIN, "OCMF|begin")]
    rig.wait(600)
    stop(rig)
    assert [effect.moment for effect in asked(rig)] == [SignedMoment.BEGIN, SignedMoment.END]
    assert rig.ended() == [], "it waits for the signature, also when plain readings come"
    sign(rig, "OCMF|end", SignedMoment.END)
    (ended,) = rig.ended()
    assert [record for record in records(ended) if record[1]] == [
        (ReadingContext.TRANSACTION_BEGIN, "OCMF|begin"),
        (ReadingContext.TRANSACTION_END, "OCMF|end"),
    ]
    assert [context for context, _ in records(ended)].count(ReadingContext.TRANSACTION_BEGIN) == 1
    assert {value.public_key for sample in ended.samples for value in sample.values if value.signed} == {KEY}
    assert all(sample_from_json(sample_to_json(sample)) == sample for sample in ended.samples)


def test_one_record_for_both_that_comes_at_the_end() -> None:
    """Iskra's."""
    rig = rig_with()
    rig.charge()
    told = len(rig.story())
    sign(rig, None)
    assert len(rig.story()) == told, "nothing to tell yet"
    stop(rig)
    sign(rig, "OCMF|both", SignedMoment.END)
    (ended,) = rig.ended()
    assert [text for _, text in records(ended)] == [None, "OCMF|both"]


def test_a_meter_that_cannot_sign_holds_nobody() -> None:
    rig = rig_with()
    rig.charge()
    rig.send(SignedReading(1, SignedMoment.BEGIN, None, "is its time set?"))
    stop(rig)
    rig.send(SignedReading(1, SignedMoment.END, None, "is its time set?"))
    (ended,) = rig.ended()
    assert ended.samples[-1].values[0].value == rig.register[1], "the plain register is the end"


def test_a_meter_that_says_nothing_is_waited_for_and_not_for_long() -> None:
    rig = rig_with()
    rig.charge()
    stop(rig)
    rig.wait(signing.WAIT_S - 5.0)
    assert rig.ended() == []
    rig.wait(6.0)
    assert len(rig.ended()) == 1
    sign(rig, "OCMF|late", SignedMoment.END)
    assert len(rig.ended()) == 1


def test_the_first_signed_reading_starts_the_transaction() -> None:
    rig = rig_with(**{"TxCtrlr.TxStartPoint": "DataSigned"})
    rig.plug()
    rig.swipe()
    rig.wait(1.0)
    assert rig.story() == []
    sign(rig, "OCMF|begin")
    assert rig.story() == [("Started", "SignedDataReceived")]
    assert records(rig.last) == [(ReadingContext.TRANSACTION_BEGIN, "OCMF|begin")]
    rig.pilot(PilotState.C)
    rig.wait(10.0)
    assert len(asked(rig)) == 1, "it is signed already"
    stop(rig)
    assert [effect.moment for effect in asked(rig)] == [SignedMoment.BEGIN, SignedMoment.END]


def test_unplugged_and_plugged_in_again_it_is_the_same_charge() -> None:
    rig = rig_with(**{"TxCtrlr.StopTxOnEVSideDisconnect": "false", "TxCtrlr.TxStopPoint": "Authorized"})
    rig.charge()
    rig.unplug()
    rig.wait(1.0)
    rig.plug()
    rig.wait(1.0)
    assert [effect.moment for effect in asked(rig)] == [SignedMoment.BEGIN]


def test_a_pin_stays_a_secret() -> None:
    rig = rig_with()
    rig.plug()
    rig.swipe("123456", kind=TokenKind.KEY_CODE)
    assert [effect.identification for effect in asked(rig)] == [""]


def test_only_when_it_is_wanted() -> None:
    unwanted = rig_with(**{"SampledDataCtrlr.SignReadings": "false"})
    unwanted.charge()
    stop(unwanted)
    assert asked(unwanted) == []
    assert len(unwanted.ended()) == 1
    unable = Rig(overrides={"SampledDataCtrlr.SignReadings": "true"})
    unable.charge()
    stop(unable)
    assert asked(unable) == []
    assert len(unable.ended()) == 1


def test_a_power_cut() -> None:
    """What had begun is signed to its end by the next start; a second one waits as well."""
    rig = rig_with()
    rig.charge()
    sign(rig, "OCMF|begin")
    again = rig_with(rig.rows, boot=2)
    assert [effect.moment for effect in asked(again)] == [SignedMoment.END]
    assert again.ended() == []
    sign(again, "OCMF|end", SignedMoment.END)
    (ended,) = again.ended()
    assert [text for _, text in records(ended)] == ["OCMF|begin", "OCMF|end"]


def test_a_card_that_made_up_its_identifier_pays_like_any_other() -> None:
    rig = rig_with()
    rig.plug()
    rig.send(CardPresented(1, "08A1B2C3", random=True))
    assert [effect.identification for effect in asked(rig)] == ["08A1B2C3"]
