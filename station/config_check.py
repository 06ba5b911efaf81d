"""What single values cannot tell: whether the parts of a configuration fit each other and this machine.

Each check looks at what could be read: a mistake elsewhere, even in the same table, hides none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from station.config_charging import check_charging
from station.config_devices import Claims, DeviceChecks, DriverCheck, MeterSettings, ReaderSettings, check_devices
from station.config_network import check_networks
from station.config_read import Found, got
from station.config_secret import SOURCES, read_secret
from station.config_token import check_token
from station.config_toml import Key, Report, render
from station.core.components import standard_definitions
from station.core.types import EvseInfo
from station.errors import ConfigError
from station.store.private import readable_by_others

if TYPE_CHECKING:
    from station.config import (
        BoardSettings,
        ChargingSettings,
        ClockSettings,
        ControlSettings,
        CsmsSettings,
        EvseSettings,
        FilesSettings,
        LogSettings,
        NetworkSettings,
        SecuritySettings,
        StationSettings,
        StoreSettings,
    )

__all__ = ["Claims", "DriverCheck", "Sections", "check_all"]

SHORTEST_PASSWORD = 16  # A00.FR.205 (2.0.1): 16 to 40 characters
LONGEST_PASSWORD = 40
EVERYBODY_UNDERSTANDS = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True)
class Sections:
    """The file as far as it could be read."""

    station: Found[StationSettings]
    csms: Found[CsmsSettings]
    store: Found[StoreSettings]
    log: Found[LogSettings]
    clock: Found[ClockSettings]
    charging: Found[ChargingSettings]
    security: Found[SecuritySettings]
    files: Found[FilesSettings]
    control: Found[ControlSettings]
    boards: Sequence[Found[BoardSettings]]
    evses: Sequence[Found[EvseSettings]]
    variables: Mapping[str, str]
    networks: Sequence[Found[NetworkSettings]] = ()
    meters: Sequence[Found[MeterSettings]] = ()
    readers: Sequence[Found[ReaderSettings]] = ()


def check_all(
    read: Sections,
    report: Report,
    *,
    driver_check: DriverCheck | None,
    claims: Claims | None,
    devices: DeviceChecks | None,
    environ: Mapping[str, str],
) -> None:
    """Check what was read, file names absolute."""
    _check_csms(read.csms, report, environ)
    check_networks(read.csms, read.networks, report)
    check_token(read.security, report, environ)
    check_charging(read.charging, report)
    _check_identity(read.station, read.csms, report)
    _check_numbers(read.boards, report)
    check_devices(
        read.boards, read.meters, read.readers, report, driver_check=driver_check, claims=claims, devices=devices
    )
    _check_evses(read.boards, read.evses, report)
    if read.variables:
        _check_variables(read, report)


# --- csms -------------------------------------------------------------------------------------------------------------


def _check_csms(csms: Found[CsmsSettings], report: Report, environ: Mapping[str, str]) -> None:
    url: str = csms.get("url") or ""
    host = _check_url(url, report) if url else None
    sources = [name for name in SOURCES if csms.given(name)]
    for name in sources[1:]:
        report.problem(("csms", name), f"the password is given by {sources[0]} already", "keep one of them")
    if sources and host is not None and not _is_local(host) and url.lower().startswith("ws:"):
        report.warn(("csms", "url"), "the password travels unencrypted", "use wss://")
    _check_files(csms, report)
    for source in sources:
        if csms.get(source) is not None and (len(sources) == 1 or source == "password"):
            _check_password(source, csms.get(source), report, environ)
    address = csms.get("local_address")
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            key: Key = ("csms", "local_address")
            report.problem(key, f"must be an IP address {got(address)}", "write 192.0.2.10 or 2001:db8::1")


def _check_url(url: str, report: Report) -> str | None:
    """The host, None when the URL cannot be used."""
    key: Key = ("csms", "url")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        report.problem(key, f"is not a URL: {error} {got(url)}", "write ws://host:port/path")
        return None
    if parts.scheme not in {"ws", "wss"}:
        report.problem(key, f"must start with ws:// or wss:// {got(url)}", "write wss://host/path")
    elif "@" in parts.netloc:
        report.problem(key, "holds a user or password", "the user is station.id, the password goes into csms.password")
    elif not host:
        report.problem(key, f"names no host {got(url)}", "write wss://host/path")
    elif parts.fragment or any(char.isspace() for char in url):
        report.problem(key, f"has a part that cannot be sent {got(url)}", "remove spaces and what follows #")
    else:
        return host
    return None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check_files(csms: Found[CsmsSettings], report: Report) -> None:
    for name in ("ca_file", "cert_file", "key_file", "password_file"):
        path = csms.get(name)
        key: Key = ("csms", name)
        if path is None:
            continue
        if not Path(path).is_file():
            report.problem(key, f"there is no file {path}", "create it or correct the name")
        elif name in {"key_file", "password_file"} and readable_by_others(Path(path)):
            report.warn(key, f"others than its owner may read {path}", f"chmod 600 {path}")
        if name != "password_file" and (csms.get("url") or "").lower().startswith("ws:"):
            report.warn(key, "has no effect without TLS", "use wss:// in csms.url")
    if csms.given("key_file") and not csms.given("cert_file"):
        report.problem(("csms", "key_file"), "is of no use without cert_file", "add the certificate of this key")


def _check_password(source: str, value: str, report: Report, environ: Mapping[str, str]) -> None:
    key: Key = ("csms", source)
    try:
        password = read_secret(source, value, environ)
    except ConfigError as error:
        if source == "password_env":
            report.problem(key, error.problems[0].partition(": ")[2].rstrip("."), "set it in the service's environment")
        elif Path(value).is_file():
            report.problem(key, error.problems[0].partition(": ")[2].rstrip("."), "put the password on the first line")
        return
    if len(password) > LONGEST_PASSWORD:
        report.problem(key, f"the password is longer than {LONGEST_PASSWORD} characters", "agree on a shorter one")
    elif len(password) < SHORTEST_PASSWORD:
        report.warn(key, f"the password is shorter than {SHORTEST_PASSWORD} characters", "agree on a longer one")


def _check_identity(station: Found[StationSettings], csms: Found[CsmsSettings], report: Report) -> None:
    key: Key = ("station", "id")
    identity = station.get("id")
    if identity is None:
        return
    if ":" in identity and any(csms.given(source) for source in SOURCES):
        # Basic auth ends the user name at the first colon (RFC 7617), and the identity is the user name.
        report.problem(key, f"must not contain ':' when there is a password {got(identity)}", "use - or _")
    elif not EVERYBODY_UNDERSTANDS.fullmatch(identity):
        report.warn(
            key,
            "has characters that must be encoded in a URL, which some CSMSs get wrong",
            "use letters, digits, - _ .",
        )


# --- hardware ---------------------------------------------------------------------------------------------------------


def _numbers(boards: Sequence[Found[BoardSettings]]) -> tuple[set[int], bool]:
    """The EVSEs that the boards drive, and whether that is all: a list that cannot be read may name more."""
    numbers = {number for board in boards for number in board.get("evses") or ()}
    return numbers, all(board.get("evses") is not None for board in boards)


def _check_numbers(boards: Sequence[Found[BoardSettings]], report: Report) -> None:
    """EVSEs are numbered 1 to n, each on one board (2.0.1 part 1, 7.1)."""
    owners: dict[int, Key] = {}
    for board in boards:
        for number in board.get("evses") or ():
            owner = owners.setdefault(number, board.key)
            if owner != board.key:
                report.problem(
                    (*board.key, "evses"), f"EVSE {number} is on {render(owner)} already", "number each once"
                )
    numbers, complete = _numbers(boards)
    gaps = sorted(set(range(1, max(numbers, default=0) + 1)) - numbers)
    if gaps and complete:
        missing = ", ".join(str(number) for number in gaps)
        report.problem(
            (*boards[0].key, "evses"),
            f"EVSE numbers have a gap: no {missing}",
            "number EVSEs 1, 2, 3... over all boards",
        )


def _check_evses(boards: Sequence[Found[BoardSettings]], evses: Sequence[Found[EvseSettings]], report: Report) -> None:
    known, complete = _numbers(boards)
    seen: set[int] = set()
    for evse in evses:
        key: Key = (*evse.key, "id")
        number = evse.get("id")
        if number is None:
            continue
        if number in seen:
            report.problem(key, f"EVSE {number} is described twice", "merge the two [[evse]] tables")
        elif boards and complete and number not in known:
            report.problem(
                key, f"no board drives EVSE {number}", "add it to evses of a [[board]], or remove this table"
            )
        seen.add(number)


# --- variables --------------------------------------------------------------------------------------------------------


def _check_variables(read: Sections, report: Report) -> None:
    described = {evse.get("id"): evse for evse in read.evses if evse.get("id") is not None}
    known, complete = _numbers(read.boards)
    numbers = known | described.keys()
    if not complete:  # whoever may be there, a variable of it is not to be called unknown
        numbers |= {int(number) for row in read.variables for number in re.findall(r"#([1-9]\d?)\b", row)}
    infos = [_info(number, described.get(number)) for number in sorted(numbers) or [1]]
    try:
        standard_definitions(infos, read.variables)
    except ConfigError as error:
        rows = sorted(read.variables, key=len, reverse=True)
        for problem in error.problems:
            row = next((row for row in rows if problem.startswith(f"{row}: ")), "")
            report.problem(("variables", row), problem.removeprefix(f"{row}: ").rstrip("."))


def _info(number: int, evse: Found[EvseSettings] | None) -> EvseInfo:
    def told(name: str, otherwise: Any) -> Any:
        return (evse.get(name) if evse is not None else None) or otherwise

    return EvseInfo(
        number,
        connectors=(told("connector_type", "sType2"),),
        max_a=told("max_a", 32.0),
        phases=told("phases", 3),
        voltage_v=told("voltage_v", 230.0),
        fixed_cable=told("fixed_cable", False),
    )
