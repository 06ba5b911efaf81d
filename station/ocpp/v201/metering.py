"""Block J: sampled values in transactions (J02) and MeterValues outside of them (J01)."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable

from station.clock import Now, best_wall, iso
from station.core.effects import MeterNotice
from station.core.types import MeterSample, SampledValue
from station.core.variables import PHASES
from station.ocpp.dialect import Frame, Payload
from station.ocpp.v201.fields import cut, number

MEASURANDS = frozenset(
    {
        "Current.Export",
        "Current.Import",
        "Current.Offered",
        "Energy.Active.Export.Register",
        "Energy.Active.Import.Register",
        "Energy.Reactive.Export.Register",
        "Energy.Reactive.Import.Register",
        "Energy.Active.Export.Interval",
        "Energy.Active.Import.Interval",
        "Energy.Active.Net",
        "Energy.Reactive.Export.Interval",
        "Energy.Reactive.Import.Interval",
        "Energy.Reactive.Net",
        "Energy.Apparent.Net",
        "Energy.Apparent.Import",
        "Energy.Apparent.Export",
        "Frequency",
        "Power.Active.Export",
        "Power.Active.Import",
        "Power.Factor",
        "Power.Offered",
        "Power.Reactive.Export",
        "Power.Reactive.Import",
        "SoC",
        "Voltage",
    }
)
_DEFAULT_UNIT = "Wh"
_SIGNED_DATA = 2500
# How OCA writes a key: base 16 of its ASN.1 (Signed Meter Values in OCPP, 3.2.2 and 5.3).
_KEY_PREFIX = "oca:base16:asn1:"


def meter_values(samples: Iterable[MeterSample], now: Now) -> list[Payload]:
    """MeterValueType per sample. Empty samples vanish: CSMSs refuse an empty sampledValue."""
    rendered = []
    for sample in samples:
        values = [
            value for value in (_sampled(one, sample.context.value) for one in sample.values) if value is not None
        ]
        if values:
            rendered.append({"timestamp": iso(best_wall(sample.at, now)), "sampledValue": values})
    return rendered


def notice(body: MeterNotice, now: Now) -> list[Frame]:
    """J01: EVSE 0 is the main meter. Nothing measured, nothing sent."""
    values = meter_values(body.samples, now)
    return [Frame("MeterValues", {"evseId": body.evse, "meterValue": values})] if values else []


def _sampled(value: SampledValue, context: str) -> Payload | None:
    """SampledValueType; None for what 2.0.1 has no word for and for what is no number in JSON."""
    known = value.measurand in MEASURANDS and (value.phase is None or value.phase in PHASES)
    if not known or not math.isfinite(value.value):
        return None
    wire: Payload = {"value": number(value.value), "context": context, "measurand": value.measurand}
    if value.phase is not None:
        wire["phase"] = value.phase
    if value.unit and value.unit != _DEFAULT_UNIT:
        wire["unitOfMeasure"] = {"unit": cut(value.unit, 20)}
    signed = None if value.signed is None else _signed(value.signed, value.public_key)
    if signed is not None:
        wire["signedMeterValue"] = signed
    return wire


def _signed(text: str, public_key: str) -> Payload | None:
    """SignedMeterValueType (J01.FR.21, J02.FR.21). OCMF travels as Base64; anything else is taken as encoded already.

    public_key: DER in hex, or empty. What does not fit is left out: half a signature proves nothing.
    """
    ocmf = text.startswith("OCMF|")
    data = base64.b64encode(text.encode()).decode() if ocmf else text
    if len(data) > _SIGNED_DATA:
        return None
    # All four fields are mandatory. OCMF names its method itself: then it is empty here (Signed Meter Values in OCPP, table 12).
    return {
        "signedMeterData": data,
        "signingMethod": "",
        "encodingMethod": "OCMF" if ocmf else "",
        "publicKey": base64.b64encode(f"{_KEY_PREFIX}{public_key}".encode()).decode() if public_key else "",
    }
