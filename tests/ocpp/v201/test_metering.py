"""Block J: sampled values. TC_J_01, TC_J_02, TC_J_07 to TC_J_11 as far as words go."""

import base64
import json
from importlib.resources import files

import pytest

from station.clock import Now
from station.core.effects import MeterNotice
from station.core.types import MeterSample, ReadingContext, SampledValue
from station.core.variables import PHASES
from station.ocpp.v201 import metering

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)
ENERGY = "Energy.Active.Import.Register"


def sample(*values, at=NOW, context=ReadingContext.SAMPLE_CLOCK):
    return MeterSample(at, context, values)


def one(value):
    (rendered,) = metering.meter_values([sample(value)], NOW)
    return rendered["sampledValue"][0]


def test_words_are_those_of_the_schema():
    text = files("ocpp").joinpath("v201", "schemas", "MeterValuesRequest.json").read_text("utf-8-sig")
    definitions = json.loads(text)["definitions"]
    assert set(definitions["MeasurandEnumType"]["enum"]) == metering.MEASURANDS
    assert set(definitions["PhaseEnumType"]["enum"]) == set(PHASES)
    assert set(definitions["ReadingContextEnumType"]["enum"]) == {context.value for context in ReadingContext}


def test_meter_values(valid):  # TC_J_01, J01.FR.14; evseId 0 is the main meter
    values = (SampledValue(ENERGY, 1234.0, "Wh"), SampledValue("Voltage", 230.1, "V", phase="L1-N"))
    (frame,) = metering.notice(MeterNotice(0, (sample(*values),)), NOW)
    assert frame.action == "MeterValues"
    assert valid("MeterValuesRequest", frame.payload) == {
        "evseId": 0,
        "meterValue": [
            {
                "timestamp": "2025-06-15T15:06:40.000Z",
                "sampledValue": [
                    {"value": 1234, "context": "Sample.Clock", "measurand": ENERGY},
                    {
                        "value": 230.1,
                        "context": "Sample.Clock",
                        "measurand": "Voltage",
                        "phase": "L1-N",
                        "unitOfMeasure": {"unit": "V"},
                    },
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    "value",
    [
        SampledValue("Temperature", 20.0, "Celsius"),  # 1.6 only
        SampledValue(ENERGY, float("nan"), "Wh"),
        SampledValue(ENERGY, float("inf"), "Wh"),
        SampledValue("Voltage", 230.0, "V", phase="L9"),
    ],
)
def test_what_has_no_word_is_left_out_and_nothing_empty_is_sent(value):
    assert metering.meter_values([sample(value), sample()], NOW) == []
    assert metering.notice(MeterNotice(1, (sample(value),)), NOW) == []
    good = SampledValue(ENERGY, 1.0, "Wh")
    (rendered,) = metering.meter_values([sample(value, good)], NOW)
    assert len(rendered["sampledValue"]) == 1


def test_a_reading_from_before_the_clock_was_known_gets_its_right_time():
    early = Now(mono=900.0, wall=12.0, boot=3, trusted=False)
    (rendered,) = metering.meter_values([sample(SampledValue(ENERGY, 1.0, "Wh"), at=early)], NOW)
    assert rendered["timestamp"] == "2025-06-15T15:05:00.000Z"


def test_signed_values(valid):  # TC_J_04, TC_J_11, J01.FR.21
    ocmf = 'OCMF|{"FV":"1.0"}|{"SD":"00"}'
    signed = one(SampledValue(ENERGY, 1.0, "Wh", signed=ocmf))["signedMeterValue"]
    assert base64.b64decode(signed["signedMeterData"]).decode() == ocmf
    assert (signed["encodingMethod"], signed["signingMethod"], signed["publicKey"]) == ("OCMF", "", "")
    keyed = one(SampledValue(ENERGY, 1.0, "Wh", signed=ocmf, public_key="3059"))["signedMeterValue"]
    assert base64.b64decode(keyed["publicKey"]).decode() == "oca:base16:asn1:3059"
    (frame,) = metering.notice(MeterNotice(1, (sample(SampledValue(ENERGY, 1.0, "Wh", signed=ocmf)),)), NOW)
    valid("MeterValuesRequest", frame.payload)
    assert one(SampledValue(ENERGY, 1.0, "Wh", signed="QUJD"))["signedMeterValue"]["signedMeterData"] == "QUJD"
    assert "signedMeterValue" not in one(SampledValue(ENERGY, 1.0, "Wh", signed="A" * 2501))
