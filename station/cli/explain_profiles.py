"""From what a file holds to the profiles that are installed: read, judged as a station would judge, put in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from station.cli.explain_input import Clearing, Content, Found, Step
from station.cli.explain_log import Charge
from station.core.charging.composite import MOST_STEPS, Composite, Site, Source, Tx, Zone, compose
from station.core.charging.explain import Change, explain
from station.core.charging.policy import RULES_16, RULES_21, RULES_201, Gaps, Policy, Rules
from station.core.charging.profiles import (
    Installed,
    Kind,
    LimitSource,
    OperationMode,
    Profile,
    ProfileError,
    Purpose,
    RateUnit,
)
from station.core.charging.validate import Capabilities, refusal, replaced
from station.ocpp.explain import facet
from station.ocpp.schemas import Schemas
from station.ocpp.v16 import charging_profiles as v16
from station.ocpp.v201 import charging_profiles as v201

__all__ = ["UNNAMED", "Answer", "Question", "Warned", "answer"]

MOST_PERIODS = 1024
ANY_21 = replace(
    RULES_21,
    purposes=frozenset({Purpose.PRIORITY.value, Purpose.LOCAL_GENERATION.value}),
    modes=frozenset(mode.value for mode in OperationMode),
    dynamic=True,
    local_time=True,
    randomized_delay=True,
    limit_at_soc=True,
    evse_sleep=True,
)
"""What any station of 2.1 refuses: nothing for want of an ability, as we do not know the station."""
MAXIMUM = "hardware"
LONGEST_WORD = 100
UNNAMED = "the transaction"
"""The running transaction when nobody says its id."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked on the command line. Wall seconds, V, A per phase. evse None: the first that the file names.

    transaction None: the one that the TxProfiles name; running False: there is none. keep_going: use what a station would refuse.
    """

    at: int
    duration: int
    unit: RateUnit | None = None
    evse: int | None = None
    voltage_v: Fraction = Fraction(230)
    phases: int = 3
    max_a: Fraction | None = None
    transaction: str | None = None
    started: int | None = None
    running: bool = True
    zone: Zone | None = None
    zone_name: str = ""
    offline_since: int | None = None
    policy: Policy = field(default_factory=Policy)
    keep_going: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about one profile. place: in the file; used: it counts nevertheless (`keep_going`)."""

    place: str
    words: str
    profile: int | None = None
    used: bool = False

    def __str__(self) -> str:
        name = "" if self.profile is None else f"profile {self.profile}: "
        return f"{self.place}: {name}{self.words}{'' if self.used else '; left out'}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything there is to show. refused: what a station would refuse; notes: what else people should know."""

    question: Question
    evse: int
    tx: Tx | None
    installed: tuple[Installed, ...]
    composite: Composite
    changes: tuple[Change, ...]
    refused: tuple[Warned, ...]
    notes: tuple[str, ...]


def answer(content: Content, question: Question) -> Answer:
    """Install what the file holds, and evaluate it. Never raises for what is in the file."""
    evse = question.evse if question.evse is not None else _first_evse(content)
    bench = _Bench(question, evse)
    steps = _until(content.steps, question.at, bench.notes)
    readable = [(step, bench.read(step)) if isinstance(step, Found) else (step, None) for step in steps]
    tx = _transaction(question, evse, readable, content.charges, bench.notes)
    for step, read in readable:
        if isinstance(step, Clearing):
            bench.clear(step)
        elif read is not None:
            bench.install(step, read, tx)
    installed = tuple(bench.installed.values())
    site = Site(
        evse=evse,
        voltage_v=question.voltage_v,
        phases=question.phases,
        maximum_a=question.max_a,
        zone=question.zone,
        offline_s=None if question.offline_since is None else max(0, question.at - question.offline_since),
    )
    unit = question.unit or (RateUnit.A if question.phases else RateUnit.W)
    composite = compose(
        installed,
        site,
        tx,
        start=question.at,
        duration=question.duration,
        unit=unit,
        policy=question.policy,
        caps=_hardware(question, unit),
        merge_causes=False,
    )
    changes = explain(composite, question.zone, installed=installed, tx=tx)
    notes = [*content.notes, *_elsewhere(question, readable), *bench.notes]
    if content.skipped:
        several = content.skipped > 1
        notes.append(
            f"{content.skipped} {'lines or messages' if several else 'line or message'} without a profile "
            f"{'were' if several else 'was'} skipped"
        )
    if composite.duration < question.duration and question.policy.gaps is Gaps.HARDWARE:
        notes.append(f"it ends early: there are more than {MOST_STEPS} changes")
    return Answer(question, evse, tx, installed, composite, changes, tuple(bench.refused), tuple(notes))


def _hardware(question: Question, unit: RateUnit) -> tuple[Source, ...]:
    """--max-a as a bound: it holds also where profiles allow more."""
    most = question.max_a
    if most is None:
        return ()
    here = most if unit is RateUnit.A else most * question.voltage_v * max(1, question.phases)
    return (Source(MAXIMUM, None, None, None, here, None, raw=most, unit=RateUnit.A),)


def _first_evse(content: Content) -> int:
    return min((step.evse for step in content.steps if isinstance(step, Found) and step.evse), default=1)


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    profile: Profile
    evse: int
    rules: Rules


Readable = Sequence[tuple[Found | Clearing, _Read | None]]


def _until(steps: Sequence[Step], at: int, notes: list[str]) -> Sequence[Step]:
    """A log is played up to the moment that is asked for; what has no date is played whenever it came."""
    later = sum(step.stamp.at is not None and step.stamp.at > at for step in steps)
    undated = sum(step.stamp.log and step.stamp.at is None for step in steps)
    if later == 1:
        notes.append("1 profile message comes after --at and was left out")
    elif later:
        notes.append(f"{later} profile messages come after --at and were left out")
    if undated == 1:
        notes.append("1 profile message has no date and was applied, even if it came after --at")
    elif undated:
        notes.append(f"{undated} profile messages have no date and were applied, even if they came after --at")
    return [step for step in steps if step.stamp.at is None or step.stamp.at <= at]


def _elsewhere(question: Question, readable: Readable) -> Iterator[str]:
    """Nobody should take the silence about an EVSE for an answer."""
    evses = sorted({read.evse for _, read in readable if read is not None})
    if question.evse and any(evses) and question.evse not in evses:
        places = [f"EVSE {one}" if one else "the whole station" for one in evses]
        yield f"no profile names EVSE {question.evse}: there are profiles for {', '.join(places)}"


def _transaction(
    question: Question, evse: int, readable: Readable, charges: Sequence[Charge], notes: list[str]
) -> Tx | None:
    """The running one: of the command line, of the TxProfiles, or the one that a log tells of at this EVSE."""
    if not question.running:
        return None
    over = {one.tx_id for one in charges if one.ended is not None and one.ended <= question.at}
    named = dict.fromkeys(
        read.profile.tx_id
        for _, read in readable
        if read is not None
        and read.evse == evse
        and read.profile.purpose is Purpose.TX
        and read.profile.tx_id is not None
        and read.profile.tx_id not in over
    )
    begun = {
        one.tx_id: one.began
        for one in charges
        if one.began is not None and one.began <= question.at and one.tx_id not in over
    }
    tx_id = question.transaction
    if tx_id is None:
        here = [one.tx_id for one in charges if one.evse == evse and one.tx_id in begun]
        tx_id = next(reversed([*here[-1:], *named]), None) or UNNAMED
        if len(named) > 1:
            notes.append(
                f"there are profiles of several transactions ({', '.join(str(one) for one in named)}); the last is taken for the "
                "running one, --transaction ID says another"
            )
    started = question.started
    if started is None:
        started = int(begun.get(tx_id, question.at))
    return Tx(tx_id, started)


class _Bench:
    """The station that the profiles are installed on, as far as the file and the command line describe it."""

    def __init__(self, question: Question, evse: int) -> None:
        self.question = question
        self.evse = evse
        self.installed: dict[int, Installed] = {}
        self.refused: list[Warned] = []
        self.notes: list[str] = []

    def read(self, found: Found) -> _Read | None:
        """None when no station could make sense of it."""
        shown = found.payload.get("chargingProfileId" if found.legacy else "id")
        shown = shown if isinstance(shown, int) else None
        if found.refused is not None:
            self.notes.append(f"{found.where}: profile {shown} was answered {found.refused} by the station; left out")
            return None
        try:
            profile, rules = self._parsed(found)
        except ProfileError as error:
            self.refused.append(Warned(found.where, f"a station would refuse this: {error}", shown))
            return None
        if found.remote and profile.tx_id is not None:
            profile = replace(profile, tx_id=None)  # it is for the transaction that it starts (K05, 1.6 5.11)
        if profile.kind is Kind.DYNAMIC and profile.dyn_updated is None:
            profile = replace(profile, dyn_updated=self._when(found))  # 2.1 K28: missing means now
        return _Read(profile, self._place(found, profile), rules)

    def _when(self, found: Found) -> int:
        """When it was set."""
        return self.question.at if found.stamp.at is None else int(found.stamp.at)

    def _place(self, found: Found, profile: Profile) -> int:
        if found.evse is not None:
            return found.evse
        whole_station = profile.purpose in {Purpose.STATION_MAX, Purpose.EXTERNAL} and not found.remote
        return 0 if whole_station else self.evse

    def _parsed(self, found: Found) -> tuple[Profile, Rules]:
        payload = found.payload
        if found.legacy:
            problem = _schema_problem("1.6", {"connectorId": 0, "csChargingProfiles": payload}, "csChargingProfiles")
            if problem is not None:
                raise ProfileError(*problem)
            read = v16.read_profile(payload, str, now=self._when(found), most_periods=MOST_PERIODS)
            return read, RULES_16
        profile = v201.read_profile(payload, most_periods=MOST_PERIODS)
        message = {"evseId": 0, "chargingProfile": payload}
        if _schema_problem("2.0.1", message, "chargingProfile") is None:
            return profile, RULES_201
        problem = _schema_problem("2.1", message, "chargingProfile")
        if problem is not None:
            raise ProfileError(*problem)
        return profile, ANY_21

    # --- installing --------------------------------------------------------------------------------------------------

    def install(self, found: Found, read: _Read, tx: Tx | None) -> None:
        """As SetChargingProfile does it."""
        profile = read.profile
        own = tx if profile.purpose is Purpose.TX and read.evse == self.evse else None
        if own is not None and profile.tx_id not in {None, own.tx_id}:
            self.notes.append(f"{found.where}: profile {profile.id} is for transaction {profile.tx_id}; left out")
            return
        source = self._source(found, profile)
        reason = self._refusal(found, profile, read, tx, source)
        if reason is not None:
            used = self.question.keep_going
            self.refused.append(Warned(found.where, f"a station would refuse this: {reason}", profile.id, used))
            if not used:
                return
        if own is not None and profile.tx_id is None:
            # 1.6, and remote starts: the transaction at that connector is meant.
            profile = replace(profile, tx_id=own.tx_id)
        for old in replaced(profile, read.evse, self.installed.values(), read.rules):
            gone = self.installed.pop(old, None)
            if gone is not None and gone.profile != profile:
                self.notes.append(f"{found.where}: profile {profile.id} replaces {_named(gone, profile)}")
        self.installed[profile.id] = Installed(profile, read.evse, source, self._when(found))

    def _source(self, found: Found, profile: Profile) -> LimitSource:
        """Who installed it. External constraints of a report, or by themselves, are those of a system that was no CSMS (K01.FR.22)."""
        said = next((each for each in LimitSource if each.value == found.source), None)
        if profile.purpose is Purpose.EXTERNAL and said in {None, LimitSource.CSO} and (said or found.evse is None):
            return LimitSource.OTHER
        return said or LimitSource.CSO

    def _refusal(self, found: Found, profile: Profile, read: _Read, tx: Tx | None, source: LimitSource) -> str | None:
        question = self.question
        own = profile.tx_id or UNNAMED  # at other EVSEs the transaction that it names is taken for running
        running = (None if tx is None else tx.tx_id) if read.evse == self.evse else own
        numbers = {0, read.evse, self.evse, *(one.evse for one in self.installed.values())}
        verdict = refusal(
            profile,
            read.evse,
            self.installed.values(),
            Capabilities(
                phases=dict.fromkeys(numbers, question.phases),
                max_stack_level=2**31 - 1,
                max_periods=MOST_PERIODS,
                max_profiles=10**6,
                max_schedules=3,
                phase_switching=True,
                dc_input_phase_control=True,
                transactions={read.evse: running},
            ),
            read.rules,
            question.policy,
            now=self._when(found),
            remote_start=found.remote and profile.tx_id is None,
            source=source,
        )
        return None if verdict is None else f"{verdict.info or verdict.status} ({verdict.reason or verdict.status})"

    def clear(self, step: Clearing) -> None:
        """K10.FR.03, FR.04; 1.6 5.5: an id alone decides, else everything given must fit."""
        gone = [number for number, one in self.installed.items() if _fits(step, one)]
        for number in gone:
            del self.installed[number]
        told = (
            f"removes profile{'s' if len(gone) > 1 else ''} {', '.join(str(one) for one in gone)}"
            if gone
            else "fits no profile"
        )
        self.notes.append(f"{step.where}: {told}")


def _named(gone: Installed, by: Profile) -> str:
    return "its earlier version" if gone.profile.id == by.id else f"profile {gone.profile.id}"


def _fits(step: Clearing, one: Installed) -> bool:
    if one.profile.purpose is Purpose.EXTERNAL:
        return False  # K10.FR.06
    if step.profile is not None:
        return one.profile.id == step.profile
    purpose = None if step.purpose is None else v16.PURPOSES.get(step.purpose, step.purpose)
    return (
        step.evse in {None, one.evse}
        and step.stack_level in {None, one.profile.stack_level}
        and (purpose is None or purpose in {one.profile.purpose, one.profile.purpose.value})
    )


def _schema_problem(version: str, payload: Mapping[str, Any], field_name: str) -> tuple[str, str] | None:
    """Path within the profile, and what is wrong there."""
    validator = Schemas.for_version(version).request("SetChargingProfile")
    problem = validator.problem(payload)
    if problem is None:
        return None
    path = problem.path.removeprefix(field_name).lstrip(".")
    message = problem.message
    if problem.rule == "enum":
        words = facet(validator.schema, re.sub(r"\[\d+\]", "", problem.path), "enum")
        message += f" ({', '.join(words)}){_near(_value_at(payload, problem.path), words)}"
    return path or "profile", message


def _value_at(payload: Any, path: str) -> Any:
    for name, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        payload = payload[name] if name else payload[int(number)]
    return payload


def _near(value: Any, words: Sequence[str]) -> str:
    found = get_close_matches(value, words, 1) if isinstance(value, str) and len(value) < LONGEST_WORD else []
    return f"; did you mean {found[0]}?" if found else ""
