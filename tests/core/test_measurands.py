"""Meter readings as sampled values, and the clock of aligned readings."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import MeterReading
from station.core.measurands import ONLY_1_6, aligned, parse, sample, split_phase, supported
from station.core.types import SampledValue

READING = MeterReading(
    energy_import_wh=12345.0,
    energy_export_wh=5.5,
    power_w=11003.26,
    current_a=(16.004, 15.9, 16.1),
    voltage_v=(230.12, 229.0, 231.0),
    power_phase_w=(3680.0, 3640.0, 3683.26),
    frequency_hz=50.012,
    soc_percent=47.0,
    temperature_c=31.0,
    signed="OCMF|{}|{}",
)
ONE_PHASE = MeterReading(energy_import_wh=0.04, power_w=-0.02, current_a=(0.0,), voltage_v=(230.0,))


def take(*measurands: str, reading: MeterReading = READING, signed: bool = False) -> list[tuple[object, ...]]:
    values = sample(measurands, reading, offered_a=16.0, phases=3, voltage_v=230.0, signed=signed)
    return [(v.measurand, v.value, v.unit, v.phase) for v in values]


def test_totals() -> None:
    assert take("Energy.Active.Import.Register") == [("Energy.Active.Import.Register", 12345, "Wh", None)]
    assert take("Power.Active.Import") == [("Power.Active.Import", 11003.3, "W", None)]
    assert take("Power.Offered", "Current.Offered") == [
        ("Power.Offered", 11040, "W", None),
        ("Current.Offered", 16, "A", None),
    ]
    assert take("SoC", "Frequency", "Temperature") == [
        ("SoC", 47, "Percent", None),
        ("Frequency", 50.01, "Hz", None),
        ("Temperature", 31, "Celsius", None),
    ]


def test_current_and_voltage_come_per_phase() -> None:
    assert take("Current.Import") == [
        ("Current.Import", 16, "A", "L1"),
        ("Current.Import", 15.9, "A", "L2"),
        ("Current.Import", 16.1, "A", "L3"),
    ]
    assert [row[3] for row in take("Voltage")] == ["L1-N", "L2-N", "L3-N"]
    assert [row[3] for row in take("Voltage", "Current.Import", reading=ONE_PHASE)] == ["L1-N", "L1"]


def test_a_phase_in_the_name_gives_that_phase_alone() -> None:
    assert take("Voltage.L2-N", "Voltage.L3") == [("Voltage", 229, "V", "L2-N"), ("Voltage", 231, "V", "L3-N")]
    assert take("Power.Active.Import.L1") == [("Power.Active.Import", 3680, "W", "L1")]
    assert take("Energy.Active.Import.Register.L1") == [], "the meter has no register per phase"
    assert take("Current.Import", "Current.Import.L1") == take("Current.Import"), "no value is sent twice"


def test_the_order_asked_for_is_kept_and_the_unknown_is_left_out() -> None:
    assert [row[0] for row in take("SoC", "RPM", "Frequency")] == ["SoC", "Frequency"]


def test_what_the_meter_does_not_know_is_left_out() -> None:
    assert sample(supported(), MeterReading(1.0), offered_a=0, phases=1, voltage_v=230) == (
        SampledValue("Energy.Active.Import.Register", 1, "Wh"),
        SampledValue("Power.Offered", 0, "W"),
        SampledValue("Current.Offered", 0, "A"),
    )


def test_power_is_summed_when_the_meter_gives_phases_only() -> None:
    assert take("Power.Active.Import", reading=replace(READING, power_w=None))[0][1] == 11003.3


def test_power_flows_one_way_per_measurand() -> None:
    exporting = replace(READING, power_w=-5000.0)
    assert take("Power.Active.Import", "Power.Active.Export", reading=exporting) == [
        ("Power.Active.Import", 0, "W", None),
        ("Power.Active.Export", 5000, "W", None),
    ]
    assert take("Power.Active.Export")[0][1] == 0


def test_the_signed_record_goes_with_the_register_when_asked_for() -> None:
    measurands = ["Energy.Active.Import.Register", "SoC"]
    plain = sample(measurands, READING, offered_a=0, phases=3, voltage_v=230)
    signed = sample(measurands, READING, offered_a=0, phases=3, voltage_v=230, signed=True)
    assert [v.signed for v in plain] == [None, None]
    assert [v.signed for v in signed] == ["OCMF|{}|{}", None]


def test_a_broken_number_is_not_sent() -> None:
    assert take("SoC", "Voltage", reading=replace(READING, soc_percent=math.nan, voltage_v=(math.inf, 230.0))) == [
        ("Voltage", 230, "V", "L2-N")
    ]


NUMBERS = st.floats(-1e7, 1e7)
READINGS = st.builds(
    MeterReading,
    energy_import_wh=st.floats(0, 1e10),
    energy_export_wh=st.none() | NUMBERS,
    power_w=st.none() | NUMBERS,
    current_a=st.lists(NUMBERS, max_size=3).map(tuple),
    voltage_v=st.lists(NUMBERS, max_size=3).map(tuple),
    power_phase_w=st.lists(NUMBERS, max_size=3).map(tuple),
    frequency_hz=st.none() | NUMBERS,
    soc_percent=st.none() | NUMBERS,
    temperature_c=st.none() | NUMBERS,
)


@given(READINGS, st.floats(0, 500), st.sampled_from([1, 3]))
def test_values_are_fit_for_the_wire(reading: MeterReading, offered_a: float, phases: int) -> None:
    values = sample(supported(), reading, offered_a=offered_a, phases=phases, voltage_v=230.0)
    assert len({(v.measurand, v.phase) for v in values}) == len(values)
    for value in values:
        text = json.dumps(value.value, allow_nan=False)
        assert not text.endswith(".0")
        assert text not in {"-0", "-0.0"}
        assert "e" not in text
        assert len(text.partition(".")[2]) <= 2
        assert not (value.measurand.startswith("Power") and value.value < 0)


def test_parsing_a_list() -> None:
    assert parse(" SoC,Voltage.L1-N , SoC,") == ("SoC", "Voltage.L1-N")
    assert parse("") == ()
    assert parse(",".join(supported())) == supported()
    with pytest.raises(ValueError, match=r"Energy\.Reactive\.Net"):
        parse("SoC,Energy.Reactive.Net")


def test_phases_of_names() -> None:
    assert split_phase("Voltage.L1-N") == ("Voltage", "L1-N")
    assert split_phase("Current.Import") == ("Current.Import", None)
    assert split_phase("SoC") == ("SoC", None)
    assert set(supported()) > ONLY_1_6


# --- aligned ---


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "interval", "then"),
    [
        ("2024-05-01T10:07:30", 900, "2024-05-01T10:15:00"),
        ("2024-05-01T10:15:00", 900, "2024-05-01T10:30:00"),  # strictly later
        ("2024-05-01T00:00:00", 60, "2024-05-01T00:01:00"),
        ("2024-05-01T23:59:59", 900, "2024-05-02T00:00:00"),
        ("2024-05-01T23:40:00", 7 * 3600, "2024-05-02T00:00:00"),  # 0, 7, 14, 21 and then midnight again
        ("2024-05-01T08:00:00", 7 * 3600, "2024-05-01T14:00:00"),
        ("2024-05-01T08:00:00", 86400, "2024-05-02T00:00:00"),
        ("2024-05-01T08:00:00", 10 * 86400, "2024-05-02T00:00:00"),
    ],
)
def test_aligned_moments(now: str, interval: int, then: str) -> None:
    assert aligned(at(now), interval) == at(then)


@given(st.floats(0, 4e9), st.integers(1, 200_000))
def test_aligned_is_the_next_multiple_since_midnight(wall: float, interval: int) -> None:
    then = aligned(wall, interval)
    assert wall < then <= wall + min(interval, 86400)
    assert (then % 86400) % interval == 0
    assert aligned(math.nextafter(then, 0), interval) == then


@pytest.mark.parametrize("interval", [0, -60])
def test_no_interval_has_no_next_moment(interval: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        aligned(0.0, interval)
