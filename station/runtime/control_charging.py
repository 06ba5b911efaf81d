"""Commands: charging profiles by hand, what the schedules make of them, and what the driver wants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.clock import parse_iso
from station.config_fields import Flag, Integer, Number, Text, WrongValueError, setting
from station.core.charging.composite import Composite, PhaseLimits, Source
from station.core.charging.explain import explain, number, source_json
from station.core.charging.policy import RULES_201
from station.core.charging.profiles import (
    MILLI,
    Installed,
    Kind,
    LimitSource,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from station.core.events import ClearProfiles, GetComposite, InstallProfile, SetNeeds
from station.core.types import Verdict
from station.errors import ControlError, Problem
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, ask, conflict, program_of
from station.runtime.control_kinds import EVSE_OR_STATION, Duration
from station.runtime.control_types import Json

__all__ = ["CHARGING"]

BY_HAND = (Purpose.TX_DEFAULT, Purpose.TX, Purpose.STATION_MAX)
MOST_STEPS = 1024
LONGEST_PLAN_S = 31 * 86_400
LONGEST_TIME = 40
NOW = "now"
PROFILE_ID = Integer(0, 2**31 - 1)
STACK_LEVEL = Integer(0, 1000)
UNITS = Text(choices=tuple(unit.value for unit in RateUnit))


class _Steps:
    """Limits of a schedule."""

    words = "a list of steps [seconds since its start, limit] or [seconds, limit, phases], the first at 0"

    def read(self, value: object) -> tuple[tuple[int, float, int | None], ...]:
        if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_STEPS:
            raise WrongValueError(self.words, f"1 to {MOST_STEPS} of them")
        return tuple(self._step(step) for step in value)

    def _step(self, step: object) -> tuple[int, float, int | None]:
        if not isinstance(step, list | tuple) or len(step) not in (2, 3):
            raise WrongValueError(self.words)
        phases = Integer(1, 3).read(step[2]) if len(step) == 3 and step[2] is not None else None
        return Integer(0, 2**31 - 1).read(step[0]), Number(0, 1e9).read(step[1]), phases

    def schema(self) -> dict[str, Any]:
        step = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 3}
        return {"type": "array", "items": step, "minItems": 1, "maxItems": MOST_STEPS}


class _Moment:
    """A point in time, or the moment of the command."""

    words = 'a time such as "2026-11-22T18:00:00Z", or "now"'

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_TIME:
            raise WrongValueError(self.words)
        if value != NOW:
            try:
                parse_iso(value)
            except (ValueError, OverflowError):
                raise WrongValueError(self.words) from None
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": LONGEST_TIME}


MOMENT = _Moment()


class PeriodRow(TypedDict):
    """A step of a schedule. limit: null where the profile gives none."""

    start: int
    limit: float | None
    phases: int | None


class ScheduleRow(TypedDict):
    """A schedule. start: wall seconds, null for one that is relative. duration: seconds."""

    unit: str
    start: int | None
    duration: int | None
    periods: list[PeriodRow]


class ProfileRow(TypedDict):
    """A charging profile that is installed. Times are wall seconds; `transaction` is the station's own id."""

    id: int
    evse: int
    purpose: str
    kind: str
    recurrency: str | None
    stack_level: int
    valid_from: int | None
    valid_to: int | None
    transaction: str | None
    source: str
    schedules: list[ScheduleRow]


class ProfilesResult(TypedDict):
    """The charging profiles that are installed."""

    profiles: list[ProfileRow]


class InstalledResult(TypedDict):
    """The profile's id."""

    id: int


class ClearedResult(TypedDict):
    """How many profiles went."""

    cleared: int


class SourceRow(TypedDict):
    """What one profile, or the hardware, allows: `limit` in the unit of the plan, `given` in its own."""

    name: str
    purpose: str | None
    profile: int | None
    stack_level: int | None
    limit: float | None
    phases: int | None
    given: float | None
    given_unit: str
    binding: bool


class PlanRow(TypedDict):
    """A period of the plan. start, until: seconds since its start. l2, l3: where phases differ."""

    start: int
    until: int
    limit: float | None
    l2: float | None
    l3: float | None
    phases: int | None
    cause: str | None
    sources: list[SourceRow]


class ChangeRow(TypedDict):
    """A change of the limit or of its cause, in a sentence. at: wall seconds; local: on the station's clock."""

    at: int
    local: str
    sentence: str
    limit: float | None
    unit: str
    phases: int | None
    cause: str | None
    new_cause: bool
    sources: list[SourceRow]


class PlanResult(TypedDict):
    """The composite schedule from now on: what limits, when, and why. start: wall seconds; duration: seconds."""

    evse: int
    start: int
    duration: int
    unit: str
    periods: list[PlanRow]
    changes: list[ChangeRow]


class _Charging(Command):
    __slots__ = ()
    group: ClassVar[str] = "charging"


@dataclass(frozen=True, slots=True)
class Profiles(_Charging):
    """The charging profiles that are installed, whoever brought them."""

    name: ClassVar[str] = "profiles"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = ProfilesResult

    async def act(self, host: Host) -> Json:
        installed = program_of(host).gateway.view().profiles
        return {"profiles": [profile_row(one) for one in installed]}


def profile_row(one: Installed) -> Json:
    """How an installed profile is shown."""
    profile = one.profile
    return {
        "id": profile.id,
        "evse": one.evse,
        "purpose": profile.purpose.value,
        "kind": profile.kind.value,
        "recurrency": profile.recurrency.value if profile.recurrency is not None else None,
        "stack_level": profile.stack_level,
        "valid_from": profile.valid_from,
        "valid_to": profile.valid_to,
        "transaction": profile.tx_id,
        "source": one.source.value,
        "schedules": [_schedule_row(schedule) for schedule in profile.schedules],
    }


def _schedule_row(schedule: Schedule) -> Json:
    return {
        "unit": schedule.unit.value,
        "start": schedule.start,
        "duration": schedule.duration,
        "periods": [
            {
                "start": period.start,
                "limit": None if period.limit is None else period.limit.total / MILLI,
                "phases": period.phases,
            }
            for period in schedule.periods
        ],
    }


@dataclass(frozen=True, slots=True)
class ProfileAdd(_Charging):
    """A charging profile is installed by hand, under the rules of OCPP 2.0.1 and as if the CSMS had sent it: one with the same id is
    replaced. Without `start` it is relative to the transaction; with `repeat` it comes again every day or week.
    """

    name: ClassVar[str] = "profile_add"
    returns: ClassVar[Any] = InstalledResult
    steps: tuple[tuple[int, float, int | None], ...] = setting(
        _Steps(),
        "Limits, as [seconds since its start, limit] or [seconds, limit, phases].",
        example=[[0, 16], [3600, 8]],
    )
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the whole station.", default=1)
    purpose: str = setting(
        Text(choices=tuple(purpose.value for purpose in BY_HAND)),
        "What it limits: every transaction, the running one, or the station.",
        default=Purpose.TX_DEFAULT.value,
    )
    unit: str = setting(UNITS, "A per phase, or W in total.", default="A")
    id: int | None = setting(PROFILE_ID, "Its id; without it, the next that is free.", default=None)
    stack_level: int = setting(STACK_LEVEL, "The higher leads among those of one purpose.", default=0)
    start: str | None = setting(MOMENT, "When the schedule starts.", default=None, example="now")
    duration: float | None = setting(Duration(), "How long it is; without it, it does not end.", default=None)
    repeat: str | None = setting(
        Text(choices=tuple(recurrency.value for recurrency in Recurrency)),
        "Every day or week, from `start` on.",
        default=None,
    )
    valid_from: str | None = setting(MOMENT, "From when it counts.", default=None)
    valid_to: str | None = setting(MOMENT, "Until when it counts.", default=None)

    def problems(self) -> Iterator[Problem]:
        if self.repeat is not None and self.start is None:
            yield Problem("start", 'is needed with repeat: a time, or "now"')

    async def act(self, host: Host) -> Json:
        gateway = program_of(host).gateway
        view, wall = gateway.view(), int(gateway.now().wall)
        taken = {one.profile.id for one in view.profiles}
        profile_id = self.id if self.id is not None else next(n for n in range(1, len(taken) + 2) if n not in taken)
        tx_id = None
        if self.purpose == Purpose.TX.value:
            here = next((evse for evse in view.evses if evse.evse == self.evse), None)
            tx_id = here.transaction.tx_id if here is not None and here.transaction is not None else None
        profile = self._profile(profile_id, tx_id, wall)
        verdict = await ask(host, lambda ref: InstallProfile(ref, profile, self.evse, RULES_201))
        _accepted(verdict)
        return {"id": profile_id}

    def _profile(self, profile_id: int, tx_id: str | None, wall: int) -> Profile:
        kind = Kind.RECURRING if self.repeat else Kind.ABSOLUTE if self.start else Kind.RELATIVE
        schedule = Schedule(
            RateUnit(self.unit),
            tuple(
                Period(start, Rates(math.floor(limit * MILLI + 1e-6)), phases) for start, limit, phases in self.steps
            ),
            start=_moment(self.start, wall),
            duration=None if self.duration is None else int(self.duration),
            id=profile_id,
        )
        return Profile(
            profile_id,
            self.stack_level,
            Purpose(self.purpose),
            kind,
            (schedule,),
            recurrency=None if self.repeat is None else Recurrency(self.repeat),
            valid_from=_moment(self.valid_from, wall),
            valid_to=_moment(self.valid_to, wall),
            tx_id=tx_id,
        )


def _moment(text: str | None, wall: int) -> int | None:
    if text is None:
        return None
    return wall if text == NOW else int(parse_iso(text))


def _accepted(verdict: Verdict) -> None:
    """Raises ControlError when the station refuses."""
    if verdict.status != "Accepted":
        why = ": ".join(part for part in (verdict.reason, verdict.info) if part)
        raise conflict(f"the station refuses: {why or 'as things are'}")


@dataclass(frozen=True, slots=True)
class ProfileClear(_Charging):
    """Charging profiles are removed: the one with this id, or all that fit what is given. Limits of an energy management stay."""

    name: ClassVar[str] = "profile_clear"
    returns: ClassVar[Any] = ClearedResult
    id: int | None = setting(PROFILE_ID, "Only this one.", default=None)
    evse: int | None = setting(EVSE_OR_STATION, "Of this EVSE; 0: of the whole station.", default=None)
    purpose: str | None = setting(
        Text(choices=tuple(purpose.value for purpose in BY_HAND)), "Of this purpose.", default=None
    )
    stack_level: int | None = setting(STACK_LEVEL, "Of this stack level.", default=None)

    async def act(self, host: Host) -> Json:
        gateway = program_of(host).gateway
        before = len(gateway.view().profiles)
        purpose = None if self.purpose is None else Purpose(self.purpose)
        verdict = await ask(
            host, lambda ref: ClearProfiles(ref, self.id, self.evse, purpose, self.stack_level, LimitSource.CSO)
        )
        if verdict.status == "Unknown":
            return {"cleared": 0}
        _accepted(verdict)
        return {"cleared": before - len(gateway.view().profiles)}


@dataclass(frozen=True, slots=True)
class Plan(_Charging):
    """The composite schedule of an EVSE from now on, with the sources of every limit, and a sentence for every change."""

    name: ClassVar[str] = "plan"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = PlanResult
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the grid connection.", default=1)
    duration: float = setting(Duration(), "How far to look.", default=86_400.0, example="24h")
    unit: str = setting(UNITS, "A per phase, or W in total.", default="A")

    def problems(self) -> Iterator[Problem]:
        if self.duration > LONGEST_PLAN_S:
            yield Problem("duration", f"at most {LONGEST_PLAN_S // 86_400} days")

    async def act(self, host: Host) -> Json:
        unit = RateUnit(self.unit)
        verdict = await ask(
            host, lambda ref: GetComposite(ref, self.evse, int(self.duration), unit, merge_causes=False)
        )
        _accepted(verdict)
        made, tx, zone = (verdict.data[name] for name in ("composite", "tx", "zone"))
        if not isinstance(made, Composite):
            raise ControlError("internal", [Problem("", "the station gave no schedule")])
        installed = program_of(host).gateway.view().profiles
        changes = explain(made, zone, installed=installed, tx=tx)  # type: ignore[arg-type]  # a verdict's data is `object`
        return {
            "evse": made.evse,
            "start": made.start,
            "duration": made.duration,
            "unit": made.unit.value,
            "periods": _plan_rows(made),
            "changes": [change.to_json() for change in changes],
        }


def _plan_rows(made: Composite) -> list[Json]:
    ends = [period.start for period in made.periods[1:]] + [made.duration]
    return [
        {
            "start": period.start,
            "until": until,
            **_rates(period.limit),
            "phases": period.phases,
            "cause": None if period.binding is None else _name(period.binding),
            "sources": [source_json(source, binding=source == period.binding) for source in period.sources],
        }
        for period, until in zip(made.periods, ends, strict=True)
    ]


def _rates(limit: PhaseLimits | None) -> Json:
    if limit is None:
        return {"limit": None, "l2": None, "l3": None}
    return {"limit": number(limit.total), "l2": number(limit.l2), "l3": number(limit.l3)}


def _name(source: Source) -> str:
    return str(source_json(source, binding=True)["name"])


@dataclass(frozen=True, slots=True)
class NeedsCommand(_Charging):
    """What the driver wants of this session, for the sharing of the station's power: when to leave, how much energy until then,
    priority. What is left out stays as it was; `clear` forgets all of it first.
    """

    name: ClassVar[str] = "needs"
    evse: int = evse_field()
    departs_in: float | None = setting(Duration(), "From now until the vehicle leaves.", default=None, example="8h")
    energy_wh: float | None = setting(Number(0, 1e7, "Wh"), "Energy wanted until then.", default=None)
    priority: int | None = setting(Integer(0, 100), "The higher is served first.", default=None)
    clear: bool = setting(Flag(), "Forget what was said before.", default=False)

    async def act(self, host: Host) -> Json:
        departs = None if self.departs_in is None else program_of(host).gateway.now().wall + self.departs_in
        verdict = await ask(
            host, lambda ref: SetNeeds(ref, self.evse, departs, self.energy_wh, self.priority, self.clear)
        )
        _accepted(verdict)
        return {}


CHARGING: Sequence[type[Command]] = (Profiles, ProfileAdd, ProfileClear, Plan, NeedsCommand)
