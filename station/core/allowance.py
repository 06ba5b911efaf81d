"""What the charging profiles allow an EVSE and the grid connection now, and when that changes; worked out once, kept until then."""

from __future__ import annotations

import math
from fractions import Fraction

from hal.api import MeterReading
from station.core.charging.limits import BOARD, CABLE, CONFIGURED, STATION, Limit
from station.core.charging.memory import Allowed, StationAllowed
from station.core.charging.profiles import MILLI, Installed, RateUnit
from station.core.charging.shapes import Member, Site, Source, StationCaps, Tx
from station.core.state import EvseState, Turn

TIMER = "charging"
# The wall clock may be slewed or set without a word to us: a boundary further away is looked at again after this.
LOOK_AGAIN_S = 60.0
CONTROLLER = "SmartChargingCtrlr"
# Below this a phase of the vehicle counts as not in use.
IDLE_PHASE_A = 1.0
NO_CAPS = StationCaps()


def enabled(turn: Turn) -> bool:
    """K01.FR.29, F01.FR.12: the feature is there and switched on."""
    return turn.model.boolean(CONTROLLER, "Available") and turn.model.boolean(CONTROLLER, "Enabled")


def site(turn: Turn, evse: EvseState | None) -> Site:
    """What evaluation must know of an EVSE, or (None) of the grid connection."""
    state, setup = turn.state, turn.state.charging.setup
    since = state.charging.offline_since
    offline_s = None if since is None else max(0, int(turn.now.mono - since))
    if evse is None:
        infos = [each.info for each in state.evses.values()]
        voltage = min((info.voltage_v for info in infos), default=230.0)
        most = sum(_hardware_a(each) for each in state.evses.values())
        if setup.station_max_a is not None:
            most = min(most, setup.station_max_a)
        phases = max((info.phases for info in infos), default=3)
        return Site(0, _exact(voltage), phases, _exact(most), setup.zone, offline_s)
    info = evse.info
    return Site(evse.number, _exact(info.voltage_v), info.phases, _exact(_hardware_a(evse)), setup.zone, offline_s)


def _exact(value: float) -> Fraction:
    return Fraction(round(value * MILLI), MILLI)


def _hardware_a(evse: EvseState) -> float:
    return min(value for _, value in _hardware(evse))


def _hardware(evse: EvseState) -> list[tuple[str, float]]:
    info = evse.info
    found = [(BOARD, info.max_a)]
    if not info.fixed_cable and evse.cable_a is not None:
        found.append((CABLE, evse.cable_a))
    if info.configured_a is not None:
        found.append((CONFIGURED, info.configured_a))
    return found


def transaction_of(turn: Turn, evse: EvseState) -> Tx | None:
    """The transaction as schedules see it."""
    tx = evse.open_tx
    return None if tx is None else Tx(tx.tx_id, turn.state.charging.ready.get(evse.number))


def _served(turn: Turn, evse: EvseState) -> Tx | None:
    """The same; or the one that the energy is about to open (TxStartPoint EnergyTransfer), which has no id yet."""
    ready = turn.state.charging.ready.get(evse.number)
    if evse.tx is None and ready is not None:
        return Tx(None, ready)
    return transaction_of(turn, evse)


def members(turn: Turn) -> list[Member]:
    """The EVSEs behind the grid connection, as schedules see them."""
    return [Member(site(turn, evse), transaction_of(turn, evse)) for evse in turn.state.evses.values()]


def refresh(turn: Turn, evse: EvseState) -> None:
    """Bring `evse.allowed` up to date, and ask to be woken when it changes. Nothing to do on most calls."""
    charging, now = turn.state.charging, int(turn.now.wall)
    _note_ready(turn, evse, now)
    profiles = _counting(turn, evse, now)
    if not profiles or not enabled(turn):
        evse.allowed = None
        turn.cancel(TIMER, evse.number)
        return
    tx = _served(turn, evse)
    known = evse.allowed
    tx_id, ready = (tx.tx_id, tx.ready) if tx is not None else (None, None)
    if (
        known is not None
        and known.version == charging.version
        and (known.tx_id, known.ready) == (tx_id, ready)
        and known.since <= now
        and (known.until is None or now < known.until)
    ):
        _keep_awake(turn, evse.number, known.until)
        return
    from station.core.charging import composite  # only where there are profiles: a Pi starts without

    period, until = composite.limit_at(profiles, site(turn, evse), tx, now=now, policy=charging.setup.policy)
    evse.allowed = Allowed(period, now, until, charging.version, tx_id, ready)
    _wake(turn, evse.number, until)


def _note_ready(turn: Turn, evse: EvseState, now: int) -> None:
    """K01.FR.42: ready to deliver, whatever profiles there are by then."""
    ready = turn.state.charging.ready
    if evse.authorized and evse.pilot.connected:
        ready.setdefault(evse.number, now)
    elif evse.open_tx is None:
        ready.pop(evse.number, None)


def _counting(turn: Turn, evse: EvseState, now: int) -> tuple[Installed, ...]:
    """The profiles, with that of a remote start whose transaction only the energy will open (K05.FR.03)."""
    shown = turn.state.charging.shown
    waiting = None if evse.auth is None else evse.auth.profile
    return shown if waiting is None else (*shown, Installed(waiting[0], evse.number, at=now))


def clock_stepped(turn: Turn, by_s: float) -> None:
    """What began so many seconds ago still did, whatever the time is now."""
    charging = turn.state.charging
    charging.ready = {number: ready + round(by_s) for number, ready in charging.ready.items()}
    charging.unsettled.update(turn.state.evses)


def refresh_station(turn: Turn) -> StationCaps:
    """The same for the grid connection."""
    charging = turn.state.charging
    if not charging.profiles or not enabled(turn):
        turn.cancel(TIMER, 0)
        return NO_CAPS
    now, known = int(turn.now.wall), charging.station
    fresh = known.version == charging.version and known.since <= now and (known.until is None or now < known.until)
    if not fresh:
        from station.core.charging import composite

        caps, until = composite.station_caps_at(charging.shown, site(turn, None), now=now, policy=charging.setup.policy)
        charging.station = StationAllowed(caps, now, until, charging.version)
        _wake(turn, 0, until)
    else:
        _keep_awake(turn, 0, known.until)
    return charging.station.caps


def _wake(turn: Turn, number: int, until: int | None) -> None:
    if until is None:
        turn.cancel(TIMER, number)
    else:
        turn.timer(TIMER, number, _wait_s(turn, until))


def _keep_awake(turn: Turn, number: int, until: int | None) -> None:
    """The timer has fired, but by the clock on the wall it is not time yet; or that has been set forward since."""
    if until is not None:
        at = turn.state.timers.get((TIMER, number))
        wait_s = _wait_s(turn, until)
        if at is None or at > turn.now.mono + wait_s:
            turn.timer(TIMER, number, wait_s)


def _wait_s(turn: Turn, until: int) -> float:
    return min(max(0.0, until - turn.now.wall), LOOK_AGAIN_S)


def due(turn: Turn, number: int) -> None:
    """A schedule has reached its next boundary."""
    turn.state.charging.unsettled.update([number] if number else turn.state.evses)


def limit(evse: EvseState) -> Limit | None:
    """What the profiles allow the EVSE now, per phase; None: they limit nothing."""
    if evse.allowed is None or evse.allowed.period.limit is None:
        return None
    period = evse.allowed.period
    rates = evse.allowed.period.limit
    least = min(rate for rate in (rates.total, rates.l2, rates.l3) if rate is not None)
    binding = period.binding
    if binding is not None and binding.unit is RateUnit.W and period.phases:
        least = _spread(evse, least, period.phases)
    return Limit(max(0, math.floor(least * MILLI)) / MILLI, name(binding))


def _spread(evse: EvseState, rate: Fraction, phases: int) -> Fraction:
    """A total power, given as `rate` on so many `phases`, on those that are really in use, if we cannot switch the others off."""
    used = evse.used_phases or evse.info.phases
    if evse.info.phase_switching or used <= phases:
        return rate
    spread = rate * phases / used
    if evse.used_phases or evse.reading is None or not evse.reading.current_a:
        return spread
    # The vehicle may well use no more phases than are named. It gets what lets it begin, and shows.
    return max(spread, min(rate, _exact(evse.info.min_a)))


def watch_phases(turn: Turn, evse: EvseState) -> None:
    """After a reading: on how many phases the vehicle draws. One that begins with one may go on with three."""
    if evse.reading is None or not evse.relay_closed:
        return
    busy = sum(current >= IDLE_PHASE_A for current in evse.reading.current_a)
    if busy > evse.used_phases:
        evse.used_phases = busy
        turn.state.charging.unsettled.add(evse.number)


def name(source: Source | None) -> str:
    """How a source is called wherever people read it."""
    if source is None:
        return "profile"
    if source.profile is None or source.purpose is None:
        return source.name
    return f"profile {source.profile} ({source.purpose.value})"


def derate(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """Follow the temperature of the connector."""
    info, before = evse.info, evse.derated_a
    evse.derated_a = turn.state.charging.setup.derating.current(
        reading.temperature_c, max_a=info.max_a, min_a=info.min_a, before=before
    )
    if evse.derated_a != before:
        turn.state.charging.unsettled.add(evse.number)


def wanted_phases(evse: EvseState) -> int:
    """On how many phases the vehicle shall be charged: fewer than wired only where the board can switch."""
    if not evse.info.phase_switching:
        return evse.info.phases
    shared = evse.share_phases is not None and evse.share_phases < evse.info.phases
    return 1 if shared or fewer_phases(evse) else evse.info.phases


def fewer_phases(evse: EvseState) -> bool:
    """Whether the profiles leave the vehicle fewer phases than are wired."""
    phases = None if evse.allowed is None else evse.allowed.period.phases
    return phases is not None and phases < evse.info.phases


def caps(turn: Turn, evse: EvseState | None, where: Site, unit: RateUnit) -> list[Source]:
    """Constant bounds of the hardware and the installation, in the unit asked for."""
    setup, phases = turn.state.charging.setup, max(1, where.phases)
    found = [] if evse is None else _hardware(evse)
    if setup.station_max_a is not None:
        found.append((STATION, setup.station_max_a))
    if setup.station_max_w is not None:
        found.append((STATION, setup.station_max_w / (float(where.voltage_v) * phases)))
    factor = where.voltage_v * phases if unit is RateUnit.W else Fraction(1)
    return [
        Source(cause, None, None, None, _exact(most) * factor, None, raw=_exact(most), unit=RateUnit.A)
        for cause, most in found
    ]
