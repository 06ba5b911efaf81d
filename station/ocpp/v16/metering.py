"""Readings in the words of 1.6 (section 4.7, classes MeterValue and SampledValue)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from station.clock import Now, best_wall, iso
from station.core.effects import MeterNotice
from station.core.types import MeterSample, ReadingContext, SampledValue
from station.ocpp.dialect import Frame, Payload, Services

MEASURANDS = frozenset(
    {
        "Current.Export",
        "Current.Import",
        "Current.Offered",
        "Energy.Active.Export.Interval",
        "Energy.Active.Export.Register",
        "Energy.Active.Import.Interval",
        "Energy.Active.Import.Register",
        "Energy.Reactive.Export.Interval",
        "Energy.Reactive.Export.Register",
        "Energy.Reactive.Import.Interval",
        "Energy.Reactive.Import.Register",
        "Frequency",
        "Power.Active.Export",
        "Power.Active.Import",
        "Power.Factor",
        "Power.Offered",
        "Power.Reactive.Export",
        "Power.Reactive.Import",
        "RPM",
        "SoC",
        "Temperature",
        "Voltage",
    }
)
"""Measurands that 1.6 has a word for; readings of others are left out."""

# Hertz is missing on purpose: the specification lists no unit for Frequency, and CSMSs refuse the frame that has one.
_UNITS = frozenset(
    {"Wh", "kWh", "varh", "kvarh", "W", "kW", "VA", "kVA", "var", "kvar", "A", "V", "K", "Celsius", "Percent"}
)
_PHASES = frozenset({"L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"})


def number(value: float) -> str:
    """Decimal text without padding or exponent, three decimals at most: 230.0 -> "230"."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def meter_values(samples: Iterable[MeterSample], evse: int, now: Now) -> list[Payload]:
    """MeterValue elements of one EVSE (0: main meter). Elements without a value that 1.6 can tell are left out."""
    found = []
    for sample in samples:
        values = [v for value in sample.values for v in _sampled(value, sample.context, evse)]
        if values:
            found.append({"timestamp": iso(best_wall(sample.at, now)), "sampledValue": values})
    return found


def notice(body: MeterNotice, services: Services) -> list[Frame]:
    """MeterValues outside the transaction record, with the transaction that runs on the EVSE when it has an id."""
    values = meter_values(body.samples, body.evse, services.now())
    if not values:
        return []
    payload: Payload = {"connectorId": body.evse, "meterValue": values}
    # Errata 3.16: the id of the transaction that is ongoing there; never one for the main meter.
    transaction = _csms_id(body.evse, services) if body.evse else None
    if transaction is not None:
        payload["transactionId"] = transaction
    return [Frame("MeterValues", payload)]


def _csms_id(evse: int, services: Services) -> int | None:
    for view in services.view().evses:
        if view.evse == evse and view.transaction is not None:
            found = services.tx_context(view.transaction.tx_id).get("csms_id")
            return found if isinstance(found, int) else None
    return None


def _sampled(value: SampledValue, context: ReadingContext, evse: int) -> list[Payload]:
    """The SampledValue elements of one value: the number, and the meter's signature over it when there is one."""
    if value.measurand not in MEASURANDS or not math.isfinite(value.value):
        return []
    common: Payload = {"context": context.value, "measurand": value.measurand, "location": _location(value, evse)}
    if value.phase in _PHASES:
        common["phase"] = value.phase
    plain = {"value": number(value.value), "format": "Raw", **common}
    if value.unit in _UNITS:
        plain["unit"] = value.unit
    if value.signed is None:
        return [plain]
    return [plain, {"value": value.signed, "format": "SignedData", **common}]


def _location(value: SampledValue, evse: int) -> str:
    if value.measurand == "SoC":
        return "EV"
    return "Outlet" if evse else "Inlet"
