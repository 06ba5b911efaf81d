"""What the CSMS does about charging profiles in a scenario, in the words of the version that is spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from station.clock import iso
from station.config_fields import Integer, Number, Text, WrongValueError, setting
from station.errors import Problem
from station.sim.csms import Refusal
from station.sim.scenario_csms import expect_status, send_call
from station.sim.scenario_kinds import Conditions, Duration, WallTime
from station.sim.scenario_match import Condition, mismatches
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.steps import Deed, DeedBase

__all__ = ["PROFILE_STEPS", "Periods"]

STATION_MAX = "ChargingStationMaxProfile"
PURPOSES = ("TxDefaultProfile", "TxProfile", STATION_MAX)
KINDS = ("Absolute", "Recurring", "Relative")
RECURRENCIES = ("Daily", "Weekly")
UNITS = ("A", "W")
PLACE = Integer(0, 64)
LEVEL = Integer(0, 1000)
NUMBER = Integer(0, 2**31 - 1)
_LIMIT = Number(0, 1e6)
_PHASES = Integer(1, 3)


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods of a schedule: (seconds since its start, limit, number of phases or None)."""

    @property
    def words(self) -> str:
        return 'a list of periods [start, limit] or [start, limit, phases], such as [[0, 16], ["8 h", 6, 1]]'

    def read(self, value: object) -> tuple[tuple[int, float, int | None], ...]:
        if not isinstance(value, list | tuple) or not value:
            raise WrongValueError(self.words)
        found = []
        for row in value:
            if not isinstance(row, list | tuple) or len(row) not in {2, 3}:
                raise WrongValueError(self.words)
            phases = _PHASES.read(row[2]) if len(row) == 3 else None
            found.append((round(Duration().read(row[0])), float(_LIMIT.read(row[1])), phases))
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 3}, "minItems": 1}


@dataclass(frozen=True, slots=True)
class Profile(DeedBase):
    """The CSMS installs a charging profile, in the words of the version that is spoken; a TxProfile for the running transaction."""

    periods: tuple[tuple[int, float, int | None], ...] = setting(Periods(), "When which limit begins.")
    id: int = setting(NUMBER, "Its id.", default=1)
    evse: int = setting(PLACE, "For which EVSE; 0: for the station.", default=0)
    level: int = setting(LEVEL, "Stack level: the highest that has a period leads.", default=0)
    purpose: str = setting(Text(choices=PURPOSES), "What it is for.", default=PURPOSES[0])
    kind: str = setting(Text(choices=KINDS), "When it begins.", default=KINDS[0])
    recurrency: str | None = setting(
        Text(choices=RECURRENCIES), "With Recurring: how often.", default=None, example="Daily"
    )
    start: float | None = setting(
        WallTime(), "Begin of the schedule; none with Relative.", default=None, example="2026-01-15T22:00:00Z"
    )
    duration: float | None = setting(Duration(), "Its length; none: without end.", default=None, example="8 h")
    unit: str = setting(Text(choices=UNITS), "A per phase, or W in total.", default="A")
    valid_from: float | None = setting(WallTime(), "First moment.", default=None, example="2026-01-15T00:00:00Z")
    valid_to: float | None = setting(WallTime(), "End of validity.", default=None, example="2026-01-16T00:00:00Z")
    status: str = setting(Text(choices=("Accepted", "Rejected")), "Answer expected.", default="Accepted")

    def problems(self) -> Iterator[Problem]:
        """What a single field's kind cannot know."""
        if (self.kind == "Recurring") is not (self.recurrency is not None):
            yield Problem("recurrency", "belongs to kind Recurring, and to no other")

    async def act(self, stage: Stage) -> str:
        profile: dict[str, Any] = {
            "stackLevel": self.level,
            "chargingProfilePurpose": self.purpose,
            "chargingProfileKind": self.kind,
            "recurrencyKind": self.recurrency,
            "validFrom": _moment(self.valid_from),
            "validTo": _moment(self.valid_to),
        }
        seen = stage.transaction(self.evse, running=True) if self.purpose == "TxProfile" else None
        if stage.version == "1.6":
            if self.purpose == STATION_MAX:
                profile["chargingProfilePurpose"] = "ChargePointMaxProfile"
            profile |= {"chargingProfileId": self.id, "chargingSchedule": self._schedule()}
            profile["transactionId"] = int(seen.id) if seen is not None else None
            payload = {"connectorId": self.evse, "csChargingProfiles": _given(profile)}
        else:
            profile |= {"id": self.id, "chargingSchedule": [{"id": 1, **self._schedule()}]}
            profile["transactionId"] = seen.id if seen is not None else None
            payload = {"evseId": self.evse, "chargingProfile": _given(profile)}
        answer = await send_call(stage, "SetChargingProfile", payload)
        return expect_status("SetChargingProfile", answer, self.status)

    def _schedule(self) -> dict[str, Any]:
        rows = [
            _given({"startPeriod": start, "limit": limit, "numberPhases": phases})
            for start, limit, phases in self.periods
        ]
        duration = None if self.duration is None else round(self.duration)
        return _given(
            {
                "startSchedule": _moment(self.start),
                "duration": duration,
                "chargingRateUnit": self.unit,
                "chargingSchedulePeriod": rows,
            }
        )


@dataclass(frozen=True, slots=True)
class ClearProfile(DeedBase):
    """The CSMS removes charging profiles: one by its id, or all that fit what else is given."""

    id: int | None = setting(NUMBER, "Of the profile.", default=None, example=1)
    evse: int | None = setting(PLACE, "Of this EVSE; 0: of the station.", default=None, example=1)
    purpose: str | None = setting(Text(choices=PURPOSES), "For this.", default=None, example=PURPOSES[0])
    level: int | None = setting(LEVEL, "Of this stack level.", default=None, example=0)
    status: str = setting(Text(choices=("Accepted", "Unknown")), "Answer expected.", default="Accepted")

    async def act(self, stage: Stage) -> str:
        if stage.version == "1.6":
            purpose = "ChargePointMaxProfile" if self.purpose == STATION_MAX else self.purpose
            payload: dict[str, Any] = {
                "id": self.id,
                "connectorId": self.evse,
                "chargingProfilePurpose": purpose,
                "stackLevel": self.level,
            }
        else:
            criteria = {"evseId": self.evse, "chargingProfilePurpose": self.purpose, "stackLevel": self.level}
            payload = {"chargingProfileId": self.id, "chargingProfileCriteria": _given(criteria) or None}
        answer = await send_call(stage, "ClearChargingProfile", _given(payload))
        return expect_status("ClearChargingProfile", answer, self.status)


@dataclass(frozen=True, slots=True)
class Composite(DeedBase):
    """The CSMS asks for the composite schedule. `where` looks at `start`, `duration`, `unit` and `periods` of the answer, each with
    `start`, `limit` and `phases`, whatever the version calls them.
    """

    duration: float = setting(Duration(), "Of how long.")
    evse: int = setting(PLACE, "Of which EVSE; 0: of the station.", default=1)
    unit: str | None = setting(
        Text(choices=UNITS), "In which unit; none: as the station likes.", default=None, example="A"
    )
    where: tuple[Condition, ...] = setting(Conditions(), "What must hold of it.", default=())
    status: str = setting(Text(choices=("Accepted", "Rejected")), "Answer expected.", default="Accepted")

    async def act(self, stage: Stage) -> str:
        place = "connectorId" if stage.version == "1.6" else "evseId"
        payload = {place: self.evse, "duration": round(self.duration), "chargingRateUnit": self.unit}
        answer = await send_call(stage, "GetCompositeSchedule", _given(payload))
        status = expect_status("GetCompositeSchedule", answer, self.status)
        wrong = mismatches(self.where, _plain(answer)) if not isinstance(answer, Refusal) else []
        if wrong:
            raise StepFailed(
                f"expected: a composite schedule with {', '.join(map(str, self.where))}", *(f"came: {w}" for w in wrong)
            )
        return status


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A composite schedule in one shape for all versions; empty when there is none."""
    found = answer.get("schedule") or answer.get("chargingSchedule")
    if found is None:
        return {}
    return _given(
        {
            "start": found.get("scheduleStart") or answer.get("scheduleStart"),
            "duration": found.get("duration"),
            "unit": found["chargingRateUnit"],
            "periods": [
                _given({"start": row["startPeriod"], "limit": row.get("limit"), "phases": row.get("numberPhases")})
                for row in found["chargingSchedulePeriod"]
            ],
        }
    )


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _moment(wall: float | None) -> str | None:
    return None if wall is None else iso(wall)


PROFILE_STEPS: dict[str, type[Deed]] = {
    "profile": Profile,
    "clear_profile": ClearProfile,
    "composite": Composite,
}
