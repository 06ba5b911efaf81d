"""Network connection profiles (B09, B10, A05): which there are, which may be used, and in what order.

Slots are filled by the operator's file and by the CSMS; what the CSMS writes wins, until the file says something else about that slot.
A profile of lower security than the one that has worked is never used again (A00.FR.005), and is removed (A05.FR.06). Rows of kind
"network_profile": one per slot that differs from the file, and "state".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, assert_never
from urllib.parse import urlsplit

from station.core.components_control import NETWORK_SLOTS
from station.core.device_model import DeviceModel, Refusal, VariableKey
from station.core.effects import Refused, Reply, SettingChanged
from station.core.events import (
    CredentialsChanged,
    NetworkUsed,
    RaiseSecurityProfile,
    SetNetworkProfile,
    VariableWrite,
)
from station.core.recording import security
from station.core.state import Connection, StationState, Turn
from station.core.types import NetworkProfile, NetworkSetup, Verdict
from station.core.view import NetworkView

KIND = "network_profile"
STATE_ROW = "state"
HIGHEST = 3
LONGEST_URL = 512  # NetworkConnectionProfileType.ocppCsmsUrl
LONGEST_TIMEOUT_S = 3600
SHORTEST_PASSWORD = 16  # A00.FR.205
_COMM = "OCPPCommCtrlr"
_PRIORITY = VariableKey(_COMM, "NetworkConfigurationPriority")
_PASSWORD = VariableKey("SecurityCtrlr", "BasicAuthPassword")
_UNREADABLE = (KeyError, TypeError, ValueError)


def begin(state: StationState, setup: NetworkSetup) -> None:
    """Fill the slots from the file and let the device model ask us. Once, before `restore`."""
    state.connection = Connection(setup)
    state.networks = dict(setup.profiles)
    model = state.model
    model.register(_PRIORITY.component, _PRIORITY.variable, lambda _model, write: _list_refused(state, write))
    model.register(_PASSWORD.component, _PASSWORD.variable, _password_refused)
    for key, value in (
        (VariableKey(_COMM, "ActiveNetworkProfile"), lambda: str(active(state))),
        (VariableKey("SecurityCtrlr", "SecurityProfile"), lambda: str(security_profile(state))),
        (VariableKey("SecurityCtrlr", "CertificateEntries"), lambda: str(state.credentials.entries)),
    ):
        if model.find(key.component, key.variable) is not None:
            model.compute(key, value)


# --- what holds now ---------------------------------------------------------------------------------------------------


def order(state: StationState) -> tuple[int, ...]:
    """Slots to be tried, best first: NetworkConfigurationPriority, then the one that worked last (B10.FR.07)."""
    listed = [slot for slot in _listed(state.model) if slot in state.networks]
    found = [slot for slot in listed if not _too_low(state, state.networks[slot])]
    used = state.connection.used
    if used in state.networks and used not in found:
        found.append(used)
    return tuple(found) or tuple(sorted(state.networks))


def active(state: StationState) -> int:
    """The slot in use; before a CSMS has accepted us, the one that is tried first."""
    used = state.connection.used
    return used if used in state.networks else next(iter(order(state)), 1)


def security_profile(state: StationState) -> int:
    """What the last connection proved; before there was any, what the first profile asks for."""
    proven = state.connection.proven
    if proven is not None:
        return proven
    profile = state.networks.get(active(state))
    return 0 if profile is None else profile.security_profile


def picture(state: StationState) -> NetworkView:
    connection = state.connection
    return NetworkView(
        slots=dict(state.networks),
        order=order(state),
        active=active(state),
        security_profile=security_profile(state),
        unproven=connection.unproven,
        old_password=connection.old_password,
        password_bytes=connection.password_bytes,
        fallback=connection.fallback,
    )


def _listed(model: DeviceModel) -> list[int]:
    if model.find(_PRIORITY.component, _PRIORITY.variable) is None:
        return []
    return [int(slot) for slot in dict.fromkeys(model.members(_PRIORITY.component, _PRIORITY.variable))]


def _too_low(state: StationState, profile: NetworkProfile) -> bool:
    proven = state.connection.proven
    return proven is not None and not _may_use(state, profile.security_profile, proven)


def _may_use(state: StationState, wanted: int, present: int) -> bool:
    """A00.FR.005, A05.FR.08-10: never lower, but from 3 to 2 where the operator allows it."""
    if wanted >= present:
        return True
    model = state.model
    if model.find("SecurityCtrlr", "AllowSecurityProfileDowngrade") is None:
        return False
    return present == 3 and wanted == 2 and model.boolean("SecurityCtrlr", "AllowSecurityProfileDowngrade")


# --- a profile from the CSMS ------------------------------------------------------------------------------------------


def set_profile(turn: Turn, command: SetNetworkProfile) -> None:
    """B09. A slot in use may be written: that takes effect after a restart."""
    state, profile = turn.state, command.profile
    refusal = _profile_refused(state, command.slot, profile)
    if refusal is not None:
        turn.emit(Reply(command.ref, Verdict("Rejected", refusal.reason, refusal.info)))
        return
    _keep_fallback(turn, command.slot, profile)
    _put(turn, command.slot, profile)
    security(turn, "ReconfigurationOfSecurityParameters", f"network profile {command.slot}")
    turn.emit(Reply(command.ref, Verdict("Accepted")))  # B09.FR.01


def _keep_fallback(turn: Turn, slot: int, profile: NetworkProfile) -> None:
    """What worked in this slot stays a way back until its successor has worked: no slip may lock the station out (B10.FR.07)."""
    connection = turn.state.connection
    if slot != connection.used:
        return
    worked = connection.fallback or turn.state.networks.get(slot)
    connection.fallback = None if profile == worked else worked
    _save_state(turn)


def _profile_refused(state: StationState, slot: int, profile: NetworkProfile) -> Refusal | None:
    if str(slot) not in NETWORK_SLOTS:  # B09.FR.05
        return Refusal("InvalidConfSlot", f"slots are {', '.join(NETWORK_SLOTS)}")
    wrong = _content_wrong(profile, state.connection.setup.versions)
    if wrong is not None:  # B09.FR.02
        return Refusal("InvalidNetworkConf", wrong)
    present = security_profile(state)
    if not _may_use(state, profile.security_profile, present):  # B09.FR.04, FR.31
        return Refusal("NoSecurityDowngrade", f"security profile {present} is in use")
    return None


def _content_wrong(profile: NetworkProfile, versions: tuple[str, ...]) -> str | None:
    """Why nobody could connect with this, None when one could."""
    if not 0 <= profile.security_profile <= HIGHEST:
        return f"securityProfile is 0 to {HIGHEST}"
    if profile.transport != "JSON":
        return "ocppTransport: only JSON is spoken"
    if profile.version and profile.version not in versions:
        return f"ocppVersion: spoken are {', '.join(versions)}"
    if profile.message_timeout_s < 0:
        return "messageTimeout must be more than 0 seconds"
    if profile.message_timeout_s > LONGEST_TIMEOUT_S:
        return f"messageTimeout: at most {LONGEST_TIMEOUT_S} seconds, as nothing else is sent meanwhile"
    if "vpn" in profile.extra:
        return "vpn: this station has none, and does not connect without it where it is asked for"
    return _url_wrong(profile.url, profile.security_profile)


def _url_wrong(url: str, profile: int) -> str | None:
    """Words without the URL, which may hold a token."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "ocppCsmsUrl is no URL"
    scheme = "wss" if profile >= 2 else "ws"
    if parts.scheme not in ("ws", "wss") or not host:
        return "ocppCsmsUrl must begin with ws:// or wss:// and name a host"
    if parts.scheme != scheme:
        return f"ocppCsmsUrl must begin with {scheme}:// for security profile {profile}"
    if len(url) > LONGEST_URL or "@" in parts.netloc or parts.fragment or any(c.isspace() or c < " " for c in url):
        return "ocppCsmsUrl holds something that cannot be sent: spaces, credentials, or a part behind #"
    return None


def _put(turn: Turn, slot: int, profile: NetworkProfile | None) -> None:
    """Fill a slot, or empty it, for good."""
    if profile is None:
        turn.state.networks.pop(slot, None)
    else:
        turn.state.networks[slot] = profile
    configured = turn.state.connection.setup.profiles.get(slot)
    row: dict[str, object] | None
    row = None if profile == configured else {"profile": _to_row(profile), "configured": _to_row(configured)}
    turn.save(KIND, str(slot), row)


# --- the order, and what is needed for more security ------------------------------------------------------------------


def _list_refused(state: StationState, write: VariableWrite) -> Refusal | None:
    """B10.FR.01, FR.02 and A05 for a new NetworkConfigurationPriority."""
    present = security_profile(state)
    for item in write.value.split(","):
        slot = int(item) if item.strip().isdecimal() else 0
        profile = state.networks.get(slot)
        if profile is None:
            return Refusal("InvalidNetworkConf", f"slot {slot} is empty")
        if not _may_use(state, profile.security_profile, present):  # A05.FR.09, FR.10
            return Refusal("NoSecurityDowngrade", f"slot {slot} has a lower security profile than {present}, in use")
        if profile.security_profile > present:
            missing = _missing(state, profile.security_profile)
            if missing is not None:
                return Refusal("InvalidNetworkConf", f"slot {slot}: {missing}")
    return None


def _missing(state: StationState, profile: int) -> str | None:
    """What the station needs before it can use this profile, None when it has everything."""
    setup, credentials = state.connection.setup, state.credentials
    if profile >= 2 and not credentials.csms_roots and not setup.ca_file:  # A05.FR.02
        return "no CSMS root certificate is installed"
    if profile == 3 and not credentials.station_certificate and not setup.certificate:  # A05.FR.03
        return "no valid certificate of the station is installed"
    if profile in (1, 2) and not setup.password and not state.model.value(_PASSWORD):
        return "no password is set (BasicAuthPassword)"
    return None


def raise_profile(turn: Turn, command: RaiseSecurityProfile) -> None:
    """1.6 security whitepaper, A05: the same CSMS, in a slot of its own that is tried at once and kept if it works."""
    state, wanted = turn.state, command.profile
    present = state.networks.get(active(state))
    if present is None or wanted > HIGHEST or wanted <= security_profile(state):  # A05.FR.01
        turn.emit(Reply(command.ref, Verdict("Rejected", "NoSecurityDowngrade", "the security profile can only rise")))
        return
    missing = _missing(state, wanted)
    if missing is not None:  # A05.FR.02-04
        turn.emit(Reply(command.ref, Verdict("Rejected", "InvalidNetworkConf", missing)))
        return
    _forget_raise(turn)
    slot = _free_slot(state)
    url = present.url if wanted == 1 else _secure(present.url, state.connection.setup.secure_url)
    timeout = present.message_timeout_s
    room = state.networks.get(slot)
    state.connection.made_room = None if room is None else (room, slot in _listed(state.model))
    _put(turn, slot, NetworkProfile(url, wanted, present.version, timeout, present.interface))
    state.connection.raising = slot
    _set_order(turn, (slot, *(other for other in order(state) if other != slot)))
    _save_state(turn)
    security(turn, "ReconfigurationOfSecurityParameters", f"SecurityProfile {wanted} is tried")
    turn.emit(Reply(command.ref, Verdict("Accepted")))  # A05.FR.05
    turn.emit(SettingChanged("SecurityCtrlr", "SecurityProfile"))  # A05.FR.06, FR.07: connect anew


def _secure(url: str, told: str | None) -> str:
    """The same place over TLS: `told`, or the same host, path and port (443 where none is given)."""
    if url.lower().startswith("ws:"):
        return told or "wss" + url[2:]
    return url


def _free_slot(state: StationState) -> int:
    """An empty slot, else the last of those that are not in use."""
    slots = [int(slot) for slot in NETWORK_SLOTS]
    return next((slot for slot in slots if slot not in state.networks), [s for s in slots if s != active(state)][-1])


def _forget_raise(turn: Turn) -> None:
    """What a CSMS wanted tried is not tried any more."""
    slot = turn.state.connection.raising
    if slot is not None:
        room, listed = turn.state.connection.made_room or (None, False)
        turn.state.connection.raising = turn.state.connection.made_room = None
        _put(turn, slot, room)
        others = tuple(other for other in _listed(turn.model) if other != slot)
        _set_order(turn, (*others, slot) if listed else others)


def _set_order(turn: Turn, slots: tuple[int, ...]) -> None:
    slots = slots or tuple(sorted(turn.state.networks))
    if turn.model.find(_PRIORITY.component, _PRIORITY.variable) is None or not slots:
        return
    if turn.model.put(_PRIORITY, ",".join(map(str, slots))):
        turn.save("variable", _PRIORITY.row, {"value": turn.model.value(_PRIORITY)})


# --- password (A01) ---------------------------------------------------------------------------------------------------


def _password_refused(_model: DeviceModel, write: VariableWrite) -> str | None:
    """Its length the definition knows. RFC 7617: no control characters."""
    return None if write.value.isprintable() else "control characters cannot be sent"


def password(turn: Turn) -> str | None:
    """BasicAuthPassword as it is now."""
    known = turn.model.find(_PASSWORD.component, _PASSWORD.variable) is not None
    return (turn.model.value(_PASSWORD) or None) if known else None


def password_written(turn: Turn, before: str | None) -> None:
    """Variables have been written: a new password is on trial, and the one that worked stays as a way back."""
    if password(turn) == before:
        return
    connection = turn.state.connection
    if not connection.unproven:
        connection.unproven, connection.old_password = True, before
    connection.password_bytes = None
    _save_state(turn)


# --- news -------------------------------------------------------------------------------------------------------------


def happened(turn: Turn, event: CredentialsChanged | NetworkUsed) -> None:
    """News from the certificate store and from the link."""
    match event:
        case CredentialsChanged(credentials=credentials):
            turn.state.credentials = credentials
        case NetworkUsed():
            _used(turn, event)
        case _:
            assert_never(event)


def _used(turn: Turn, event: NetworkUsed) -> None:
    """The CSMS has accepted us: what has worked is settled, what was only tried is not."""
    state, connection = turn.state, turn.state.connection
    if event.slot not in state.networks:
        return
    before = _state_row(state)
    if event.slot != connection.used or event.profile == state.networks[event.slot]:
        connection.fallback = None
    if connection.raising == event.slot:
        connection.raising = connection.made_room = None
    elif connection.raising is not None:  # whitepaper A05.FR.08
        security(turn, "ReconfigurationOfSecurityParameters", "SecurityProfile stays: the higher one did not work")
        _forget_raise(turn)
    if connection.proven not in (None, event.security_profile):
        security(turn, "ReconfigurationOfSecurityParameters", f"SecurityProfile {event.security_profile}")
    connection.used, connection.proven = event.slot, event.security_profile
    if event.password in ("text", "bytes"):
        connection.unproven, connection.old_password = False, None
        connection.password_bytes = event.password == "bytes"  # noqa: S105 - which form, not a password
    _drop_lower(turn)
    if _state_row(state) != before:
        _save_state(turn)


def _drop_lower(turn: Turn) -> None:
    """A05.FR.06."""
    gone = [slot for slot, profile in turn.state.networks.items() if _too_low(turn.state, profile)]
    for slot in gone:
        _put(turn, slot, None)
    if gone:
        _set_order(turn, tuple(slot for slot in _listed(turn.model) if slot not in gone))


# --- rows -------------------------------------------------------------------------------------------------------------


def _to_row(profile: NetworkProfile | None) -> dict[str, Any] | None:
    return None if profile is None else asdict(profile)


def _state_row(state: StationState) -> dict[str, Any]:
    connection = state.connection
    room = connection.made_room
    return {
        "used": connection.used,
        "proven": connection.proven,
        "raising": connection.raising,
        "unproven": connection.unproven,
        "old_password": connection.old_password,
        "password_bytes": connection.password_bytes,
        "fallback": _to_row(connection.fallback),
        "made_room": None if room is None else [_to_row(room[0]), room[1]],
        "configured": {str(slot): _to_row(profile) for slot, profile in sorted(connection.setup.profiles.items())},
    }


def _save_state(turn: Turn) -> None:
    turn.save(KIND, STATE_ROW, _state_row(turn.state))


def restore(turn: Turn, rows: Mapping[str, Any]) -> None:
    """What the CSMS wrote, as far as the file has not been changed since: the operator's word is the newer one then."""
    state = turn.state
    for slot in map(int, NETWORK_SLOTS):
        try:
            _restore_slot(turn, slot, rows.get(str(slot)))
        except _UNREADABLE as error:
            turn.emit(Refused(None, f"saved network profile {slot} cannot be read: {error!r}"))
    saved = rows.get(STATE_ROW)
    if saved is None:
        return
    connection = state.connection
    try:
        connection.unproven, connection.old_password = bool(saved["unproven"]), saved["old_password"]
        connection.password_bytes = saved["password_bytes"]
        if saved["configured"] == _state_row(state)["configured"]:
            connection.used, connection.proven = saved["used"], saved["proven"]
            connection.raising = saved["raising"]
            fallback, room = saved.get("fallback"), saved.get("made_room")
            connection.fallback = None if fallback is None else NetworkProfile(**fallback)
            connection.made_room = None if room is None else (NetworkProfile(**room[0]), bool(room[1]))
    except _UNREADABLE as error:
        turn.emit(Refused(None, f"saved state of the network cannot be read: {error!r}"))


def _restore_slot(turn: Turn, slot: int, row: Mapping[str, Any] | None) -> None:
    state = turn.state
    if row is None:
        return
    if row["configured"] != _to_row(state.connection.setup.profiles.get(slot)):
        turn.save(KIND, str(slot), None)
    elif row["profile"] is None:
        state.networks.pop(slot, None)
    else:
        state.networks[slot] = NetworkProfile(**row["profile"])
