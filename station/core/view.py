"""Frozen pictures of the station for anybody who only looks: terminal, front panel, control, adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hal.api import FaultCode, Lamp, LockState, MeterReading, PilotState
from station.core.charging.limits import Limit
from station.core.charging.memory import Needs
from station.core.charging.profiles import Installed
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, IdToken, NetworkProfile


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
    """One EVSE. `offered_a` is the current in force, `cause` the name of what binds it ("why this current?").

    limits: every bound of the current that applies, the binding one among them. needs: what the driver said of this session.
    """

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
    limits: tuple[Limit, ...] = ()
    needs: Needs | None = None


@dataclass(frozen=True, slots=True)
class NetworkView:
    """The way to the CSMS: slots that hold a profile, and the order in which they are to be tried.

    active: the slot in use, or to be used first. security_profile: in force. unproven: BasicAuthPassword has not worked yet, and
    old_password (None: the configured one) still may. password_bytes: its hex digits stand for the password; None: not known.
    fallback: what has worked in the slot in use, which holds something else now.
    """

    slots: Mapping[int, NetworkProfile] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    active: int = 1
    security_profile: int = 0
    unproven: bool = False
    old_password: str | None = field(default=None, repr=False)
    password_bytes: bool | None = None
    fallback: NetworkProfile | None = None


NO_NETWORK = NetworkView()


@dataclass(frozen=True, slots=True)
class StationView:
    """The whole station. `online`: the CSMS has accepted us and answers. faults: of the station, not of one EVSE.

    profiles: every charging profile that is installed. profiles_version: rises whenever they, or whether they count, change.
    """

    online: bool
    operative: bool
    save_failed: bool
    resetting: bool
    evses: tuple[EvseView, ...]
    network: NetworkView = NO_NETWORK
    faults: tuple[FaultCode, ...] = ()
    profiles: tuple[Installed, ...] = ()
    profiles_version: int = 0

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
