"""StatusNotification (section 4.9): words only. MinimumStatusDuration is kept by the sender, who holds frames back."""

from __future__ import annotations

from hal.api import FaultCode
from station.clock import best_wall, iso
from station.core.effects import ConnectorNotice
from station.core.types import ConnectorPhase
from station.ocpp.dialect import Frame, Payload, Services

INFO_LENGTH = 50  # info is CiString50Type

ERROR_CODES = {
    FaultCode.CONNECTOR_LOCK_FAILURE: "ConnectorLockFailure",
    FaultCode.GROUND_FAILURE: "GroundFailure",
    FaultCode.HIGH_TEMPERATURE: "HighTemperature",
    FaultCode.OVER_CURRENT_FAILURE: "OverCurrentFailure",
    FaultCode.OVER_VOLTAGE: "OverVoltage",
    FaultCode.UNDER_VOLTAGE: "UnderVoltage",
    FaultCode.WEAK_SIGNAL: "WeakSignal",
    FaultCode.EMERGENCY_STOP: "OtherError",
    FaultCode.INVALID_VEHICLE_MODE: "EVCommunicationError",
    FaultCode.PILOT_FAULT: "EVCommunicationError",
    FaultCode.POWER_LOSS: "OtherError",
    FaultCode.EVSE_CONTACTOR_FAULT: "PowerSwitchFailure",
    FaultCode.CABLE_OVER_TEMP_DERATE: "HighTemperature",
    FaultCode.CABLE_OVER_TEMP_STOP: "HighTemperature",
    FaultCode.PROXIMITY_FAULT: "OtherError",
    FaultCode.BROKEN_LATCH: "OtherError",
    FaultCode.CUT_CABLE: "OtherError",
    FaultCode.METER_FAILURE: "PowerMeterFailure",
    FaultCode.READER_FAILURE: "ReaderFailure",
    FaultCode.INTERNAL_ERROR: "InternalError",
}
"""ChargePointErrorCode of every fault; vendorErrorCode tells the exact one by its MREC name."""

_STATION_WORDS = {ConnectorPhase.FAULTED: "Faulted", ConnectorPhase.UNAVAILABLE: "Unavailable"}

_EV_WARNING = frozenset({"Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing"})


def notice(body: ConnectorNotice, services: Services) -> list[Frame]:
    """The status of one connector, or of the station (connector 0)."""
    status = _status(body, services)
    payload: Payload = {
        "connectorId": body.evse,
        "errorCode": _error_code(body.fault, status),
        "status": status,
        "timestamp": iso(best_wall(body.since, services.now())),
    }
    info = body.info.strip()[:INFO_LENGTH].rstrip()  # padded texts are refused by some
    if info:
        payload["info"] = info
    if body.fault is not None:
        payload["vendorErrorCode"] = body.fault.value
    return [Frame("StatusNotification", payload)]


def _status(body: ConnectorNotice, services: Services) -> str:
    if body.evse == 0:
        # Connector 0 is Available, Unavailable or Faulted, nothing else.
        return _STATION_WORDS.get(body.phase, "Available")
    # 1.6 sees one connector per EVSE: of several, the one in use speaks for all of them.
    for view in services.view().evses:
        if view.evse == body.evse and view.connector != body.connector:
            phase: ConnectorPhase = view.phase
            return phase.value
    return body.phase.value


def _error_code(fault: FaultCode | None, status: str) -> str:
    if fault is None:
        return "OtherError" if status == "Faulted" else "NoError"
    code = ERROR_CODES[fault]
    # EVCommunicationError is a warning, legal in these four states only.
    if code == "EVCommunicationError" and status not in _EV_WARNING:
        return "OtherError"
    return code
