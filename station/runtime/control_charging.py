"""Commands: charging profiles by hand, what the schedules make of them, and what the driver wants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from station.clock import parse_iso
from station.config_fields import Flag, Integer, Number, Text, WrongValueError, setting
from station.config_read import got
from station.core.allowance import CONTROLLER
from station.core.charging.explain import explain
from station.core.charging.policy import RULES_201
from station.core.charging.profiles import (
    MILLI,
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
from station.core.charging.shapes import Composite, Tx, Zone
from station.core.events import ClearProfiles, GetComposite, InstallProfile, SetNeeds
from station.core.types import Verdict
from station.errors import Problem
from station.runtime.control_charging_rows import (
    ClearedResult,
    InstalledResult,
    PlanResult,
    ProfilesResult,
    plan_json,
    profile_row,
)
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, ask, conflict, program_of
from station.runtime.control_kinds import EVSE_OR_STATION, Duration, WrongFieldsError
from station.runtime.control_refusal import refusal
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


STEP_WORDS = "[seconds since its start, limit] or [seconds, limit, phases]"


class _Steps:
    """Limits of a schedule."""

    words = f"a list of steps {STEP_WORDS}, the first at 0"

    def read(self, value: object) -> tuple[tuple[int, float, int | None], ...]:
        if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_STEPS:
            raise WrongValueError(self.words, f"1 to {MOST_STEPS} of them")
        steps, wrong = [], []
        for index, step in enumerate(value):
            try:
                steps.append(self._step(step))
            except WrongValueError as error:
                wrong.append((str(index), f"must be {error.expected} {got(step)}"))
        if wrong:
            raise WrongFieldsError(self.words, wrong)
        return tuple(steps)

    def _step(self, step: object) -> tuple[int, float, int | None]:
        if not isinstance(step, list | tuple) or len(step) not in (2, 3):
            raise WrongValueError(STEP_WORDS)
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
        return {
            "type": "string",
            "maxLength": LONGEST_TIME,
            "description": f"{self.words[:1].upper()}{self.words[1:]}.",
        }


MOMENT = _Moment()


def _enabled(host: Host) -> bool:
    """K01.FR.29: the feature is there and switched on."""
    model = program_of(host).gateway.model
    return model.boolean(CONTROLLER, "Available") and model.boolean(CONTROLLER, "Enabled")


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
        return {"enabled": _enabled(host), "profiles": [profile_row(one) for one in installed]}


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
            if here is None or here.transaction is None:
                raise conflict(
                    f"no transaction is running at EVSE {self.evse}: start one, or choose another", "purpose"
                )
            tx_id = here.transaction.tx_id
        profile = self._profile(profile_id, tx_id, wall)
        verdict = await ask(host, lambda ref: InstallProfile(ref, profile, self.evse, RULES_201))
        if verdict.status != "Accepted":
            raise refusal(verdict)
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
        # A verdict's data is `object`; GetComposite says what these three are.
        made = cast(Composite, verdict.data["composite"])
        tx, zone = cast("Tx | None", verdict.data["tx"]), cast("Zone | None", verdict.data["zone"])
        installed = program_of(host).gateway.view().profiles
        changes = explain(made, zone, installed=installed, tx=tx)
        return plan_json(made, changes, zone, enabled=_enabled(host))


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
