"""Making frozen pictures (`view`) of the mutable state (`state`)."""

from __future__ import annotations

from hal.api import Lamp
from station.clock import Now, best_wall
from station.core import evse as rules
from station.core import networking
from station.core.charging.limits import CAR
from station.core.charging.memory import Needs
from station.core.state import EvseState, StationState
from station.core.view import EvseView, StationView, TransactionView

# Below this share of the offered current it is the vehicle that limits: a car's own steps and losses stay above.
CLEARLY_LESS = 0.85


def picture(state: StationState, now: Now) -> StationView:
    return StationView(
        online=state.online,
        operative=state.operative,
        save_failed=state.save_failed,
        resetting=state.reset is not None,
        evses=tuple(_evse(evse, state.charging.needs.get(evse.number), now) for evse in state.evses.values()),
        network=networking.picture(state),
        faults=tuple(state.faults),
        profiles=state.charging.shown,
        profiles_version=state.charging.version,
    )


def _evse(evse: EvseState, needs: Needs | None, now: Now) -> EvseView:
    output = evse.output
    return EvseView(
        evse=evse.number,
        connector=evse.connector.number,
        pilot=evse.pilot.seen,
        connector_state=evse.connector.availability,
        phase=rules.phase(evse),
        lock=evse.lock,
        relay_closed=evse.relay_closed,
        permit=output.permit if output else False,
        authorized=evse.authorized,
        token=evse.auth.token if evse.auth else None,
        faults=tuple(evse.faults),
        operative=not evse.connector.inoperative,
        cable_a=evse.cable_a,
        offered_a=output.current_a if output else 0.0,
        cause=_cause(evse),
        lamp=evse.lamp or Lamp.AVAILABLE,
        reading=evse.reading,
        transaction=_transaction(evse, now),
        limits=rules.bounds(evse),
        needs=needs,
    )


def _cause(evse: EvseState) -> str:
    """Why this current: our own limit, unless the vehicle takes clearly less than it is offered."""
    output = evse.output
    if output is None:
        return ""
    if not output.current_a > 0 or not evse.ev_reacted:
        return output.cause
    if not evse.pilot.wants_energy:
        return CAR
    drawn = max(evse.reading.current_a, default=None) if evse.reading is not None and evse.relay_closed else None
    takes_less = drawn is not None and drawn < output.current_a * CLEARLY_LESS
    return CAR if takes_less else output.cause


def _transaction(evse: EvseState, now: Now) -> TransactionView | None:
    tx = evse.tx
    if tx is None:
        return None
    return TransactionView(
        tx_id=tx.tx_id,
        evse=evse.number,
        charging_state=tx.charging_state,
        started=best_wall(tx.started, now),
        energy_wh=tx.energy_wh,
        token=tx.token,
        remote_start_id=tx.remote_start_id,
        seq=tx.seq,
    )
