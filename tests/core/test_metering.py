"""`station.core.metering`: the plan (J01, J02) and what becomes of readings."""

from __future__ import annotations

import pytest

from hal.api import MeterRead, MeterReading
from station.core import metering
from station.core.effects import ReadMeter
from station.core.events import ClockStepped
from station.core.types import ReadingContext
from tests.core.rig import WALL, Rig


def contexts(rig: Rig) -> list[str]:
    return [sample.context.value for sample in rig.last.samples]


def test_periodic_facts() -> None:
    """TC_J_09, TC_070."""
    rig = Rig(overrides={"SampledDataCtrlr.TxUpdatedInterval": "30"})
    rig.charge()
    before = len(rig.facts)
    rig.wait(95)
    assert [t for _, t in rig.story()[before:]] == ["MeterValuePeriodic"] * 3
    assert [s.context for s in rig.last.samples] == [ReadingContext.SAMPLE_PERIODIC]


def test_samples_for_the_end() -> None:
    """TC_J_10: begin, the interval, end."""
    rig = Rig(overrides={"SampledDataCtrlr.TxEndedInterval": "60", "SampledDataCtrlr.TxUpdatedInterval": "0"})
    rig.charge()
    rig.wait(185)
    rig.swipe()
    assert contexts(rig) == ["Transaction.Begin", *["Sample.Periodic"] * 3, "Transaction.End"]


def test_clock_aligned_samples_for_the_end() -> None:
    """TC_J_03: AlignedDataCtrlr.TxEndedInterval and TxEndedMeasurands."""
    rig = Rig(
        overrides={
            "AlignedDataCtrlr.TxEndedInterval": "900",
            "AlignedDataCtrlr.TxEndedMeasurands": "Energy.Active.Import.Register",
        }
    )
    rig.charge()
    rig.wait(1800)
    rig.swipe()
    assert contexts(rig) == ["Transaction.Begin", "Sample.Clock", "Sample.Clock", "Transaction.End"]
    assert all(s.at.wall % 900 < 1 for s in rig.last.samples if s.context is ReadingContext.SAMPLE_CLOCK)


@pytest.mark.parametrize("idle_only", [True, False])
def test_clock_aligned(idle_only: bool) -> None:
    """TC_J_01, TC_J_02, TC_J_06, TC_071; J01.FR.19."""
    rig = Rig(
        evses=2,
        overrides={"AlignedDataCtrlr.Interval": "300", "AlignedDataCtrlr.SendDuringIdle": str(idle_only).lower()},
    )
    rig.charge(1)
    rig.wait(601)
    clock = [f for f in rig.facts if f.trigger.value == "MeterValueClock"]
    assert len(clock) == (0 if idle_only else 2)
    outside = [b for b in rig.notices(2) if hasattr(b, "samples")]
    assert len(outside) == 2
    assert all(b.samples[0].at.wall % 300 < 1 for b in outside)


def test_each_moment_once_however_the_timer_rounds() -> None:
    """A timer that fires a hair early still means its own moment."""
    rig = Rig(overrides={"AlignedDataCtrlr.Interval": "300"})
    for _ in range(3):
        due = rig.station.next_deadline()
        assert due is not None
        rig.mono = due - 1e-4
        rig._take(rig.station.advance(rig.now()))
        rig.mono = due
        rig._take(rig.station.advance(rig.now()))
        rig.mono += 1
    moments = [b.samples[0].at.wall // 300 for b in rig.notices(1) if hasattr(b, "samples")]
    assert len(moments) == len(set(moments)) == 3


def test_a_stepped_clock_moves_the_aligned_moment() -> None:
    rig = Rig(overrides={"AlignedDataCtrlr.Interval": "3600"})
    before = rig.station.next_deadline()
    rig.mono += 0.0
    rig.send(ClockStepped(100.0))
    assert rig.station.next_deadline() == before, "same clock, same moment"
    assert (WALL + (before or 0)) % 3600 == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("component", ["SampledDataCtrlr", "AlignedDataCtrlr"])
def test_switched_off(component: str) -> None:
    rig = Rig(overrides={f"{component}.Enabled": "false", "AlignedDataCtrlr.Interval": "300"})
    rig.charge()
    rig.wait(900)
    rig.swipe()
    told = {context for f in rig.facts for context in [s.context for s in f.samples]}
    if component == "SampledDataCtrlr":
        assert told == {ReadingContext.SAMPLE_CLOCK}
    else:
        assert ReadingContext.SAMPLE_CLOCK not in told


@pytest.mark.parametrize("signs", ["true", "false"])
def test_signed_readings(signs: str) -> None:
    """TC_J_11, J02.FR.21."""
    rig = Rig(overrides={"SampledDataCtrlr.SignReadings": signs})
    rig.charge()
    rig.send(MeterRead(1, MeterReading(1001.0, signed="OCMF|x")))
    rig.meter = "silent"
    rig.swipe()
    rig.wait(3)
    signed = [v.signed for s in rig.last.samples for v in s.values if v.measurand.startswith("Energy")]
    assert signed[-1] == ("OCMF|x" if signs == "true" else None)


def test_the_first_signed_reading_starts_the_transaction() -> None:
    """TC_E_11, E01.FR.04; no energy before."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "DataSigned", "SampledDataCtrlr.SignReadings": "true"})
    rig.plug()
    before = len(rig.effects)
    rig.swipe()
    assert ReadMeter(1) in rig.effects[before:], "it is asked for"
    assert rig.facts == []
    rig.send(MeterRead(1, MeterReading(1000.0, signed="OCMF|x")))
    assert rig.story() == [("Started", "SignedDataReceived")]
    rig.pilot(rig.station.view(rig.now()).evse(1).pilot)
    assert rig.last.token is not None


def test_nothing_is_polled_while_nothing_flows() -> None:
    rig = Rig()
    before = rig.effects.count(ReadMeter(1))
    rig.wait(3600)
    assert rig.effects.count(ReadMeter(1)) == before
    rig.charge()
    rig.wait(51)
    assert rig.effects.count(ReadMeter(1)) - before >= 10


def test_when_it_is_over_the_meter_is_looked_at_once_more() -> None:
    """The register is final when the contactor opens, but a meter shows the power of the last second a little longer."""
    rig = Rig()
    rig.charge()
    rig.wait(51)
    rig.swipe()
    rig.unplug()
    before = rig.effects.count(ReadMeter(1))
    rig.wait(3600)
    assert rig.effects.count(ReadMeter(1)) == before + 1


def test_a_meter_that_failed_once_is_asked_again() -> None:
    rig = Rig(meter="fails")
    rig.meter = "works"
    rig.plug()
    assert rig.last.register_wh is None
    rig.wait(metering.RETRY_S)
    rig.unplug()
    assert rig.last.register_wh == 1000.0
