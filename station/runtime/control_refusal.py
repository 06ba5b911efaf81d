"""Why the station refuses a charging profile that was made by hand, in the names of the command's own fields."""

from __future__ import annotations

import re

from station.core.types import Verdict
from station.errors import ControlError
from station.runtime.control_host import conflict

__all__ = ["refusal"]

_FIELDS = {
    "evseId": "evse",
    "id": "id",
    "stackLevel": "stack_level",
    "chargingProfilePurpose": "purpose",
    "transactionId": "purpose",
    "chargingProfileKind": "start",
    "startSchedule": "start",
    "recurrencyKind": "repeat",
    "validFrom": "valid_from",
    "validTo": "valid_to",
    "chargingRateUnit": "unit",
    "duration": "duration",
    "chargingSchedulePeriod": "steps",
    "chargingSchedule": "steps",
}
"""Names of OCPP, and those of `profile_add`."""
_STEP = re.compile(r"chargingSchedulePeriod\[(\d+)\]")
_PATH = re.compile(r"([\w\[\].]+): (.+)", re.DOTALL)


def refusal(verdict: Verdict) -> ControlError:
    """The refusal of an `InstallProfile`, at the field that it names."""
    reason = f" ({verdict.reason})" if verdict.reason else ""
    info = verdict.info or "as things are"
    found = _PATH.fullmatch(info)
    field = _field(found[1]) if found is not None else ""
    if found is None or not field:
        return conflict(f"the station refuses: {info}{reason}")
    words = found[2]
    if field == "start" and words.endswith("Relative"):
        words += '; give it a start: a time, or "now"'
    return conflict(f"the station refuses: {words}{reason}", field)


def _field(path: str) -> str:
    """The field of the command that a path of OCPP is about; "" for none."""
    step = _STEP.search(path)
    if step is not None:
        return f"steps.{step[1]}"
    return _FIELDS.get(path.rsplit(".", 1)[-1].split("[", maxsplit=1)[0], "")
