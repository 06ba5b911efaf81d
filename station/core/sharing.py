"""Internal load balancing in the core (K04): from the state of all EVSEs to their shares of what the station may draw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hal.api import PilotSignal
from station.core import allowance
from station.core.charging.balance_types import Grant, Load, Memory, Supply
from station.core.charging.limits import STATION, Limit
from station.core.charging.profiles import MILLI
from station.core.components_station import LEGACY
from station.core.state import EvseState, Turn

TIMER = "share"
NOTHING_REMEMBERED = Memory()
SHARE = "station share"
APPETITE = "the vehicle takes no more"
# A vehicle that has taken clearly less than its offer for this long leaves the rest to others.
APPETITE_AFTER_S = 60.0
APPETITE_SHARE = 0.85
APPETITE_ROOM_A = 1.0
# How long a reading may have been on its way: what it tells may be from before.
READING_S = 2.0
# A vehicle that asked for nothing and had to give up its minimum for others is asked again after this.
ASK_AGAIN_S = 3600.0

_LINES = {
    "RST": (1, 2, 3),
    "RTS": (1, 3, 2),
    "SRT": (2, 1, 3),
    "STR": (2, 3, 1),
    "TRS": (3, 1, 2),
    "TSR": (3, 2, 1),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What an EVSE that wants energy might have if it were alone, and what it makes use of now; A per phase.

    idle: the vehicle asks for nothing; what it is offered is only meant to let it wake up.
    """

    alone_a: float
    asks_a: float
    idle: bool = False


def supply(turn: Turn) -> Supply | None:
    """What is to be shared now, None: nothing limits the station as a whole."""
    setup = turn.state.charging.setup
    caps = allowance.refresh_station(turn)
    per_phase = [(value, by) for value, by in ((setup.station_max_a, STATION),) if value is not None]
    if caps.per_phase_a is not None:
        per_phase.append((float(caps.per_phase_a), allowance.name(caps.per_phase_by)))
    total = [(value, by) for value, by in ((setup.station_max_w, STATION),) if value is not None]
    if caps.total_w is not None:
        total.append((float(caps.total_w), allowance.name(caps.total_by)))
    if not per_phase and not total and setup.imbalance_max_a is None:
        return None
    line, line_by = min(per_phase, default=(None, STATION))
    watt, total_by = min(total, default=(None, STATION))
    fuse = None if line is None else _milli(line)
    voltage_v = max((evse.info.voltage_v for evse in turn.state.evses.values()), default=230.0)
    return Supply(
        line_ma=(fuse, fuse, fuse),
        total_mw=None if watt is None else _milli(watt),
        imbalance_ma=None if setup.imbalance_max_a is None else _milli(setup.imbalance_max_a),
        voltage_mv=round(voltage_v * MILLI),
        line_by=line_by,
        total_by=total_by,
    )


def _milli(value: float) -> int:
    """Rounded down: a limit is never widened. The little more keeps 0.1 A from becoming 99 mA."""
    return math.floor(value * MILLI + 1e-6)


def nothing_shared(turn: Turn) -> None:
    """Nothing limits the station as a whole: every EVSE for itself. Turns and shares of before are forgotten."""
    turn.cancel(TIMER, 0)
    turn.state.charging.balance = NOTHING_REMEMBERED
    for evse in turn.state.evses.values():
        if evse.share is not None or evse.share_phases is not None:
            _take(turn, evse, None, None)


def share_out(turn: Turn, common: Supply, wishes: Mapping[int, Wish]) -> None:
    """Give every EVSE its share; whose share has changed is put down as unsettled.

    common: what is shared (`supply`). wishes: of the EVSEs that want energy now.
    """
    from station.core.charging import balance  # only where something is shared: a Pi starts without

    state, charging = turn.state, turn.state.charging
    loads = [_load(turn, evse, wishes.get(evse.number)) for evse in state.evses.values()]
    shares = balance.share(common, loads, charging.balance, turn.now.mono, charging.setup.tuning)
    charging.balance = shares.memory
    for evse, load in zip(state.evses.values(), loads, strict=True):
        grant = shares.grants[evse.number]
        wish = wishes.get(evse.number)
        shared = load.wants and wish is not None and grant.ma < _milli(wish.alone_a)
        _take(turn, evse, _limit(grant, load) if shared else None, grant.phases if load.wants else None)
    if shares.next is None:
        turn.cancel(TIMER, 0)
    else:
        turn.timer(TIMER, 0, max(0.0, shares.next - turn.now.mono))


def _limit(grant: Grant, load: Load) -> Limit:
    return Limit(grant.ma / MILLI, grant.cause or (APPETITE if grant.ma >= load.max_ma else SHARE))


def _take(turn: Turn, evse: EvseState, share: Limit | None, phases: int | None) -> None:
    if (share, phases) != (evse.share, evse.share_phases):
        evse.share, evse.share_phases = share, phases
        turn.state.charging.unsettled.add(evse.number)


def _load(turn: Turn, evse: EvseState, wish: Wish | None) -> Load:
    info, output = evse.info, evse.output
    lines, known = _lines(turn, evse)
    in_force = output.current_a if output is not None and output.pilot is PilotSignal.PWM else 0.0
    most = wish.asks_a if wish is not None else 0.0
    if evse.appetite_a is not None:
        most = min(most, evse.appetite_a)
    needs = turn.state.charging.needs.get(evse.number)
    priority = turn.state.charging.setup.priority.get(evse.number, 0)
    departs = needs_wh = None
    if needs is not None:
        priority = priority if needs.priority is None else needs.priority
        departs = None if needs.departs is None else turn.now.mono + needs.departs - turn.now.wall
        had = evse.open_tx.energy_wh if evse.open_tx is not None else 0.0
        needs_wh = None if needs.energy_wh is None else max(0.0, needs.energy_wh - had)
    return Load(
        evse=evse.number,
        lines=lines,
        wants=most >= info.min_a,
        min_ma=math.ceil(info.min_a * MILLI),
        max_ma=_milli(most),
        in_force_ma=round(in_force * MILLI),
        drawn_ma=_drawn(evse),
        phases=output.phases if output is not None else info.phases,
        can_switch=info.phase_switching and not allowance.fewer_phases(evse),
        maybe=info.phases == 1 and not known,
        priority=priority,
        departs=departs,
        needs_wh=needs_wh,
        idle=wish is not None and wish.idle,
        guessed=not known,
        drawn_phases=evse.used_phases,
    )


def _lines(turn: Turn, evse: EvseState) -> tuple[tuple[int, ...], bool]:
    """Which lines of the supply its phases are on (ConnectorPhaseRotation), and whether that is known."""
    prefix = f"{evse.number}."
    words = turn.model.members(LEGACY, "ConnectorPhaseRotation")
    word = next((entry.removeprefix(prefix) for entry in words if entry.startswith(prefix)), "")
    known = _LINES.get(word)
    if known is None:
        return _LINES["RST"], False
    return known[: evse.info.phases], True


def _drawn(evse: EvseState) -> tuple[int, ...] | None:
    """What the vehicle draws under the present offer, None: nobody has looked since it was lowered."""
    if not evse.relay_closed:
        return (0,) * evse.info.phases
    reading, at = evse.reading, evse.reading_at
    if reading is None or at is None or not reading.current_a or at.mono <= evse.eased + READING_S:
        return None
    return tuple(math.ceil(current * MILLI) for current in reading.current_a)


def asks_nothing(turn: Turn, evse: EvseState) -> bool:
    """Whether the vehicle has no use for an offer: it had its time and stays in B, or did so not long before it was paused."""
    if evse.pilot.wants_energy:
        evse.sated = None
    elif evse.pilot.offered:
        if not evse.ev_reacted:
            return False
        evse.sated = turn.now.mono
    return evse.sated is not None and turn.now.mono - evse.sated < ASK_AGAIN_S


def watch_appetite(turn: Turn, evse: EvseState) -> None:
    """After a reading: what of its share the vehicle leaves is others' to have, until it wants more."""
    output, reading = evse.output, evse.reading
    if output is None or reading is None or not evse.relay_closed or not reading.current_a or not output.permit:
        return
    drawn = max(reading.current_a)
    if evse.appetite_a is not None and drawn >= evse.appetite_a - APPETITE_ROOM_A / 2:
        evse.appetite_a = None
        return
    patient = turn.now.mono - evse.steady >= APPETITE_AFTER_S
    if patient and drawn < output.current_a * APPETITE_SHARE:
        evse.appetite_a = max(evse.info.min_a, math.ceil(drawn) + APPETITE_ROOM_A)
