"""Making frozen pictures (`view`) of the mutable state (`state`)."""

from __future__ import annotations

from hal.api import Lamp
from station.clock import Now, best_wall
from station.core import evse as rules
from station.core.state import EvseState, StationState
from station.core.view import EvseView, StationView, TransactionView


def picture(state: StationState, now: Now) -> StationView:
    return StationView(
        online=state.online,
        operative=state.operative,
        save_failed=state.save_failed,
        resetting=state.reset is not None,
        evses=tuple(_evse(evse, now) for evse in state.evses.values()),
    )


def _evse(evse: EvseState, now: Now) -> EvseView:
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
        cause=output.cause if output else "",
        lamp=evse.lamp or Lamp.AVAILABLE,
        reading=evse.reading,
        transaction=_transaction(evse, now),
    )


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
