"""Sampled values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.clock import Now
from station.core.effects import MeterNotice
from station.core.types import MeterSample, ReadingContext, SampledValue
from station.ocpp.v16 import metering

NOW = Now(1000.0, 1_790_000_000.0)


def sample(*values, context=ReadingContext.SAMPLE_PERIODIC):
    return MeterSample(NOW, context, tuple(values))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (-0.0001, "0"), (230.0, "230"), (0.1 + 0.2, "0.3"), (16.05, "16.05"), (1e7, "10000000")],
)
def test_values_are_strings_without_padding(value, text):
    """Quirk 15: " 0.0" is refused."""
    assert metering.number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_number_says_the_same_value(value):
    text = metering.number(value)
    assert math.isclose(float(text), value, abs_tol=0.0006)
    assert "e" not in text


def test_tc_070_all_quantities_in_1_6_words(rig):
    values = (
        SampledValue("Energy.Active.Import.Register", 1234.5, "Wh"),
        SampledValue("Power.Active.Import", 11000.0, "W"),
        SampledValue("Current.Import", 16.0, "A", "L1"),
        SampledValue("Voltage", 230.1, "V", "L1-N"),
        SampledValue("Frequency", 50.0, "Hz"),
        SampledValue("SoC", 55.0, "Percent"),
        SampledValue("Temperature", 31.0, "Celsius"),
    )
    [frame] = rig.dialect.notice(MeterNotice(1, (sample(*values),)), rig.services)
    payload = rig.check(frame)
    [element] = payload["meterValue"]
    told = {v["measurand"]: (v["value"], v.get("unit"), v.get("phase"), v["location"]) for v in element["sampledValue"]}
    assert told == {
        "Energy.Active.Import.Register": ("1234.5", "Wh", None, "Outlet"),
        "Power.Active.Import": ("11000", "W", None, "Outlet"),
        "Current.Import": ("16", "A", "L1", "Outlet"),
        "Voltage": ("230.1", "V", "L1-N", "Outlet"),
        "Frequency": ("50", None, None, "Outlet"),  # quirk 5: Hertz is no unit of 1.6
        "SoC": ("55", "Percent", None, "EV"),
        "Temperature": ("31", "Celsius", None, "Outlet"),
    }
    assert {v["context"] for v in element["sampledValue"]} == {"Sample.Periodic"}


@pytest.mark.parametrize("context", list(ReadingContext))
def test_tc_071_every_context_is_legal(rig, context):
    body = MeterNotice(0, (sample(SampledValue("Voltage", 230.0, "V"), context=context),))
    [frame] = rig.dialect.notice(body, rig.services)
    assert rig.check(frame)["meterValue"][0]["sampledValue"][0]["context"] == context.value


@pytest.mark.parametrize(
    "samples",
    [
        (),
        (sample(),),
        (sample(SampledValue("Energy.Active.Setpoint.Whatever", 1.0, "Wh")),),
        (sample(SampledValue("Voltage", math.nan, "V"), SampledValue("Voltage", math.inf, "V")),),
    ],
)
def test_without_a_value_there_is_no_message(rig, samples):
    assert rig.dialect.notice(MeterNotice(1, samples), rig.services) == []


def test_a_signed_record_goes_with_its_value_untouched(rig):
    body = MeterNotice(1, (sample(SampledValue("Energy.Active.Import.Register", 5.0, "Wh", signed="OCMF|{}|{}")),))
    [frame] = rig.dialect.notice(body, rig.services)
    plain, signed = rig.check(frame)["meterValue"][0]["sampledValue"]
    assert (plain["value"], plain["format"]) == ("5", "Raw")
    assert (signed["value"], signed["format"]) == ("OCMF|{}|{}", "SignedData")


@pytest.mark.parametrize(
    ("context", "told"), [({"csms_id": 0}, 0), ({"csms_id": 9}, 9), ({"csms_id": None}, None), ({}, None)]
)
def test_errata_3_16_values_name_the_running_transaction(rig, context, told):
    """Quirk 15: samples without transactionId are dropped by a CSMS."""
    rig.services.evses = [rig.evse_view(1, tx_id="tx"), rig.evse_view(2)]
    rig.services.contexts["tx"] = context
    voltage = (sample(SampledValue("Voltage", 230.0, "V")),)
    for evse in (0, 1, 2):
        [frame] = rig.dialect.notice(MeterNotice(evse, voltage), rig.services)
        payload = rig.check(frame)
        assert payload["connectorId"] == evse
        assert payload.get("transactionId") == (told if evse == 1 else None)


def test_the_main_meter_measures_at_the_inlet(rig):
    [frame] = rig.dialect.notice(MeterNotice(0, (sample(SampledValue("Voltage", 230.0, "V")),)), rig.services)
    assert rig.check(frame)["meterValue"][0]["sampledValue"][0]["location"] == "Inlet"
