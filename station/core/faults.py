"""What each fault does to energy, to a running transaction and to the driver who waits, in one table. docs/faults.md is made of it.

Whatever stops energy does so at once. A fault that passes by itself (over-temperature, under-voltage) suspends; one that needs a
person or a repair ends the transaction with the reason OCPP has for it (E06).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hal.api import FaultCode
from station.core.types import StopReason


class Recovery(Enum):
    """How a fault ends, once its cause is gone."""

    BY_ITSELF = "by itself"  # as soon as whoever reported it says that it is gone
    UNPLUG = "unplug"  # the cause is gone, and the vehicle has been unplugged since (IEC 61851-1 A.4.5)
    PERSON = "person"  # somebody has looked at it and reset it; it outlives a restart (station.core.latched)


@dataclass(frozen=True, slots=True)
class Policy:
    """`stops_energy`: power off while it lasts, connector Faulted. `ends`: reason with which the transaction ends at once.

    mrec: its number among the minimum required error codes of ChargeX ("CX" and three digits), None: one of our own.
    severity: EventData's, as SetMonitoringLevel counts (N05): 0 danger, 1 hardware failure, 4 error, 5 alert, 6 warning, 8 information.
    means: what it is, in words for the page.
    """

    means: str
    stops_energy: bool = True
    ends: StopReason | None = None
    recovery: Recovery = Recovery.BY_ITSELF
    mrec: int | None = None
    severity: int = 4


POLICY: dict[FaultCode, Policy] = {
    FaultCode.CONNECTOR_LOCK_FAILURE: Policy("The plug cannot be locked or unlocked (G05).", mrec=1),
    FaultCode.GROUND_FAILURE: Policy(
        "Residual current, missing earth, or a residual-current device that failed its self-test.",
        ends=StopReason.GROUND_FAULT,
        mrec=2,
        severity=0,
    ),
    FaultCode.HIGH_TEMPERATURE: Policy("The station is too hot inside.", mrec=3),
    FaultCode.OVER_CURRENT_FAILURE: Policy(
        "The vehicle drew more than it was offered.",
        ends=StopReason.OVERCURRENT_FAULT,
        recovery=Recovery.UNPLUG,
        mrec=4,
    ),
    FaultCode.OVER_VOLTAGE: Policy("The supply has too high a voltage.", mrec=5),
    FaultCode.UNDER_VOLTAGE: Policy("The supply has too low a voltage.", mrec=6),
    FaultCode.WEAK_SIGNAL: Policy("The wireless link is weak.", stops_energy=False, mrec=7, severity=6),
    FaultCode.EMERGENCY_STOP: Policy(
        "Somebody has pressed the emergency stop. Pulled out again, it allows a new session; none begins by itself (ISO 13850).",
        ends=StopReason.EMERGENCY_STOP,
        mrec=8,
        severity=0,
    ),
    # State D where nothing ventilates gets no power (station.core.evse), and may come back to C any time.
    FaultCode.INVALID_VEHICLE_MODE: Policy(
        "The vehicle asks for what this EVSE has not (ventilation, state D): no power until it asks otherwise.",
        stops_energy=False,
        mrec=10,
        severity=6,
    ),
    FaultCode.PILOT_FAULT: Policy(
        "The control pilot is short-circuited or dead, or the vehicle has no diode.",
        ends=StopReason.OTHER,
        recovery=Recovery.UNPLUG,
        mrec=14,
    ),
    FaultCode.POWER_LOSS: Policy("The supply failed while the station itself has power.", mrec=15),
    FaultCode.EVSE_CONTACTOR_FAULT: Policy(
        "The contactor does not open (welded) or does not close.",
        ends=StopReason.OTHER,
        recovery=Recovery.PERSON,
        mrec=17,
        severity=0,
    ),
    FaultCode.CABLE_OVER_TEMP_DERATE: Policy(
        "Cable or connector is hot: less current is offered.", stops_energy=False, mrec=18, severity=6
    ),
    FaultCode.CABLE_OVER_TEMP_STOP: Policy("Cable or connector is too hot.", mrec=19),
    FaultCode.PROXIMITY_FAULT: Policy(
        "The proximity contact reads what no cable has.",
        ends=StopReason.OTHER,
        recovery=Recovery.UNPLUG,
        mrec=23,
    ),
    FaultCode.BROKEN_LATCH: Policy("The latch of the plug is broken.", ends=StopReason.OTHER, mrec=25, severity=1),
    FaultCode.CUT_CABLE: Policy(
        "The cable has been cut.", ends=StopReason.OTHER, recovery=Recovery.PERSON, mrec=26, severity=0
    ),
    # Energy that cannot be measured is not sold.
    FaultCode.METER_FAILURE: Policy("The meter does not answer, or what it says cannot be.", severity=1),
    FaultCode.READER_FAILURE: Policy("The card reader does not answer.", stops_energy=False, severity=5),
    FaultCode.INTERNAL_ERROR: Policy("The board does not answer, or its driver failed.", severity=1),
}


def stops_energy(code: FaultCode) -> bool:
    return POLICY[code].stops_energy


def ends_with(code: FaultCode) -> StopReason | None:
    return POLICY[code].ends


def mrec_code(code: FaultCode) -> str:
    """Its fault code in the list of ChargeX ("CX001"), or, of those that the list has no word for, its name."""
    number = POLICY[code].mrec
    return code.value if number is None else f"CX{number:03d}"
