"""OCTT cases of block J for a 2.0.1 station: clock-aligned and sampled meter values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from station.ocpp.v201.fields import read_time
from tests.conformance.stage201 import Payload, Stage201, octt, readings

ALIGNED = "AlignedDataCtrlr"
SAMPLED = "SampledDataCtrlr"
REGISTER = "Energy.Active.Import.Register"
MEASURANDS = f"{REGISTER},Power.Active.Import,Voltage"
TEN = {f"{ALIGNED}.Interval": "10", f"{ALIGNED}.Measurands": MEASURANDS}
NO_UPDATES = {f"{SAMPLED}.TxUpdatedInterval": "0"}


def _times(samples: Sequence[Payload]) -> list[float]:
    """Timestamps of MeterValueTypes, in seconds."""
    found = [read_time(sample["timestamp"]) for sample in samples]
    assert all(time is not None for time in found)
    return [time for time in found if time is not None]


def _steps(times: Sequence[float]) -> set[int]:
    return {round(later - earlier) for earlier, later in itertools.pairwise(times)}


def _complete(values: Sequence[Payload], measurands: str = MEASURANDS) -> None:
    """Every configured measurand is there, and no other."""
    assert {value.get("measurand", REGISTER) for value in values} == set(measurands.split(","))


async def _ended(stage: Stage201) -> Payload:
    """The session ends; returns the event that says so."""
    stage.swipe()
    end = await stage.event(kind="Ended")
    await stage.leave()
    return end


def _signed(values: Sequence[Payload]) -> None:
    assert values
    for value in values:
        record = value["signedMeterValue"]
        assert record["signedMeterData"]
        assert record["encodingMethod"] == "OCMF"
        assert "publicKey" in record


# --- clock-aligned --------------------------------------------------------------------------------------------------


@octt(TEN)
async def test_tc_j_01_aligned_without_transaction(stage: Stage201) -> None:
    """Every EVSE reports at the same moments, which are whole intervals of the day (J01.FR.06)."""
    await stage.rest(45.0)
    for evse in (1, 2):
        mine = [values for values in stage.calls("MeterValues") if values["evseId"] == evse]
        assert len(mine) >= 3
        for values in mine:
            _complete(readings(values, "Sample.Clock"))
        times = _times([values["meterValue"][0] for values in mine])
        assert _steps(times) == {10}
        assert all(round(time) % 10 == 0 for time in times)


@octt({**TEN, **NO_UPDATES})
async def test_tc_j_02_aligned_with_transaction(stage: Stage201) -> None:
    """In a transaction they travel in its events, elsewhere in MeterValues."""
    await stage.charging(1)
    stage.from_now()
    await stage.rest(45.0)
    clock = [event for event in stage.events(1) if event["triggerReason"] == "MeterValueClock"]
    assert len(clock) >= 3
    for event in clock:
        _complete(readings(event, "Sample.Clock"))
    assert _steps(_times([event["meterValue"][0] for event in clock])) == {10}
    assert {values["evseId"] for values in stage.calls("MeterValues")} == {2}


@octt(
    {
        f"{ALIGNED}.TxEndedInterval": "10",
        f"{ALIGNED}.TxEndedMeasurands": MEASURANDS,
        f"{SAMPLED}.TxEndedMeasurands": "",
        **NO_UPDATES,
    }
)
async def test_tc_j_03_aligned_at_the_end(stage: Stage201) -> None:
    """What was collected at clock times is told at the end (E06.FR.11)."""
    await stage.charging()
    await stage.rest(45.0)
    end = await _ended(stage)
    samples = end["meterValue"]
    assert {value["context"] for sample in samples for value in sample["sampledValue"]} == {"Sample.Clock"}
    for sample in samples:
        _complete(sample["sampledValue"])
    assert len(samples) >= 4
    assert _steps(_times(samples)) == {10}


@octt(
    {
        f"{ALIGNED}.TxEndedInterval": "10",
        f"{ALIGNED}.TxEndedMeasurands": REGISTER,
        f"{ALIGNED}.SignReadings": "true",
        **NO_UPDATES,
    }
)
async def test_tc_j_04_aligned_signed(stage: Stage201) -> None:
    """J01.FR.21: with the meter's signature."""
    await stage.signing_meters()
    await stage.charging()
    await stage.rest(35.0)
    _signed(readings(await _ended(stage), "Sample.Clock"))


@octt({**TEN, f"{ALIGNED}.SendDuringIdle": "true", **NO_UPDATES})
async def test_tc_j_06_no_aligned_values_during_transaction(stage: Stage201) -> None:
    """J01.FR.19: only where no transaction runs; before and after it they come."""

    def mine() -> list[Payload]:
        return [values for values in stage.calls("MeterValues") if values["evseId"] == 1]

    await stage.told("MeterValues", evseId=1)
    await stage.charging()
    stage.from_now()
    await stage.rest(45.0)
    assert mine() == []
    assert [event for event in stage.events() if readings(event, "Sample.Clock")] == []
    await _ended(stage)
    stage.from_now()
    await stage.rest(15.0)
    assert mine()


# --- sampled --------------------------------------------------------------------------------------------------------


@octt({"TxCtrlr.TxStartPoint": "EVConnected", f"{SAMPLED}.TxStartedMeasurands": MEASURANDS})
async def test_tc_j_07_sampled_at_the_start(stage: Stage201) -> None:
    """The event that starts the transaction tells the meter (J02.FR.01, E02.FR.09)."""
    stage.plug()
    started = await stage.event(kind="Started")
    begin = readings(started, "Transaction.Begin")
    _complete(begin)
    assert next(value["value"] for value in begin if value.get("measurand", REGISTER) == REGISTER) == 12_345.0


@octt({"TxCtrlr.TxStartPoint": "Authorized", f"{SAMPLED}.TxStartedMeasurands": MEASURANDS})
async def test_tc_j_08_sampled_once_the_evse_is_known(stage: Stage201) -> None:
    """Started by a card before the cable: the first event that names an EVSE tells the meter (E01.FR.17)."""
    await stage.authorized()
    stage.plug()
    await stage.flows()
    first = next(event for event in stage.events() if "evse" in event)
    _complete(readings(first, "Transaction.Begin"))
    begun = [event for event in stage.events() if readings(event, "Transaction.Begin")]
    assert begun == [first]


@octt({f"{SAMPLED}.TxUpdatedInterval": "10", f"{SAMPLED}.TxUpdatedMeasurands": MEASURANDS})
async def test_tc_j_09_sampled_during_the_transaction(stage: Stage201) -> None:
    """J02.FR.03, FR.04, FR.11."""
    await stage.charging()
    stage.from_now()
    await stage.rest(45.0)
    periodic = [event for event in stage.events() if event["triggerReason"] == "MeterValuePeriodic"]
    assert len(periodic) >= 4
    for event in periodic:
        assert event["eventType"] == "Updated"
        _complete(readings(event, "Sample.Periodic"))
    assert _steps(_times([event["meterValue"][0] for event in periodic])) == {10}


@octt(
    {
        f"{SAMPLED}.TxEndedInterval": "10",
        f"{SAMPLED}.TxEndedMeasurands": MEASURANDS,
        f"{ALIGNED}.TxEndedMeasurands": "",
        **NO_UPDATES,
    }
)
async def test_tc_j_10_sampled_at_the_end(stage: Stage201) -> None:
    """Beginning, what was collected, and the end (E06.FR.11, J02.FR.10)."""
    await stage.charging()
    await stage.rest(45.0)
    end = await _ended(stage)
    contexts = [sample["sampledValue"][0]["context"] for sample in end["meterValue"]]
    assert contexts[0] == "Transaction.Begin"
    assert contexts[-1] == "Transaction.End"
    assert contexts[1:-1] == ["Sample.Periodic"] * (len(contexts) - 2)
    assert len(contexts) >= 6
    for sample in end["meterValue"]:
        _complete(sample["sampledValue"])
    assert _steps(_times(end["meterValue"][:-1])) == {10}


@octt({f"{SAMPLED}.TxEndedInterval": "10", f"{SAMPLED}.SignReadings": "true", **NO_UPDATES})
async def test_tc_j_11_sampled_signed(stage: Stage201) -> None:
    """J02.FR.21: with the meter's signature."""
    await stage.signing_meters()
    await stage.charging()
    await stage.rest(35.0)
    end = await _ended(stage)
    _signed(readings(end, "Sample.Periodic"))
    _signed(readings(end, "Transaction.End"))
