"""Components that follow from the hardware, controllers of features to come, and what only OCPP 1.6 has."""

from __future__ import annotations

from collections.abc import Sequence

from station.core.components_table import READ_ONLY, Component
from station.core.problems import problem_definitions
from station.core.types import ConnectorState, EvseInfo
from station.core.variables import Definition

__all__ = ["LEGACY", "station_definitions"]

LEGACY = "OCPP16LegacyCtrlr"
"""Component of the settings that OCPP 1.6 has and 2.x has not."""

AVAILABILITY = tuple(state.value for state in ConnectorState)
_LATER = ("LocalAuthListCtrlr", "MonitoringCtrlr", "ReservationCtrlr", "DisplayMessageCtrlr")
_ROTATIONS = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")  # 1.6 chapter 9
_VALUES_LIST_MAX = 1000  # VariableCharacteristicsType.valuesList


def station_definitions(evses: Sequence[EvseInfo]) -> list[Definition]:
    """The station, its EVSEs and connectors, and what else is not needed to run a session."""
    found = _station(evses)
    for info in evses:
        found += _evse(info)
        for number, kind in enumerate(info.connectors, start=1):
            found += _connector(info, number, kind)
    return [*found, *problem_definitions(evses), *_later(), *_legacy(evses)]


def _state(row: Component, whom: str) -> Definition:
    return row("AvailabilityState", "OptionList", "Available", f"State of {whom}.", live=True, values=AVAILABILITY)


def _station(evses: Sequence[EvseInfo]) -> list[Definition]:
    row = Component("ChargingStation")
    phases = max((info.phases for info in evses), default=1)
    controller = Component("Controller")
    return [
        _state(row, "the station as a whole"),
        row(
            "AllowNewSessionsPendingFirmwareUpdate",
            "boolean",
            "false",
            "Sessions may begin while a firmware waits for others to end, to be installed.",
        ),
        row("Available", "boolean", "true", "The station exists.", constant=True),
        row(
            "FirmwareVersion",
            "string",
            None,
            "Version of the firmware, as BootNotification tells it.",
            access=READ_ONLY,
            high=50,
        ),
        row("Model", "string", None, "Model, as BootNotification tells it.", access=READ_ONLY, high=20),
        row("SupplyPhases", "integer", str(phases), "Phases of the supply.", constant=True),
        row("VendorName", "string", None, "Vendor, as BootNotification tells it.", access=READ_ONLY, high=50),
        controller("MaxMsgElements", "integer", "100", "Most elements of one kind in a message.", constant=True),
    ]


def _evse(info: EvseInfo) -> list[Definition]:
    row = Component("EVSE", evse=info.evse)
    most_w = info.max_a * info.voltage_v * info.phases
    return [
        row("AllowReset", "boolean", "true", "The EVSE can be reset alone.", constant=True),
        _state(row, "the EVSE"),
        row("Available", "boolean", "true", "The EVSE exists.", constant=True),
        # Part 2: maxLimit is required, the instantaneous power is not.
        row(
            "Power",
            "decimal",
            None,
            "Power drawn; its limit is what the EVSE can deliver.",
            live=True,
            unit="W",
            high=most_w,
        ),
        row("SupplyPhases", "integer", str(info.phases), "Phases of the supply.", constant=True),
    ]


def _connector(info: EvseInfo, number: int, kind: str) -> list[Definition]:
    row = Component("Connector", evse=info.evse, connector=number)
    return [
        _state(row, "the connector"),
        row("Available", "boolean", "true", "The connector exists.", constant=True),
        row("ChargeProtocol", "string", "CPPWM", "How charging is controlled: IEC 61851 pilot.", constant=True),
        row("ConnectorType", "string", kind, "Type of the connector (ConnectorEnumType).", constant=True),
        row("SupplyPhases", "integer", str(info.phases), "Phases of the supply.", constant=True),
    ]


def _later() -> list[Definition]:
    """Features that are announced as absent, so that a CSMS need not guess."""
    found = []
    for name in _LATER:
        row = Component(name)
        found.append(row("Available", "boolean", "false", "The feature is supported.", constant=True))
        found.append(row("Enabled", "boolean", "false", "The feature is switched on.", constant=True))
    found.append(
        Component("MonitoringCtrlr")(
            "OfflineQueuingSeverity",
            "integer",
            "6",
            "What happens offline is told later up to this severity: 0 danger, 4 error, 6 warning, 9 debug (N07.FR.04).",
            low=0,
            high=9,
        )
    )
    tariff = Component("TariffCostCtrlr")
    for instance in ("Tariff", "Cost"):
        for variable, text in (("Available", "supported"), ("Enabled", "switched on")):
            description = f"{instance} information is {text}."
            found.append(tariff(variable, "boolean", "false", description, instance=instance, constant=True))
    return found


def _legacy(evses: Sequence[EvseInfo]) -> list[Definition]:
    """Settings that only 1.6 knows. What its keys tell about the protocol itself is its dialect's own business."""
    row = Component(LEGACY)
    numbers = (0, *(info.evse for info in evses))
    rotations = tuple(f"{number}.{rotation}" for number in numbers for rotation in _ROTATIONS)
    if len(",".join(rotations)) > _VALUES_LIST_MAX:
        rotations = ()
    return [
        row(
            "AllowUnsignedFirmware",
            "boolean",
            "false",
            "Firmware without a signature is installed too (UpdateFirmware of 1.6, L02). Only a technician can allow it.",
            access=READ_ONLY,
        ),
        row(
            "ConnectorPhaseRotation",
            "MemberList",
            ",".join(f"{number}.Unknown" for number in numbers),
            "Phase rotation per connector, 0 being the supply of the station.",
            values=rotations,
        ),
        row(
            "MinimumStatusDuration",
            "integer",
            "0",
            "How long a state must last before it is reported.",
            unit="s",
            low=0,
            high=3600,
        ),
    ]
