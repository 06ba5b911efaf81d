"""Block K: SetChargingProfile (K01), GetCompositeSchedule (K08), GetChargingProfiles (K09), ClearChargingProfile (K10).

What a profile may be, and what it does, is the core's business; here it is translated.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from station.core import events
from station.core.charging.policy import RULES_201
from station.core.charging.profiles import Installed, LimitSource, Profile, ProfileError, Purpose, RateUnit
from station.core.charging.shapes import Composite
from station.core.device_model import DeviceModel
from station.core.types import Verdict
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.charging_profiles import MOST_PERIODS, read_profile, tellable, write_composite, write_profile
from station.ocpp.v201.fields import ACCEPTED_OR_REJECTED, Handler, status, verdict_status
from station.ocpp.v201.variables import wire_bytes

CONTROLLER = "SmartChargingCtrlr"

_CLEARED = frozenset({"Accepted", "Unknown"})
_PART_BYTES = 32_768  # a message gets no longer for a second profile


def supported(model: DeviceModel) -> bool:
    """K01.FR.29: whether the station has smart charging at all."""
    return _is_true(model, "Available")


def enabled(model: DeviceModel) -> bool:
    """K05.FR.04: whether charging profiles count."""
    return supported(model) and _is_true(model, "Enabled")


def _is_true(model: DeviceModel, variable: str) -> bool:
    found = model.find(CONTROLLER, variable)
    return found is not None and model.value(found.key) == "true"


def read_wire(payload: Mapping[str, Any], model: DeviceModel) -> Profile:
    """A ChargingProfileType of a message. Raises ProfileError, which names fields as the core does."""
    found = model.find(CONTROLLER, "PeriodsPerSchedule")
    text = None if found is None else model.value(found.key)
    return read_profile(payload, "", most_periods=int(text) if text else MOST_PERIODS)


def set_profile(call: Call, services: Services) -> None:
    """K01. The core judges the profile."""
    evse = call.payload["evseId"]
    try:
        profile = read_wire(call.payload["chargingProfile"], services.model)
    except ProfileError as error:
        call.answer(refused(error))
        return
    services.command(
        lambda ref: events.InstallProfile(ref, profile, evse, RULES_201),
        lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_OR_REJECTED)),
    )


def refused(error: ProfileError) -> Payload:
    """The answer to a profile that cannot be read."""
    return status("Rejected", error.reason, str(error))


def clear_profile(call: Call, services: Services) -> None:
    """K10.FR.03: an id alone decides; else everything that is given must fit (K10.FR.04)."""
    profile_id = call.payload.get("chargingProfileId")
    criteria: Mapping[str, Any] = call.payload.get("chargingProfileCriteria", {}) if profile_id is None else {}
    purpose = criteria.get("chargingProfilePurpose")
    services.command(
        lambda ref: events.ClearProfiles(
            ref,
            profile_id,
            evse=criteria.get("evseId"),
            purpose=None if purpose is None else Purpose(purpose),
            stack_level=criteria.get("stackLevel"),
        ),
        lambda verdict: call.answer(verdict_status(verdict, _CLEARED, "Unknown")),
    )


# --- composite schedule ---------------------------------------------------------------------------------------------


def get_composite_schedule(call: Call, services: Services) -> None:
    """K08.FR.02, FR.03."""
    evse, duration, unit = call.payload["evseId"], call.payload["duration"], call.payload.get("chargingRateUnit")
    if duration < 0:
        call.answer(status("Rejected", "ValueTooLow", "duration: must be at least 0"))
        return
    services.command(
        lambda ref: events.GetComposite(ref, evse, duration, None if unit is None else RateUnit(unit)),
        lambda verdict: call.answer(_composite_answer(verdict)),
    )


def _composite_answer(verdict: Verdict) -> Payload:
    """K08.FR.05, FR.07: a schedule that cannot be told is refused."""
    answer = verdict_status(verdict, ACCEPTED_OR_REJECTED)
    if answer["status"] != "Accepted":
        return answer
    composite = verdict.data.get("composite")
    schedule = write_composite(composite) if isinstance(composite, Composite) else None
    if schedule is None:
        return status("Rejected", "Unspecified", "nothing limits the current in this time")
    return {**answer, "schedule": schedule}


# --- report ---------------------------------------------------------------------------------------------------------


def get_profiles(call: Call, services: Services) -> None:
    """K09: the answer first, then the profiles that were there when it was asked."""
    found = [
        one
        for one in services.view().profiles
        if tellable(one.profile) and _asked_for(one, call.payload.get("evseId"), call.payload["chargingProfile"])
    ]
    if not found:
        call.answer(status("NoProfiles"))
    elif not services.takes_series():
        # There is no word for "not now" in this response. A CSMS that asks faster than it listens must not fill our memory.
        call.refuse("InternalError", "too many reports wait to be sent")
    else:
        call.answer(status("Accepted"))
        services.send_series(report_profiles(call.payload["requestId"], found))


def _asked_for(one: Installed, evse: int | None, criterion: Mapping[str, Any]) -> bool:
    """K09.FR.04 to FR.06: without an evseId of every EVSE, and 0 is the station itself. All fields must fit."""
    ids = criterion.get("chargingProfileId")
    sources = criterion.get("chargingLimitSource")
    return (
        evse in {None, one.evse}
        and (ids is None or one.profile.id in ids)
        and (sources is None or one.source.value in sources)
        and criterion.get("stackLevel") in {None, one.profile.stack_level}
        and criterion.get("chargingProfilePurpose") in {None, one.profile.purpose.value}
    )


def report_profiles(request_id: int, found: Iterable[Installed]) -> Iterator[Frame]:
    """ReportChargingProfiles: one message per EVSE and source, more where they get long; each made when it is asked for."""
    parts = _parts(found)
    part = next(parts, None)
    while part is not None:
        after = next(parts, None)
        evse, source, profiles = part
        yield Frame(
            "ReportChargingProfiles",
            {
                "requestId": request_id,  # K09.FR.01
                "chargingLimitSource": source.value,
                "evseId": evse,
                "chargingProfile": profiles,
                "tbc": after is not None,  # K09.FR.02
            },
        )
        part = after


def _parts(found: Iterable[Installed]) -> Iterator[tuple[int, LimitSource, list[Payload]]]:
    ordered = sorted(found, key=lambda one: (one.evse, one.source.value, one.profile.purpose.value, one.profile.id))
    for (evse, source), group in itertools.groupby(ordered, key=lambda one: (one.evse, one.source)):
        part: list[Payload] = []
        size = 0
        for one in group:
            profile = write_profile(one.profile)
            length = wire_bytes(profile) + 1
            if part and size + length > _PART_BYTES:
                yield evse, source, part
                part, size = [], 0
            part.append(profile)
            size += length
        yield evse, source, part


def _if_supported(handler: Handler) -> Handler:
    def handle(call: Call, services: Services) -> None:
        if supported(services.model):
            handler(call, services)
        else:
            call.refuse("NotSupported", "this station has no smart charging")  # K01.FR.29

    return handle


HANDLERS: Mapping[str, Handler] = {
    "ClearChargingProfile": _if_supported(clear_profile),
    "GetChargingProfiles": _if_supported(get_profiles),
    "GetCompositeSchedule": _if_supported(get_composite_schedule),
    "SetChargingProfile": _if_supported(set_profile),
}
