"""One transaction: its states as a table, and the row that survives a power cut.

    Idle <-> EVConnected <-> Charging | SuspendedEV | SuspendedEVSE     (ChargingStateEnumType)
    any of them -> Ending -> Ended

Ending: power is off or going off, the reason is settled and saved, only the last meter reading is awaited. So the final register
is read after the contactor opened, and a power cut in between changes nothing but the moment the end is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from station.clock import Now
from station.core.facts import sample_from_json, sample_to_json, token_from_json, token_to_json
from station.core.machine import fire, rows, table
from station.core.types import ChargingState, IdToken, MeterSample, StopReason, Trigger, TxPoint

ENDING = "Ending"
ENDED = "Ended"
_OPEN = tuple(s.value for s in ChargingState)
STATES = (*_OPEN, ENDING, ENDED)

MACHINE = table(
    STATES,
    [
        rows("disconnect", _OPEN, ChargingState.IDLE.value),
        rows("connect", _OPEN, ChargingState.EV_CONNECTED.value),
        rows("energize", _OPEN, ChargingState.CHARGING.value),
        rows("ev_pause", _OPEN, ChargingState.SUSPENDED_EV.value),
        rows("evse_pause", _OPEN, ChargingState.SUSPENDED_EVSE.value),
        rows("finish", _OPEN, ENDING),
        rows("close", [ENDING], ENDED),
    ],
    ChargingState.IDLE.value,
)

EVENT_FOR = {
    ChargingState.IDLE: "disconnect",
    ChargingState.EV_CONNECTED: "connect",
    ChargingState.CHARGING: "energize",
    ChargingState.SUSPENDED_EV: "ev_pause",
    ChargingState.SUSPENDED_EVSE: "evse_pause",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when a transaction ends. `token`: presented to stop it, if any."""

    reason: StopReason
    trigger: Trigger
    at: Now
    token: IdToken | None = None


class Transaction:
    """A transaction that is open or ending on one EVSE. Energies in Wh, times as `Now`."""

    __slots__ = (
        "charging_since",
        "connector",
        "ended_samples",
        "ending",
        "evse",
        "group",
        "last_state",
        "last_wh",
        "reason",
        "remote_start_id",
        "seconds_charging",
        "seq",
        "signing",
        "start_wh",
        "started",
        "state",
        "token",
        "tx_id",
        "was_connected",
        "wh_at_invalid",
    )

    def __init__(self, tx_id: str, evse: int, connector: int, started: Now, start_wh: float | None) -> None:
        self.state = ChargingState.IDLE.value
        self.last_state = ChargingState.IDLE
        self.tx_id = tx_id
        self.evse = evse
        self.connector = connector
        self.started = started
        self.start_wh = start_wh
        self.last_wh = start_wh
        self.seq = 0
        self.token: IdToken | None = None
        self.group: IdToken | None = None
        self.remote_start_id: int | None = None
        self.reason: StopReason | None = None
        self.ending: Ending | None = None
        self.ended_samples: list[MeterSample] = []
        self.seconds_charging = 0.0
        self.charging_since: float | None = None
        self.was_connected = False
        self.wh_at_invalid: float | None = None
        self.signing = False  # the meter was asked to sign its beginning

    @property
    def open(self) -> bool:
        return self.ending is None

    @property
    def charging_state(self) -> ChargingState:
        """The state reported; while ending, the last one before."""
        return ChargingState(self.state) if self.state in _OPEN else self.last_state

    def move(self, state: ChargingState, now: Now) -> bool:
        """Change the charging state; True when it changed."""
        if self.state == state.value:
            return False
        self._count(now)
        fire(MACHINE, EVENT_FOR[state], self)
        self.last_state = state
        self.charging_since = now.mono if state is ChargingState.CHARGING else None
        return True

    def _count(self, now: Now) -> None:
        if self.charging_since is not None:
            self.seconds_charging += now.mono - self.charging_since
            self.charging_since = now.mono

    def finish(self, ending: Ending) -> None:
        """Settle why it ends; from here on only the last reading is awaited."""
        self._count(ending.at)
        self.charging_since = None
        fire(MACHINE, "finish", self)
        self.ending = ending

    def close(self) -> None:
        fire(MACHINE, "close", self)

    def next_seq(self) -> int:
        seq = self.seq
        self.seq += 1
        return seq

    def charging_seconds(self, now: Now) -> float:
        """Seconds in state Charging so far (timeSpentCharging)."""
        running = now.mono - self.charging_since if self.charging_since is not None else 0.0
        return self.seconds_charging + running

    @property
    def energy_wh(self) -> float:
        """Energy since the start, never negative: a register that runs backwards belongs to a new meter."""
        if self.start_wh is None or self.last_wh is None:
            return 0.0
        return max(0.0, self.last_wh - self.start_wh)

    def keep(self, sample: MeterSample, limit: int = 512) -> None:
        """Collect a sample for the Ended fact; when there are too many, every second one in the middle goes (E06, J02)."""
        self.ended_samples.append(sample)
        if len(self.ended_samples) > limit:
            self.ended_samples = [self.ended_samples[0], *self.ended_samples[1:-1:2], self.ended_samples[-1]]

    def to_row(self, now: Now) -> dict[str, Any]:
        """Everything that a restart needs to close this transaction rightly, as of `now`."""
        ending = self.ending
        return {
            "tx_id": self.tx_id,
            "evse": self.evse,
            "connector": self.connector,
            "seq": self.seq,
            "state": self.last_state.value,
            "started": _moment(self.started),
            "start_wh": self.start_wh,
            "last_wh": self.last_wh,
            "token": token_to_json(self.token),
            "group": token_to_json(self.group),
            "remote_start_id": self.remote_start_id,
            "seconds_charging": self.charging_seconds(now),
            "ended_samples": [sample_to_json(s) for s in self.ended_samples],
            "was_connected": self.was_connected,
            "signing": self.signing,
            "ending": ending
            and {
                "reason": ending.reason.value,
                "trigger": ending.trigger.value,
                "at": _moment(ending.at),
                "token": token_to_json(ending.token),
            },
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Transaction:
        """Inverse of `to_row`, in an open state or ending. Raises KeyError or ValueError on a row that is none."""
        tx = cls(row["tx_id"], row["evse"], row["connector"], Now(*row["started"]), row["start_wh"])
        tx.seq = row["seq"]
        tx.last_state = ChargingState(row["state"])
        tx.state = tx.last_state.value
        tx.last_wh = row["last_wh"]
        tx.token = token_from_json(row["token"])
        tx.group = token_from_json(row["group"])
        tx.remote_start_id = row["remote_start_id"]
        tx.seconds_charging = row["seconds_charging"]
        tx.ended_samples = [sample_from_json(s) for s in row["ended_samples"]]
        tx.was_connected = row["was_connected"]
        tx.signing = row.get("signing", False)
        if row["ending"] is not None:
            end = row["ending"]
            tx.state = ENDING
            tx.ending = Ending(
                StopReason(end["reason"]), Trigger(end["trigger"]), Now(*end["at"]), token_from_json(end["token"])
            )
        return tx


def _moment(at: Now) -> list[Any]:
    return [at.mono, at.wall, at.boot, at.trusted]


def starts(points: frozenset[TxPoint], risen: frozenset[TxPoint], held: frozenset[TxPoint]) -> bool:
    """A transaction starts when any of its start points comes true (E01.FR.01-06).

    One that has been true all along counts again when somebody is newly authorised: after a stop with the cable still plugged, the
    next card starts a transaction even if the only start point is EVConnected.
    """
    return bool(points & risen) or (TxPoint.AUTHORIZED in risen and bool(points & held))


def stops(points: frozenset[TxPoint], fallen: frozenset[TxPoint], held: frozenset[TxPoint]) -> bool:
    """It stops when any of its stop points ceases to hold (E06.FR.01-07).

    When nothing holds at all any more, no stop point could ever fall again: then it ends too, whatever was configured.
    """
    return bool(points & fallen) or (bool(fallen) and not held)
