"""Frozen pictures of the station for anybody who only looks: terminal, front panel, control, adapters."""

from __future__ import annotations

from dataclasses import dataclass

from hal.api import FaultCode, Lamp, LockState, MeterReading, PilotState
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, IdToken


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A running transaction. Energy in Wh since its start, `started` in wall seconds."""

    tx_id: str
    evse: int
    charging_state: ChargingState
    started: float
    energy_wh: float
    token: IdToken | None
    remote_start_id: int | None
    seq: int


@dataclass(frozen=True, slots=True)
class EvseView:
    """One EVSE. `offered_a` is the current in force, `cause` the name of what binds it ("why this current?")."""

    evse: int
    connector: int
    pilot: PilotState
    connector_state: ConnectorState
    phase: ConnectorPhase
    lock: LockState
    relay_closed: bool
    permit: bool
    authorized: bool
    token: IdToken | None
    faults: tuple[FaultCode, ...]
    operative: bool
    cable_a: float | None
    offered_a: float
    cause: str
    lamp: Lamp
    reading: MeterReading | None
    transaction: TransactionView | None


@dataclass(frozen=True, slots=True)
class StationView:
    """The whole station. `online`: the CSMS has accepted us and answers."""

    online: bool
    operative: bool
    save_failed: bool
    resetting: bool
    evses: tuple[EvseView, ...]

    def evse(self, number: int) -> EvseView:
        """Raises KeyError for an unknown EVSE."""
        for view in self.evses:
            if view.evse == number:
                return view
        raise KeyError(number)

    def transaction(self, tx_id: str) -> TransactionView | None:
        for view in self.evses:
            if view.transaction is not None and view.transaction.tx_id == tx_id:
                return view.transaction
        return None
