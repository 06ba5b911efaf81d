"""Turning what happened into facts and rows: transaction events, their saved row, security events."""

from __future__ import annotations

from dataclasses import dataclass

from station.core.effects import Record
from station.core.facts import SecurityFact, TxFact
from station.core.state import EvseState, Turn
from station.core.transaction import Ending, Transaction
from station.core.types import ChargingState, IdToken, MeterSample, Trigger, TxPhase

CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "DiscardedRenewedClientCertificate",
        "InvalidTLSVersion",
        "InvalidTLSCipherSuite",
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
    }
)
"""Security events that the CSMS must hear of (Part 2 appendix 1, and that of 2.1); the others only go to the security log."""


@dataclass(frozen=True, slots=True)
class _News:
    """What a fact tells besides the state: a token, a remote start, and a trigger that outranks the caller's."""

    token: IdToken | None = None
    remote_start_id: int | None = None
    trigger: Trigger | None = None


def record(
    turn: Turn,
    evse: EvseState,
    tx: Transaction,
    phase: TxPhase,
    trigger: Trigger,
    *,
    token: IdToken | None = None,
    samples: tuple[MeterSample, ...] = (),
) -> None:
    """A fact of the transaction, with whatever was not reported yet. `token`: presented to stop."""
    ending = tx.ending if phase is TxPhase.ENDED else None
    news = _News(ending.token) if ending is not None else _news(evse, tx, token)
    turn.emit(
        Record(
            TxFact(
                tx_id=tx.tx_id,
                seq=tx.next_seq(),
                phase=phase,
                trigger=news.trigger or trigger,
                at=ending.at if ending is not None else turn.now,
                evse=evse.number,
                connector=tx.connector,
                charging_state=tx.charging_state,
                authorized=_authorized(evse, tx, ending),
                connected=evse.pilot.connected,
                offline=not turn.state.online,
                token=news.token,
                tx_token=tx.token,
                group=tx.group,
                register_wh=tx.last_wh if tx.last_wh is not None else tx.start_wh,
                samples=samples,
                stop_reason=ending.reason if ending is not None else None,
                remote_start_id=news.remote_start_id,
                phases_used=evse.info.phases if tx.charging_state is ChargingState.CHARGING else None,
                cable_max_a=evse.cable_a if phase is TxPhase.STARTED else None,
                seconds_charging=tx.charging_seconds(turn.now) if phase is TxPhase.ENDED else None,
            )
        )
    )


def _news(evse: EvseState, tx: Transaction, token: IdToken | None) -> _News:
    """A token is told once, in the first fact that can (E01.FR.10), together with the remote start that brought it."""
    auth = evse.auth
    if auth is None or not auth.holds or auth.told:
        return _News(token)
    auth.told = True
    tx.remote_start_id = auth.remote_start_id if auth.remote else tx.remote_start_id
    # F02.FR.21: the first fact after a remote start says RemoteStart, even if it was the cable that started the transaction.
    return _News(token or auth.token, auth.remote_start_id, Trigger.REMOTE_START if auth.remote else None)


def _authorized(evse: EvseState, tx: Transaction, ending: Ending | None) -> bool:
    """Of an ended transaction: whether it ever was. Who is authorised by then is somebody else's business."""
    return tx.token is not None if ending is not None else evse.authorized


def save_tx(turn: Turn, evse: EvseState, tx: Transaction) -> None:
    turn.save("tx", str(evse.number), tx.to_row(turn.now))


def security(turn: Turn, kind: str, info: str | None = None) -> None:
    """A security event (A04): into the log, and to the CSMS when it is critical."""
    turn.state.security_events += 1
    if turn.state.first_logged is None:
        turn.state.first_logged = turn.now.wall
    key = f"{turn.now.boot:010d}-{turn.state.security_events:06d}"
    at = turn.now
    turn.save("security_log", key, {"kind": kind, "at": [at.mono, at.wall, at.boot, at.trusted], "info": info})
    if kind in CRITICAL:
        turn.emit(Record(SecurityFact(kind, turn.now, info)))
