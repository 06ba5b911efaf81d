"""What the charging profiles allow an EVSE and the grid connection now, and when that changes; worked out once, kept until then."""

from __future__ import annotations

import math
from fractions import Fraction

from hal.api import MeterReading
from station.core.charging import composite
from station.core.charging.composite import Site, Source, Tx
from station.core.charging.limits import BOARD, CABLE, CONFIGURED, STATION, Limit
from station.core.charging.memory import Allowed, StationAllowed
from station.core.charging.profiles import MILLI, RateUnit
from station.core.state import EvseState, Turn

TIMER = "charging"
CONTROLLER = "SmartChargingCtrlr"
# Below this a phase of the vehicle counts as not in use.
IDLE_PHASE_A = 1.0
NO_CAPS = composite.StationCaps()


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


def members(turn: Turn) -> list[composite.Member]:
    """The EVSEs behind the grid connection, as schedules see them."""
    return [composite.Member(site(turn, evse), transaction_of(turn, evse)) for evse in turn.state.evses.values()]


def refresh(turn: Turn, evse: EvseState) -> None:
    """Bring `evse.allowed` up to date, and ask to be woken when it changes. Nothing to do on most calls."""
    charging = turn.state.charging
    if not charging.profiles or not enabled(turn):
        evse.allowed = None
        turn.cancel(TIMER, evse.number)
        return
    now = int(turn.now.wall)
    if evse.open_tx is not None and evse.authorized and evse.pilot.connected:
        charging.ready.setdefault(evse.number, now)  # K01.FR.42: ready to deliver
    tx = transaction_of(turn, evse)
    known = evse.allowed
    tx_id, ready = (tx.tx_id, tx.ready) if tx is not None else (None, None)
    if (
        known is not None
        and known.version == charging.version
        and (known.tx_id, known.ready) == (tx_id, ready)
        and known.since <= now
        and (known.until is None or now < known.until)
    ):
        return
    period, until = composite.limit_at(charging.shown, site(turn, evse), tx, now=now, policy=charging.setup.policy)
    evse.allowed = Allowed(period, now, until, charging.version, tx_id, ready)
    _wake(turn, evse.number, until)


def refresh_station(turn: Turn) -> composite.StationCaps:
    """The same for the grid connection."""
    charging = turn.state.charging
    if not charging.profiles or not enabled(turn):
        turn.cancel(TIMER, 0)
        return NO_CAPS
    now, known = int(turn.now.wall), charging.station
    fresh = known.version == charging.version and known.since <= now and (known.until is None or now < known.until)
    if not fresh:
        caps, until = composite.station_caps_at(charging.shown, site(turn, None), now=now, policy=charging.setup.policy)
        charging.station = StationAllowed(caps, now, until, charging.version)
        _wake(turn, 0, until)
    return charging.station.caps


def _wake(turn: Turn, number: int, until: int | None) -> None:
    if until is None:
        turn.cancel(TIMER, number)
    else:
        turn.timer(TIMER, number, max(0.0, until - turn.now.wall))


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
        # A total power is spread over the phases that are really in use, if we cannot switch the others off.
        in_use = _phases_in_use(evse)
        if in_use > period.phases:
            least = least * period.phases / in_use
    return Limit(max(0, math.floor(least * MILLI)) / MILLI, name(binding))


def _phases_in_use(evse: EvseState) -> int:
    if evse.info.phase_switching:
        return 0
    drawn = evse.reading.current_a if evse.reading is not None and evse.relay_closed else ()
    busy = sum(current >= IDLE_PHASE_A for current in drawn)
    return busy or evse.info.phases


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
    wanted = evse.info.phases
    if evse.share_phases is not None:
        wanted = min(wanted, evse.share_phases)
    if evse.allowed is not None and evse.allowed.period.phases is not None:
        wanted = min(wanted, evse.allowed.period.phases)
    return 1 if wanted < evse.info.phases else evse.info.phases


def caps(turn: Turn, evse: EvseState | None, where: Site, unit: RateUnit) -> list[Source]:
    """Constant bounds of the hardware and the installation, in the unit asked for."""
    phases = max(1, where.phases)
    if evse is not None:
        found = _hardware(evse)
    else:
        setup = turn.state.charging.setup
        found = [] if setup.station_max_a is None else [(STATION, setup.station_max_a)]
        if setup.station_max_w is not None:
            found.append((STATION, setup.station_max_w / (float(where.voltage_v) * phases)))
    factor = where.voltage_v * phases if unit is RateUnit.W else Fraction(1)
    return [
        Source(cause, None, None, None, _exact(most) * factor, None, raw=_exact(most), unit=RateUnit.A)
        for cause, most in found
    ]
