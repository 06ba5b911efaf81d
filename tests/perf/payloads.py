"""The messages that everything is measured with: real ones in size and shape."""

from __future__ import annotations

from typing import Any

STAMP = "2026-01-01T12:00:00.000Z"


def boot() -> dict[str, Any]:
    return {
        "reason": "PowerUp",
        "chargingStation": {
            "model": "Simulator",
            "vendorName": "Pilotwire",
            "serialNumber": "SIM-1",
            "firmwareVersion": "1.0.0",
        },
    }


def transaction_event() -> dict[str, Any]:
    """TransactionEvent with 12 samples, about 2 kB."""
    samples = [
        _sample("Energy.Active.Import.Register", 12_345.6, "Wh"),
        _sample("Power.Active.Import", 11_040.0, "W"),
        _sample("Power.Offered", 11_040, "W"),
        _sample("Frequency", 50.01, "Hz"),
        _sample("SoC", 54.3, "Percent"),
        _sample("Current.Offered", 16.0, "A"),
        *(_sample("Current.Import", 15.9, "A", phase) for phase in ("L1", "L2", "L3")),
        *(_sample("Voltage", 229.7, "V", phase) for phase in ("L1-N", "L2-N", "L3-N")),
    ]
    return {
        "eventType": "Updated",
        "timestamp": STAMP,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 17,
        "offline": False,
        "numberOfPhasesUsed": 3,
        "cableMaxCurrent": 32,
        "transactionInfo": {
            "transactionId": "dba810df-7bae-4a29-ae19-88163007bbae",
            "chargingState": "Charging",
            "timeSpentCharging": 1020,
        },
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"},
        "meterValue": [{"timestamp": STAMP, "sampledValue": samples}],
    }


def _sample(measurand: str, value: float, unit: str, phase: str | None = None) -> dict[str, Any]:
    sample = {
        "value": value,
        "context": "Sample.Periodic",
        "measurand": measurand,
        "location": "Outlet",
        "unitOfMeasure": {"unit": unit, "multiplier": 0},
    }
    return sample if phase is None else {**sample, "phase": phase}


def charging_profile() -> dict[str, Any]:
    """SetChargingProfile with 24 periods, about 1.5 kB."""
    periods = [{"startPeriod": 3600 * hour, "limit": 16.1 + hour % 6, "numberPhases": 3} for hour in range(24)]
    return {
        "evseId": 1,
        "chargingProfile": {
            "id": 4711,
            "stackLevel": 3,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "validFrom": STAMP,
            "chargingSchedule": [
                {
                    "id": 1,
                    "startSchedule": STAMP,
                    "duration": 86_400,
                    "chargingRateUnit": "A",
                    "minChargingRate": 6.0,
                    "chargingSchedulePeriod": periods,
                }
            ],
        },
    }


# What is asked, and what is answered. Who asks: SetChargingProfile is the CSMS's.
REQUESTS: dict[str, dict[str, Any]] = {
    "Heartbeat": {},
    "TransactionEvent": transaction_event(),
    "SetChargingProfile": charging_profile(),
}
ANSWERS: dict[str, dict[str, Any]] = {
    "Heartbeat": {"currentTime": STAMP},
    "TransactionEvent": {},
    "SetChargingProfile": {"status": "Accepted"},
}
WORDS = {
    "Heartbeat": "Heartbeat",
    "TransactionEvent": "TransactionEvent, 12 samples",
    "SetChargingProfile": "SetChargingProfile, 24 periods",
}
FROM_CSMS = frozenset({"SetChargingProfile"})
