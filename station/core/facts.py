"""Facts must arrive: durable, complete, version-neutral. A protocol version renders them when it first sends them.

`to_json` and `from_json` are exact inverses; a saved fact is readable by later versions of this program (unknown keys
are ignored, missing ones take the default).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from station.clock import Now
from station.core.types import (
    ChargingState,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    StopReason,
    TokenKind,
    Trigger,
    TxPhase,
)


@dataclass(frozen=True, slots=True)
class TxFact:
    """One event in the life of a transaction.

    seq: contiguous from 0 within the transaction (E01.FR.07).
    token: the identifier that this fact introduces (2.x sends it once); `tx_token` is the one the transaction runs under.
    authorized / connected: whether both hold after this fact, so that a version with a narrower idea of a
        transaction (1.6) finds its own start.
    register_wh: import register at this moment, None when no meter was ever read.
    samples: readings that belong into this fact.
    """

    tx_id: str
    seq: int
    phase: TxPhase
    trigger: Trigger
    at: Now
    evse: int
    connector: int
    charging_state: ChargingState
    authorized: bool
    connected: bool
    offline: bool = False
    token: IdToken | None = None
    tx_token: IdToken | None = None
    group: IdToken | None = None
    register_wh: float | None = None
    samples: tuple[MeterSample, ...] = ()
    stop_reason: StopReason | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    phases_used: int | None = None
    cable_max_a: float | None = None
    seconds_charging: float | None = None


@dataclass(frozen=True, slots=True)
class SecurityFact:
    """A security event (A04). Only critical ones are recorded as facts; all of them go to the security log."""

    kind: str
    at: Now
    info: str | None = None


@dataclass(frozen=True, slots=True)
class LogStatusFact:
    """How the upload of a log stands (N01): an UploadLogStatusEnumType word. request_id None: nobody asked (Idle)."""

    status: str
    at: Now
    request_id: int | None = None


@dataclass(frozen=True, slots=True)
class FirmwareStatusFact:
    """How a firmware update stands (L01): a FirmwareStatusEnumType word. signed: it came with a signature (1.6 has two messages)."""

    status: str
    at: Now
    request_id: int | None = None
    signed: bool = True


@dataclass(frozen=True, slots=True)
class AlertFact:
    """A fault begins (`active`) or ends (N07). evse 0: of the station as a whole. code: a hal.api.FaultCode word.

    event: a number of its own. problem: whether the component that is concerned has a problem now, this one or another.
    tx_id: the transaction that was running there. severity: 0 (danger) to 9 (debug).
    """

    event: int
    code: str
    active: bool
    problem: bool
    at: Now
    evse: int = 0
    connector: int = 0
    severity: int = 4
    info: str = ""
    tx_id: str | None = None


Fact = TxFact | SecurityFact | LogStatusFact | FirmwareStatusFact | AlertFact


def to_json(fact: Fact) -> dict[str, Any]:
    """A plain JSON object that `from_json` turns back into the same fact."""
    match fact:
        case TxFact():
            return {
                "fact": "tx",
                "tx_id": fact.tx_id,
                "seq": fact.seq,
                "phase": fact.phase.value,
                "trigger": fact.trigger.value,
                "at": _now_to(fact.at),
                "evse": fact.evse,
                "connector": fact.connector,
                "charging_state": fact.charging_state.value,
                "authorized": fact.authorized,
                "connected": fact.connected,
                "offline": fact.offline,
                "token": token_to_json(fact.token),
                "tx_token": token_to_json(fact.tx_token),
                "group": token_to_json(fact.group),
                "register_wh": fact.register_wh,
                "samples": [sample_to_json(s) for s in fact.samples],
                "stop_reason": fact.stop_reason.value if fact.stop_reason else None,
                "remote_start_id": fact.remote_start_id,
                "reservation_id": fact.reservation_id,
                "phases_used": fact.phases_used,
                "cable_max_a": fact.cable_max_a,
                "seconds_charging": fact.seconds_charging,
            }
        case SecurityFact():
            return {"fact": "security", "kind": fact.kind, "at": _now_to(fact.at), "info": fact.info}
        case LogStatusFact():
            return {"fact": "log", "status": fact.status, "at": _now_to(fact.at), "request": fact.request_id}
        case FirmwareStatusFact():
            return {
                "fact": "firmware",
                "status": fact.status,
                "at": _now_to(fact.at),
                "request": fact.request_id,
                "signed": fact.signed,
            }
        case AlertFact():
            return _alert_to(fact)
        case _:
            assert_never(fact)


def from_json(data: dict[str, Any]) -> Fact:
    """Inverse of `to_json`. Raises ValueError or KeyError on anything that is not a fact."""
    if data["fact"] == "security":
        return SecurityFact(kind=data["kind"], at=_now_from(data["at"]), info=data.get("info"))
    if data["fact"] == "log":
        return LogStatusFact(data["status"], _now_from(data["at"]), data.get("request"))
    if data["fact"] == "firmware":
        return FirmwareStatusFact(data["status"], _now_from(data["at"]), data.get("request"), data.get("signed", True))
    if data["fact"] == "alert":
        return _alert_from(data)
    if data["fact"] != "tx":
        raise ValueError(f"unknown fact {data['fact']!r}")
    reason = data.get("stop_reason")
    return TxFact(
        tx_id=data["tx_id"],
        seq=data["seq"],
        phase=TxPhase(data["phase"]),
        trigger=Trigger(data["trigger"]),
        at=_now_from(data["at"]),
        evse=data["evse"],
        connector=data["connector"],
        charging_state=ChargingState(data["charging_state"]),
        authorized=data["authorized"],
        connected=data["connected"],
        offline=data.get("offline", False),
        token=token_from_json(data.get("token")),
        tx_token=token_from_json(data.get("tx_token")),
        group=token_from_json(data.get("group")),
        register_wh=data.get("register_wh"),
        samples=tuple(sample_from_json(s) for s in data.get("samples", ())),
        stop_reason=StopReason(reason) if reason else None,
        remote_start_id=data.get("remote_start_id"),
        reservation_id=data.get("reservation_id"),
        phases_used=data.get("phases_used"),
        cable_max_a=data.get("cable_max_a"),
        seconds_charging=data.get("seconds_charging"),
    )


def _alert_to(fact: AlertFact) -> dict[str, Any]:
    return {
        "fact": "alert",
        "event": fact.event,
        "code": fact.code,
        "active": fact.active,
        "problem": fact.problem,
        "at": _now_to(fact.at),
        "evse": fact.evse,
        "connector": fact.connector,
        "severity": fact.severity,
        "info": fact.info,
        "tx_id": fact.tx_id,
    }


def _alert_from(data: dict[str, Any]) -> AlertFact:
    return AlertFact(
        event=data["event"],
        code=data["code"],
        active=data["active"],
        problem=data["problem"],
        at=_now_from(data["at"]),
        evse=data.get("evse", 0),
        connector=data.get("connector", 0),
        severity=data.get("severity", 4),
        info=data.get("info", ""),
        tx_id=data.get("tx_id"),
    )


def token_to_json(token: IdToken | None) -> list[str] | None:
    return None if token is None else [token.value, token.kind.value, *(["random"] if token.random else [])]


def token_from_json(data: list[str] | None) -> IdToken | None:
    return None if data is None else IdToken(data[0], TokenKind(data[1]), "random" in data[2:])


def sample_to_json(sample: MeterSample) -> dict[str, Any]:
    return {
        "at": _now_to(sample.at),
        "context": sample.context.value,
        "values": [
            [v.measurand, v.value, v.unit, v.phase, v.signed, *([v.public_key] if v.public_key else [])]
            for v in sample.values
        ],
    }


def sample_from_json(data: dict[str, Any]) -> MeterSample:
    return MeterSample(
        at=_now_from(data["at"]),
        context=ReadingContext(data["context"]),
        values=tuple(SampledValue(*row) for row in data["values"]),
    )


def _now_to(at: Now) -> list[Any]:
    return [at.mono, at.wall, at.boot, at.trusted]


def _now_from(data: list[Any]) -> Now:
    return Now(data[0], data[1], data[2], data[3])
