"""Variables of the device model that say how the station is at this moment: computed when they are read, kept nowhere."""

from __future__ import annotations

from collections.abc import Callable

from station.clock import Now, iso
from station.core.device_model import DeviceModel, VariableKey
from station.core.types import ConnectorState
from station.core.variables import number_text
from station.core.view import EvseView, StationView

__all__ = ["connect", "station_state"]


def connect(model: DeviceModel, view: Callable[[], StationView], now: Callable[[], Now]) -> None:
    """Let the model read clock, availability and power from the station itself (B06, B07.FR.09)."""
    _compute(model, VariableKey("ClockCtrlr", "DateTime"), lambda: iso(now().wall))
    _compute(model, VariableKey("ChargingStation", "AvailabilityState"), lambda: station_state(view()).value)
    _compute(
        model,
        VariableKey("SmartChargingCtrlr", "Entries", variable_instance="ChargingProfiles"),
        lambda: str(len(view().profiles)),
    )
    for evse in view().evses:
        _evse(model, evse.evse, evse.connector, view)


def _evse(model: DeviceModel, number: int, connector: int, view: Callable[[], StationView]) -> None:
    def state() -> str:
        return view().evse(number).connector_state.value

    _compute(model, VariableKey("EVSE", "AvailabilityState", evse=number), state)
    _compute(model, VariableKey("Connector", "AvailabilityState", evse=number, connector=connector), state)
    _compute(model, VariableKey("EVSE", "Power", evse=number), lambda: _power(view().evse(number)))


def _compute(model: DeviceModel, key: VariableKey, value: Callable[[], str]) -> None:
    """A station that has not got the variable does without."""
    found = model.find(
        key.component,
        key.variable,
        variable_instance=key.variable_instance,
        evse=key.evse,
        connector=key.connector,
    )
    if found is not None:
        model.compute(key, value)


def _power(evse: EvseView) -> str:
    return number_text(round(evse.reading.power_w or 0.0, 1)) if evse.reading is not None else ""


def station_state(view: StationView) -> ConnectorState:
    """One word for all EVSEs: what somebody who arrives now will find."""
    states = {evse.connector_state for evse in view.evses}
    if not view.operative:
        return ConnectorState.UNAVAILABLE
    order = (ConnectorState.AVAILABLE, ConnectorState.OCCUPIED, ConnectorState.RESERVED, ConnectorState.FAULTED)
    return next((state for state in order if state in states), ConnectorState.UNAVAILABLE)
