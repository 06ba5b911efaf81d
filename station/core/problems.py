"""Which component of the 2.x device model a fault belongs to; the variable is always `Problem` (Part 2 appendix 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hal.api import FaultCode
from station.core.components_table import Component
from station.core.types import EvseInfo
from station.core.variables import Definition, VariableKey

__all__ = ["COMPONENT", "Part", "part_of", "place", "problem_definitions"]


@dataclass(frozen=True, slots=True)
class Part:
    """A standard component. of_evse: every EVSE has one; of_connector: every connector; of_station: the station has one of its own."""

    name: str
    of_evse: bool = True
    of_connector: bool = False
    of_station: bool = False


EVSE = Part("EVSE")
STATION = Part("ChargingStation", of_evse=False, of_station=True)
_CONNECTOR = Part("Connector", of_evse=False, of_connector=True)
_FEED = Part("ElectricalFeed", of_station=True)

COMPONENT: dict[FaultCode, Part] = {
    FaultCode.CONNECTOR_LOCK_FAILURE: Part("ConnectorPlugRetentionLock", of_evse=False, of_connector=True),  # G05.FR.02
    FaultCode.GROUND_FAILURE: Part("RCD"),
    FaultCode.HIGH_TEMPERATURE: Part("TemperatureSensor", of_station=True),
    FaultCode.OVER_CURRENT_FAILURE: Part("OverCurrentProtection"),
    FaultCode.OVER_VOLTAGE: _FEED,
    FaultCode.UNDER_VOLTAGE: _FEED,
    FaultCode.WEAK_SIGNAL: Part("DataLink", of_evse=False, of_station=True),
    FaultCode.EMERGENCY_STOP: Part("EmergencyStopSensor", of_station=True),
    FaultCode.INVALID_VEHICLE_MODE: Part("ConnectedEV"),
    FaultCode.PILOT_FAULT: Part("CPPWMController"),
    FaultCode.POWER_LOSS: _FEED,
    FaultCode.EVSE_CONTACTOR_FAULT: Part("PowerContactor"),
    FaultCode.CABLE_OVER_TEMP_DERATE: _CONNECTOR,
    FaultCode.CABLE_OVER_TEMP_STOP: _CONNECTOR,
    FaultCode.PROXIMITY_FAULT: _CONNECTOR,
    FaultCode.BROKEN_LATCH: _CONNECTOR,
    FaultCode.CUT_CABLE: _CONNECTOR,
    FaultCode.METER_FAILURE: Part("FiscalMetering"),
    FaultCode.READER_FAILURE: Part("TokenReader", of_station=True),
    FaultCode.INTERNAL_ERROR: Part("Controller"),
}


def part_of(code: FaultCode, evse: int) -> Part:
    """The part that a fault of this EVSE (0: of the station) is told of: its own, or the EVSE, or the station."""
    part = COMPONENT[code]
    if evse == 0:
        return part if part.of_station else STATION
    return part if part.of_evse or part.of_connector else EVSE


def place(part: Part, evse: int, connector: int) -> VariableKey:
    """The variable of a part there. connector: used for those that every connector has."""
    if evse == 0:
        return VariableKey(part.name, "Problem")
    return VariableKey(part.name, "Problem", evse=evse, connector=connector if part.of_connector else None)


def problem_definitions(evses: Sequence[EvseInfo]) -> Iterator[Definition]:
    """`Problem` of every part: which of them are out of order at this moment."""
    parts = tuple(dict.fromkeys((STATION, EVSE, *COMPONENT.values())))
    for part in parts:
        if part.of_station:
            yield _row(place(part, 0, 0))
        for info in evses:
            if part.of_evse:
                yield _row(place(part, info.evse, 0))
            elif part.of_connector:
                yield from (_row(place(part, info.evse, number)) for number in range(1, len(info.connectors) + 1))


def _row(key: VariableKey) -> Definition:
    row = Component(key.component, evse=key.evse, connector=key.connector)
    return row(key.variable, "boolean", "false", "It is out of order, or a part of it is.", live=True)
