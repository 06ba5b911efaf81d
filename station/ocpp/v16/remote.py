"""Remote control: start, stop, unlock, availability, authorisation cache (sections 5.2, 5.4, 5.11, 5.12, 5.18)."""

from __future__ import annotations

from station.core.charging.policy import RULES_16
from station.core.events import ChangeAvailability, ClearCache, RemoteStart, RemoteStop, Unlock
from station.core.types import Verdict
from station.ocpp.dialect import Call, DialectSettings, Services
from station.ocpp.v16 import charging
from station.ocpp.v16.common import Handler, accepted_or_rejected, answer_status, knows_connector, token_of

# Verdict words of the core -> UnlockStatus (7.46: NotSupported also says that the connector is unknown).
_UNLOCKED = {"Unlocked": "Unlocked", "UnknownConnector": "NotSupported", "NotSupported": "NotSupported"}
_NO_LOCK = "NotEnabled"  # reason code of a failed unlock: there is no lock to open


def _remote_start(call: Call, services: Services, settings: DialectSettings) -> None:
    """Whether the token is authorised first (AuthorizeRemoteTxRequests) is the core's business."""
    asked = call.payload
    connector = asked.get("connectorId")
    # 5.11: a station without smart charging starts without the profile.
    wire = asked.get("chargingProfile") if charging.offered(services.model) else None
    if (
        # 4.2: not allowed while Pending.
        services.registration() != "Accepted"
        # TC_027: connector 0 cannot be charged at.
        or (connector is not None and not knows_connector(settings, connector))
        # 5.11, TC_060: the profile of a remote start SHALL be a TxProfile.
        or (wire is not None and wire["chargingProfilePurpose"] != "TxProfile")
    ):
        answer_status(call, "Rejected")
        return
    # 5.11: its transaction is the one to come, whatever transactionId is there.
    profile = None if wire is None else charging.accepted_profile(charging.untied(wire), services)
    if wire is not None and profile is None:
        answer_status(call, "Rejected")
        return
    token = token_of(asked["idTag"])
    services.command(
        lambda ref: RemoteStart(ref, token, evse=connector, profile=profile, rules=RULES_16),
        accepted_or_rejected(call),
    )


def _remote_stop(call: Call, services: Services, _settings: DialectSettings) -> None:
    tx_id = services.tx_for_csms_id(call.payload["transactionId"])
    # 4.2: not allowed while Pending. TC_028: an unknown transaction is Rejected.
    if services.registration() != "Accepted" or tx_id is None:
        answer_status(call, "Rejected")
        return
    services.command(lambda ref: RemoteStop(ref, tx_id), accepted_or_rejected(call))


def _unlock(call: Call, services: Services, settings: DialectSettings) -> None:
    connector = call.payload["connectorId"]
    # TC_031 and 7.46: NotSupported when the connector is unknown.
    if not knows_connector(settings, connector):
        answer_status(call, "NotSupported")
        return

    def done(verdict: Verdict) -> None:
        word = _UNLOCKED.get(verdict.status, "UnlockFailed")
        # TC_017_2, TC_018_2 and 7.46: no lock (fixed cable) is NotSupported, which 2.x calls a failure.
        answer_status(call, "NotSupported" if verdict.reason == _NO_LOCK else word)

    # 5.18: a transaction in progress is finished first.
    services.command(lambda ref: Unlock(ref, connector, stops_transaction=True), done)


def _change_availability(call: Call, services: Services, settings: DialectSettings) -> None:
    connector = call.payload["connectorId"]
    operative = call.payload["type"] == "Operative"
    if connector != 0 and not knows_connector(settings, connector):
        answer_status(call, "Rejected")
        return

    def done(verdict: Verdict) -> None:
        answer_status(call, verdict.status if verdict.status in {"Accepted", "Scheduled"} else "Rejected")

    # 5.2: connector 0 is the station and all its connectors.
    services.command(lambda ref: ChangeAvailability(ref, operative, evse=connector), done)


def _clear_cache(call: Call, services: Services, _settings: DialectSettings) -> None:
    # Errata 3.23: Rejected when there is no cache.
    services.command(ClearCache, accepted_or_rejected(call))


HANDLERS: dict[str, Handler] = {
    "ChangeAvailability": _change_availability,
    "ClearCache": _clear_cache,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "UnlockConnector": _unlock,
}
