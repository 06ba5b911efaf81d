"""GetConfiguration and ChangeConfiguration (sections 5.3, 5.8). The keys themselves are in `keys`."""

from __future__ import annotations

from station.core.events import RaiseSecurityProfile, SetVariables, VariableWrite
from station.core.types import Verdict
from station.ocpp.dialect import Call, DialectSettings, Payload, Services
from station.ocpp.v16.common import Handler, accepted_or_rejected, answer_status
from station.ocpp.v16.keys import SECURITY_PROFILE, Setting, all_settings, look_up, wire_value

# Status of a write to a variable -> ConfigurationStatus; anything else did not set it: Rejected.
_STATUSES = {
    "Accepted": "Accepted",
    "RebootRequired": "RebootRequired",
    "UnknownComponent": "NotSupported",
    "UnknownVariable": "NotSupported",
}


def _get(call: Call, services: Services, settings: DialectSettings) -> None:
    wanted: list[str] = call.payload.get("key") or []
    if not wanted:
        # 5.8: empty or missing asks for everything.
        call.answer({"configurationKey": [_words(s) for s in all_settings(services.model, settings)]})
        return
    found, unknown = [], []
    for name in wanted:
        setting = look_up(name, services.model, settings)
        if setting is None:
            unknown.append(name)
        else:
            found.append(_words(setting))
    answer: Payload = {"configurationKey": found}
    if unknown:
        answer["unknownKey"] = unknown
    call.answer(answer)


def _words(setting: Setting) -> Payload:
    words: Payload = {"key": setting.key.name, "readonly": setting.read_only}
    if setting.value is not None:
        words["value"] = setting.value
    return words


def _change(call: Call, services: Services, settings: DialectSettings) -> None:
    """The variable of the key and what it is joined with: no reboot and no refusal of what follows (5.3)."""
    setting = look_up(call.payload["key"], services.model, settings)
    if setting is None:
        answer_status(call, "NotSupported")  # TC_040_1
        return
    value = None if setting.read_only else wire_value(setting, call.payload["value"], settings)
    if value is None:
        answer_status(call, "Rejected")  # TC_040_2; 3.16.4 for measurands
        return
    if setting.key.name == SECURITY_PROFILE:
        services.command(lambda ref: RaiseSecurityProfile(ref, int(value)), accepted_or_rejected(call))
        return
    key = setting.key
    write = VariableWrite(key.component, key.variable, value, variable_instance=key.instance)
    others = key.joint.writes(value, services.model) if key.joint is not None else ()

    def done(verdict: Verdict) -> None:
        results = verdict.data.get("results")
        told = results if isinstance(results, list | tuple) and results else [verdict]
        worst = next((result for result in told if result.status != "Accepted"), told[0])
        answer_status(call, _STATUSES.get(worst.status, "Rejected"))

    services.command(lambda ref: SetVariables(ref, (write, *others)), done)


HANDLERS: dict[str, Handler] = {"ChangeConfiguration": _change, "GetConfiguration": _get}
