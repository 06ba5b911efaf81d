"""Smart charging in the core: profiles installed and removed, what they allow, when that changes (K01-K10; 1.6 5.5, 5.7, 5.16).

Nothing here settles an EVSE: whoever's limit may have changed is put down as unsettled, and settled before the turn ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from station.core import allowance
from station.core.charging import store
from station.core.charging.case import Capabilities
from station.core.charging.memory import ChargingSetup, Needs
from station.core.charging.policy import Gaps, Rules
from station.core.charging.profiles import Installed, LimitSource, Profile, Purpose, RateUnit
from station.core.effects import Refused, Reply
from station.core.events import ClearProfiles, GetComposite, InstallProfile, SetNeeds
from station.core.state import EvseState, StationState, Turn
from station.core.transaction import Transaction
from station.core.types import Verdict

KIND = "profile"
"""Rows of installed profiles, by id."""

# A composite schedule longer than this is cut: nobody plans further, and its size must have a bound.
LONGEST_S = 366 * 86_400
# And so must the time that it takes, all EVSEs together: contactors and pilots wait for it. For one EVSE these are the changes of
# 12 weeks of a daily profile with 24 periods.
MOST_STEPS = 2048

Commands = InstallProfile | ClearProfiles | GetComposite | SetNeeds

ACCEPTED = Verdict("Accepted")
_UNREADABLE = (KeyError, TypeError, ValueError)


def begin(state: StationState, setup: ChargingSetup) -> None:
    """How the operator has set it up, before anything happens."""
    state.charging.setup = setup
    state.charging.sharing = setup.shared


def obey(turn: Turn, command: Commands) -> None:
    """Carry out a command about charging profiles; exactly one Reply follows in this turn."""
    match command:
        case InstallProfile():
            verdict = _install(turn, command)
        case ClearProfiles():
            verdict = _clear(turn, command)
        case GetComposite():
            verdict = _composite(turn, command)
        case SetNeeds():
            verdict = _needs(turn, command)
        case _:
            assert_never(command)
    turn.emit(Reply(command.ref, verdict))


# --- installing and removing ----------------------------------------------------------------------------------------


def capabilities(turn: Turn) -> Capabilities:
    """What profiles are checked against."""
    state, setup = turn.state, turn.state.charging.setup
    infos = {number: evse.info for number, evse in state.evses.items()}
    units = turn.model.members(allowance.CONTROLLER, "RateUnit")
    return Capabilities(
        phases={0: max((info.phases for info in infos.values()), default=3)} | {n: i.phases for n, i in infos.items()},
        units=frozenset(unit for unit in RateUnit if unit.value in units),
        max_stack_level=setup.max_stack_level,
        max_periods=setup.max_periods,
        max_profiles=setup.max_profiles,
        phase_switching=turn.model.boolean(allowance.CONTROLLER, "ACPhaseSwitchingSupported"),
        leaves_phases_out=all(info.phase_switching for info in infos.values()),
        transactions={n: evse.open_tx.tx_id if evse.open_tx else None for n, evse in state.evses.items()},
    )


def judge(
    turn: Turn,
    profile: Profile,
    evse: int,
    rules: Rules,
    *,
    source: LimitSource = LimitSource.CSO,
    remote_start: bool = False,
) -> Verdict | None:
    """None when the profile may be installed, else the refusal."""
    from station.core.charging import validate  # only when a profile comes: a Pi starts without

    charging = turn.state.charging
    return validate.refusal(
        profile,
        evse,
        charging.profiles.values(),
        capabilities(turn),
        replace(rules, phases_ensured=True) if charging.setup.refuse_fewer_phases else rules,
        charging.setup.policy,
        now=int(turn.now.wall),
        source=source,
        remote_start=remote_start,
    )


def _install(turn: Turn, command: InstallProfile) -> Verdict:
    if not allowance.enabled(turn):
        return Verdict("Rejected", "NotEnabled", "smart charging is switched off")
    evse = turn.state.evses.get(command.evse)
    refusal = judge(turn, command.profile, command.evse, command.rules, source=command.source)
    if refusal is not None:
        return refusal
    profile = command.profile
    if profile.purpose is Purpose.TX and profile.tx_id is None and evse is not None and evse.open_tx is not None:
        profile = replace(profile, tx_id=evse.open_tx.tx_id)  # 1.6: the transaction at that connector is meant
    put(turn, profile, command.evse, command.rules, command.source)
    return ACCEPTED


def put(turn: Turn, profile: Profile, evse: int, rules: Rules, source: LimitSource = LimitSource.CSO) -> None:
    """Install a profile that was judged good; what it replaces goes (K01.FR.05; 1.6 5.16.4)."""
    from station.core.charging import validate

    charging = turn.state.charging
    for old in validate.replaced(profile, evse, charging.profiles.values(), rules):
        _remove(turn, old)
    installed = Installed(profile, evse, source, int(turn.now.wall))
    charging.profiles[profile.id] = installed
    turn.save(KIND, str(profile.id), store.to_row(installed))  # K01.FR.27, errata 3.37 of 1.6: it survives a restart
    changed(turn)


def _remove(turn: Turn, profile_id: int) -> None:
    if turn.state.charging.profiles.pop(profile_id, None) is not None:
        turn.save(KIND, str(profile_id), None)


def changed(turn: Turn) -> None:
    """Profiles, or whether they count, have changed: what was worked out from them is void."""
    charging = turn.state.charging
    charging.version += 1
    charging.sharing = True
    charging.shown = tuple(charging.profiles.values())
    charging.unsettled.update(turn.state.evses)


def _clear(turn: Turn, command: ClearProfiles) -> Verdict:
    """K10: an id alone decides; else everything given must fit (FR.03, FR.04)."""
    gone = [number for number, one in turn.state.charging.profiles.items() if _fits(one, command)]
    if not gone:
        return Verdict("Unknown")  # K10.FR.01
    for number in gone:
        _remove(turn, number)
    changed(turn)
    return ACCEPTED


def _fits(one: Installed, command: ClearProfiles) -> bool:
    if one.source is not command.by or (command.by is LimitSource.CSO and one.profile.purpose is Purpose.EXTERNAL):
        return False  # K10.FR.06
    if command.profile_id is not None:
        return one.profile.id == command.profile_id
    return (
        (command.evse is None or command.evse == one.evse)
        and (command.purpose is None or command.purpose is one.profile.purpose)
        and (command.stack_level is None or command.stack_level == one.profile.stack_level)
    )


def transaction_begins(turn: Turn, evse: EvseState, tx: Transaction) -> None:
    """K05.FR.03: the profile of the remote start is now the transaction's own."""
    auth = evse.auth
    if auth is None or auth.profile is None or not auth.holds:
        return
    (profile, rules), auth.profile = auth.profile, None
    put(turn, replace(profile, tx_id=tx.tx_id), evse.number, rules)


def transaction_over(turn: Turn, evse: EvseState, tx_id: str) -> None:
    """K02.FR.05, 1.6 3.13.1: its profiles go with it, and so do its driver's wishes."""
    charging = turn.state.charging
    charging.ready.pop(evse.number, None)
    charging.needs.pop(evse.number, None)
    evse.appetite_a = evse.sated = None
    gone = [number for number, one in charging.profiles.items() if one.profile.tx_id == tx_id]
    for number in gone:
        _remove(turn, number)
    if gone:
        changed(turn)


def _needs(turn: Turn, command: SetNeeds) -> Verdict:
    if command.evse not in turn.state.evses:
        return Verdict("Rejected", "UnknownEvse", f"evse {command.evse}")
    needs = turn.state.charging.needs
    before = Needs() if command.clear else needs.get(command.evse, Needs())
    needs[command.evse] = Needs(
        before.departs if command.departs is None else command.departs,
        before.energy_wh if command.energy_wh is None else command.energy_wh,
        before.priority if command.priority is None else command.priority,
    )
    turn.state.evses[command.evse].sated = None  # whoever says something wants something
    turn.state.charging.unsettled.add(command.evse)
    return ACCEPTED


def _composite(turn: Turn, command: GetComposite) -> Verdict:
    """K08, 1.6 5.7."""
    from station.core.charging import composite

    evse = turn.state.evses.get(command.evse)
    if evse is None and command.evse != 0:
        return Verdict("Rejected", "UnknownEvse", f"evse {command.evse}")  # K08.FR.05
    units = turn.model.members(allowance.CONTROLLER, "RateUnit")
    if command.unit is not None and command.unit.value not in units:
        return Verdict("Rejected", "UnsupportedRateUnit", command.unit.value)  # K08.FR.07
    if command.duration_s < 0:
        return Verdict("Rejected", "InvalidValue", f"duration {command.duration_s} s")
    unit = command.unit or (RateUnit.A if "A" in units else RateUnit.W)
    where = allowance.site(turn, evse)
    tx = None if evse is None else allowance.transaction_of(turn, evse)
    policy = turn.state.charging.setup.policy
    members = allowance.members(turn) if evse is None else []  # K08.FR.03
    made = composite.compose(
        turn.state.charging.shown if allowance.enabled(turn) else (),
        where,
        tx,
        start=int(turn.now.wall),
        duration=min(command.duration_s, LONGEST_S),
        unit=unit,
        policy=policy,
        # Where gaps are to be left out, only what profiles say is shown: the hardware's limit would fill them all.
        caps=() if policy.gaps is Gaps.OMIT else allowance.caps(turn, evse, where, unit),
        merge_causes=command.merge_causes,
        members=members,
        most_steps=MOST_STEPS // max(1, len(members)),
    )
    return Verdict("Accepted", data={"composite": made, "tx": tx, "zone": where.zone})


# --- the link, and restarts -----------------------------------------------------------------------------------------


def link_changed(turn: Turn, *, online: bool) -> None:
    """2.1: profiles with maxOfflineDuration count only so long without the CSMS."""
    charging = turn.state.charging
    if online:
        _spend(turn)
        charging.offline_since = None
    elif charging.offline_since is None:
        charging.offline_since = turn.now.mono
    if any(one.profile.max_offline_s is not None for one in charging.shown):
        changed(turn)


def _spend(turn: Turn) -> None:
    """2.1 K01.FR.102: one that was offline for too long is over, unless it says that it comes back."""
    charging = turn.state.charging
    if charging.offline_since is None:
        return
    away = turn.now.mono - charging.offline_since
    for number, one in list(charging.profiles.items()):
        most = one.profile.max_offline_s
        if most is not None and one.profile.invalid_after_offline and away >= most and not one.spent:
            charging.profiles[number] = replace(one, spent=True)
            turn.save(KIND, str(number), store.to_row(charging.profiles[number]))


def restore(turn: Turn, rows: Mapping[str, Any]) -> None:
    """Profiles of before the restart. A TxProfile whose transaction is gone goes too."""
    charging = turn.state.charging
    charging.offline_since = turn.now.mono  # until the link is there
    running = {evse.tx.tx_id for evse in turn.state.evses.values() if evse.tx is not None}
    for key, row in rows.items():
        try:
            installed = store.from_row(row)
        except _UNREADABLE as error:
            turn.emit(Refused(None, f"charging profile {key} cannot be read: {error!r}"))
            continue
        if installed.profile.tx_id is not None and installed.profile.tx_id not in running:
            turn.save(KIND, key, None)
        else:
            charging.profiles[installed.profile.id] = installed
    if charging.profiles:
        changed(turn)
