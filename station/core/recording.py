"""Turning what happened to a transaction into a fact."""

from __future__ import annotations

from station.core.effects import Record
from station.core.facts import TxFact
from station.core.state import EvseState, Turn
from station.core.transaction import Transaction
from station.core.types import ChargingState, MeterSample, Trigger, TxPhase


def record(
    turn: Turn,
    evse: EvseState,
    tx: Transaction,
    phase: TxPhase,
    trigger: Trigger,
    *,
    samples: tuple[MeterSample, ...] = (),
) -> None:
    """A fact of the transaction, with whatever was not reported yet."""
    ending = tx.ending if phase is TxPhase.ENDED else None
    token = ending.token if ending is not None and ending.token is not None else evse.unreported_token
    evse.unreported_token = None
    if evse.remote_start_id is not None:
        tx.remote_start_id = evse.remote_start_id
    turn.emit(
        Record(
            TxFact(
                tx_id=tx.tx_id,
                seq=tx.next_seq(),
                phase=phase,
                trigger=trigger,
                at=ending.at if ending is not None else turn.now,
                evse=evse.number,
                connector=tx.connector,
                charging_state=tx.charging_state,
                authorized=evse.authorized or (ending is not None and tx.token is not None),
                connected=evse.pilot.connected,
                offline=not turn.state.online,
                token=token,
                tx_token=tx.token,
                group=tx.group,
                register_wh=tx.last_wh if tx.last_wh is not None else tx.start_wh,
                samples=samples,
                stop_reason=ending.reason if ending is not None else None,
                remote_start_id=evse.remote_start_id,
                phases_used=evse.info.phases if tx.charging_state is ChargingState.CHARGING else None,
                cable_max_a=evse.cable_a if phase is TxPhase.STARTED else None,
                seconds_charging=tx.charging_seconds(turn.now) if phase is TxPhase.ENDED else None,
            )
        )
    )
    evse.remote_start_id = None
