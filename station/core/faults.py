"""What each fault does to energy and to a running transaction, in one table.

Whatever stops energy does so at once. A fault that a driver can wait out (over-temperature, under-voltage) suspends; one that needs a
person or a repair ends the transaction with the reason OCPP has for it (E06).
"""

from __future__ import annotations

from dataclasses import dataclass

from hal.api import FaultCode
from station.core.types import StopReason


@dataclass(frozen=True, slots=True)
class Policy:
    """`stops_energy`: power off while it lasts, connector Faulted. `ends`: reason with which the transaction ends at once."""

    stops_energy: bool = True
    ends: StopReason | None = None


_SUSPENDS = Policy()
_REPORTED_ONLY = Policy(stops_energy=False)

POLICY: dict[FaultCode, Policy] = {
    FaultCode.CONNECTOR_LOCK_FAILURE: _SUSPENDS,  # G05.FR.02: do not start charging
    FaultCode.GROUND_FAILURE: Policy(ends=StopReason.GROUND_FAULT),
    FaultCode.HIGH_TEMPERATURE: _SUSPENDS,
    FaultCode.OVER_CURRENT_FAILURE: Policy(ends=StopReason.OVERCURRENT_FAULT),
    FaultCode.OVER_VOLTAGE: _SUSPENDS,
    FaultCode.UNDER_VOLTAGE: _SUSPENDS,
    FaultCode.WEAK_SIGNAL: _REPORTED_ONLY,
    FaultCode.EMERGENCY_STOP: Policy(ends=StopReason.EMERGENCY_STOP),
    FaultCode.INVALID_VEHICLE_MODE: _SUSPENDS,  # state D where nothing ventilates: it may come back to C
    FaultCode.PILOT_FAULT: Policy(ends=StopReason.OTHER),
    FaultCode.POWER_LOSS: _SUSPENDS,
    FaultCode.EVSE_CONTACTOR_FAULT: Policy(ends=StopReason.OTHER),
    FaultCode.CABLE_OVER_TEMP_DERATE: _REPORTED_ONLY,  # less current is offered
    FaultCode.CABLE_OVER_TEMP_STOP: _SUSPENDS,
    FaultCode.PROXIMITY_FAULT: Policy(ends=StopReason.OTHER),
    FaultCode.BROKEN_LATCH: Policy(ends=StopReason.OTHER),
    FaultCode.CUT_CABLE: Policy(ends=StopReason.OTHER),
    FaultCode.METER_FAILURE: _SUSPENDS,  # energy that cannot be measured is not sold
    FaultCode.READER_FAILURE: _REPORTED_ONLY,
    FaultCode.INTERNAL_ERROR: _SUSPENDS,
}


def stops_energy(code: FaultCode) -> bool:
    return POLICY[code].stops_energy


def ends_with(code: FaultCode) -> StopReason | None:
    return POLICY[code].ends
