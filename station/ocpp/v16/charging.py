"""Smart charging (sections 3.13, 5.5, 5.7, 5.16): a short translation into the commands that every version uses."""

from __future__ import annotations

import logging

from station.core.charging.policy import RULES_16
from station.core.charging.profiles import Profile, ProfileError, RateUnit
from station.core.charging.shapes import Composite
from station.core.components_charging import CONTROLLER
from station.core.device_model import DeviceModel
from station.core.events import ClearProfiles, GetComposite, InstallProfile
from station.core.types import Verdict
from station.ocpp.dialect import Call, DialectSettings, Payload, Services
from station.ocpp.v16.charging_profiles import PURPOSES, read_profile, write_composite
from station.ocpp.v16.common import Handler, accepted_or_rejected, answer_status, knows_connector

_log = logging.getLogger("station.ocpp")


def offered(model: DeviceModel) -> bool:
    """Whether this station has smart charging, and it is switched on."""
    return model.has_component(CONTROLLER) and all(
        model.boolean(CONTROLLER, variable) for variable in ("Available", "Enabled")
    )


def untied(payload: Payload) -> Payload:
    """The profile of a remote start without the transactionId, which it cannot know."""
    return {name: value for name, value in payload.items() if name != "transactionId"}


def accepted_profile(payload: Payload, services: Services) -> Profile | None:
    """The profile in a message; None, told to the log, when it cannot be read."""
    most = services.model.integer(CONTROLLER, "PeriodsPerSchedule")
    try:
        return read_profile(payload, services.tx_for_csms_id, now=services.now().wall, most_periods=most)
    except ProfileError as error:
        # 1.6 has no words for the reason in its answer.
        _log.warning("charging profile %s is refused: %s", payload["chargingProfileId"], error)
        return None


def _set(call: Call, services: Services, settings: DialectSettings) -> None:
    """5.16."""
    connector = call.payload["connectorId"]
    if not offered(services.model):
        answer_status(call, "NotSupported")
        return
    if connector != 0 and not knows_connector(settings, connector):
        answer_status(call, "Rejected")
        return
    profile = accepted_profile(call.payload["csChargingProfiles"], services)
    if profile is None:
        answer_status(call, "Rejected")
        return

    def done(verdict: Verdict) -> None:
        if verdict.status != "Accepted":
            _log.warning("charging profile %d is refused: %s", profile.id, verdict.info or verdict.reason)
        answer_status(call, verdict.status if verdict.status in {"Accepted", "NotSupported"} else "Rejected")

    services.command(lambda ref: InstallProfile(ref, profile, connector, RULES_16), done)


def _clear(call: Call, services: Services, _settings: DialectSettings) -> None:
    """5.5: an id alone counts, else everything that fits all that is given; 0 is a stackLevel and a connectorId like any other."""
    asked = call.payload
    profile_id = asked.get("id")
    purpose = asked.get("chargingProfilePurpose")

    def done(verdict: Verdict) -> None:
        answer_status(call, "Accepted" if verdict.status == "Accepted" else "Unknown")

    def clear(ref: int) -> ClearProfiles:
        if profile_id is not None:
            return ClearProfiles(ref, profile_id)
        return ClearProfiles(
            ref,
            evse=asked.get("connectorId"),
            purpose=None if purpose is None else PURPOSES[purpose],
            stack_level=asked.get("stackLevel"),
        )

    services.command(clear, done)


def _composite(call: Call, services: Services, settings: DialectSettings) -> None:
    """5.7: connector 0 is all that the station may draw from the grid."""
    asked = call.payload
    connector, duration, unit = asked["connectorId"], asked["duration"], asked.get("chargingRateUnit")
    if duration < 0 or not offered(services.model) or not (connector == 0 or knows_connector(settings, connector)):
        answer_status(call, "Rejected")
        return
    reject = accepted_or_rejected(call)

    def done(verdict: Verdict) -> None:
        composite = verdict.data.get("composite")
        if verdict.status == "Accepted" and isinstance(composite, Composite):
            call.answer(write_composite(composite))
        else:
            reject(Verdict("Rejected"))

    services.command(
        lambda ref: GetComposite(ref, connector, duration, None if unit is None else RateUnit(unit)),
        done,
    )


HANDLERS: dict[str, Handler] = {
    "ClearChargingProfile": _clear,
    "GetCompositeSchedule": _composite,
    "SetChargingProfile": _set,
}
