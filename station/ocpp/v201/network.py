"""Block B, network connection profiles: SetNetworkProfile (B09). B10 and A05 are SetVariables of NetworkConfigurationPriority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.core import events
from station.core.types import NetworkProfile, Verdict
from station.ocpp.dialect import Call, Payload, Services
from station.ocpp.v201.fields import Handler, verdict_status

_STATUSES = frozenset({"Accepted", "Rejected", "Failed"})
# OCPPVersionEnumType: OCPP20 is what 2.0.1 calls itself (edition 3), the word of which 2.1 makes OCPP201.
_VERSIONS = {"OCPP12": "1.2", "OCPP15": "1.5", "OCPP16": "1.6", "OCPP20": "2.0.1"}
_KEPT = ("apn", "vpn")


def set_network_profile(call: Call, services: Services) -> None:
    """B09. The core judges slot, content and security."""
    profile = _profile(call.payload["connectionData"])
    slot = call.payload["configurationSlot"]
    services.command(
        lambda ref: events.SetNetworkProfile(ref, slot, profile), lambda verdict: call.answer(_words(verdict))
    )


def _profile(data: Mapping[str, Any]) -> NetworkProfile:
    timeout = data["messageTimeout"]
    return NetworkProfile(
        url=data["ocppCsmsUrl"],
        security_profile=data["securityProfile"],
        version=_VERSIONS[data["ocppVersion"]],
        message_timeout_s=timeout if timeout > 0 else -1,  # 0 would mean ours
        interface=data["ocppInterface"],
        transport=data["ocppTransport"],
        extra={name: data[name] for name in _KEPT if name in data},
    )


def _words(verdict: Verdict) -> Payload:
    """B09.FR.03: what could not be stored is Failed."""
    if verdict.status == "Rejected" and verdict.reason == "InternalError":
        verdict = Verdict("Failed", verdict.reason, verdict.info)
    return verdict_status(verdict, _STATUSES)


HANDLERS: Mapping[str, Handler] = {"SetNetworkProfile": set_network_profile}
