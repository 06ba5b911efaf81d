"""What single values cannot tell: whether the parts of a configuration fit each other and this machine."""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hal.errors import HalError
from station.config_read import got
from station.config_toml import Key, Report, render
from station.core.components import standard_definitions
from station.core.types import EvseInfo
from station.errors import ConfigError

if TYPE_CHECKING:
    from station.config import BoardSettings, CsmsSettings, EvseSettings, StationSettings

__all__ = ["Claims", "DriverCheck", "check_all"]

DriverCheck = Callable[[str, Mapping[str, object]], object]
Claims = Callable[[str, Mapping[str, object]], set[tuple[str, int]]]

SHORTEST_PASSWORD = 16  # A00.FR.205 (2.0.1): 16 to 40 characters
LONGEST_PASSWORD = 40
EVERYBODY_UNDERSTANDS = re.compile(r"[A-Za-z0-9._:-]+")


def check_all(
    sections: dict[str, Any],
    base: Path,
    report: Report,
    *,
    driver_check: DriverCheck | None,
    claims: Claims | None,
    environ: Mapping[str, str],
) -> None:
    """Check what was read (None: a part that is wrong already) and make its file names absolute, in place."""
    for name, names in (("csms", ("password_file", "ca_file", "cert_file", "key_file")), ("store", ("path",))):
        if sections[name] is not None:
            sections[name] = _resolved(sections[name], names, base)
    if sections["csms"] is not None:
        _check_csms(sections["csms"], report, environ)
        if sections["station"] is not None:
            _check_identity(sections["station"], sections["csms"], report)
    boards, evses = sections["boards"], sections["evses"]
    if boards is not None:
        _check_numbers(boards, report)
        wrong = _check_drivers(boards, report, driver_check)
        if claims is not None:
            _check_claims(boards, report, claims, wrong)
        if evses is not None:
            _check_evses(boards, evses, report)
    if sections["variables"]:
        _check_variables(boards or (), evses or (), sections["variables"], report)


def _resolved(settings: Any, names: tuple[str, ...], base: Path) -> Any:
    changes = {
        field.name: str(base / getattr(settings, field.name))
        for field in fields(settings)
        if field.name in names and getattr(settings, field.name) is not None
    }
    return replace(settings, **changes)


# --- csms -------------------------------------------------------------------------------------------------------------


def _check_csms(csms: CsmsSettings, report: Report, environ: Mapping[str, str]) -> None:
    host = _check_url(csms.url, report)
    sources = [name for name in ("password", "password_file", "password_env") if getattr(csms, name) is not None]
    for name in sources[1:]:
        report.problem(("csms", name), f"the password is given by {sources[0]} already", "keep one of them")
    if csms.has_password and host is not None and not _is_local(host) and csms.url.lower().startswith("ws:"):
        report.warn(("csms", "url"), "the password travels unencrypted", "use wss://")
    _check_files(csms, report)
    if len(sources) == 1:
        _check_password(csms, sources[0], report, environ)
    if csms.local_address is not None:
        try:
            ipaddress.ip_address(csms.local_address)
        except ValueError:
            key: Key = ("csms", "local_address")
            report.problem(
                key, f"must be an IP address (got {csms.local_address!r})", "write 192.0.2.10 or 2001:db8::1"
            )


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


def _check_files(csms: CsmsSettings, report: Report) -> None:
    for name in ("ca_file", "cert_file", "key_file", "password_file"):
        path = getattr(csms, name)
        key: Key = ("csms", name)
        if path is None:
            continue
        if not Path(path).is_file():
            report.problem(key, f"there is no file {path}", "create it or correct the name")
        elif name in {"key_file", "password_file"} and Path(path).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            report.warn(key, f"others than its owner may read {path}", f"chmod 600 {path}")
        if name != "password_file" and csms.url.lower().startswith("ws:"):
            report.warn(key, "has no effect without TLS", "use wss:// in csms.url")
    if csms.key_file is not None and csms.cert_file is None:
        report.problem(("csms", "key_file"), "is of no use without cert_file", "add the certificate of this key")


def _check_password(csms: CsmsSettings, source: str, report: Report, environ: Mapping[str, str]) -> None:
    key: Key = ("csms", source)
    try:
        password = csms.read_password(environ) or ""
    except ConfigError as error:
        if source == "password_env":
            report.problem(key, error.problems[0].partition(": ")[2].rstrip("."), "set it in the service's environment")
        elif Path(str(csms.password_file)).is_file():
            report.problem(key, error.problems[0].partition(": ")[2].rstrip("."), "put the password on the first line")
        return
    if len(password) > LONGEST_PASSWORD:
        report.problem(key, f"the password is longer than {LONGEST_PASSWORD} characters", "agree on a shorter one")
    elif len(password) < SHORTEST_PASSWORD:
        report.warn(key, f"the password is shorter than {SHORTEST_PASSWORD} characters", "agree on a longer one")


def _check_identity(station: StationSettings, csms: CsmsSettings, report: Report) -> None:
    key: Key = ("station", "id")
    if csms.has_password and ":" in station.id:
        report.problem(key, f"must not contain ':' when there is a password (got {station.id!r})", "use - or _")
    elif not EVERYBODY_UNDERSTANDS.fullmatch(station.id):
        report.warn(
            key,
            "has characters that must be encoded in a URL, which some CSMSs get wrong",
            "use letters, digits, - _ .",
        )


# --- hardware ---------------------------------------------------------------------------------------------------------


def _check_numbers(boards: tuple[BoardSettings, ...], report: Report) -> None:
    """EVSEs are numbered 1 to n, each on one board (2.0.1 part 1, 7.1)."""
    owners: dict[int, int] = {}
    for position, board in enumerate(boards, start=1):
        for number in board.evses:
            owner = owners.setdefault(number, position)
            if owner != position:
                report.problem(
                    ("board", position, "evses"), f"EVSE {number} is on board {owner} already", "number each once"
                )
    gaps = sorted(set(range(1, max(owners, default=0) + 1)) - owners.keys())
    if gaps:
        missing = ", ".join(str(number) for number in gaps)
        report.problem(
            ("board", 1, "evses"), f"EVSE numbers have a gap: no {missing}", "number EVSEs 1, 2, 3... over all boards"
        )
    if not boards:
        report.problem(("board",), "there is no board", "write at least one [[board]] with driver and evses")


def _check_evses(boards: tuple[BoardSettings, ...], evses: tuple[EvseSettings, ...], report: Report) -> None:
    known = {number for board in boards for number in board.evses}
    seen: set[int] = set()
    for position, evse in enumerate(evses, start=1):
        key: Key = ("evse", position, "id")
        if evse.id in seen:
            report.problem(key, f"EVSE {evse.id} is described twice", "merge the two [[evse]] tables")
        elif evse.id not in known:
            report.problem(
                key, f"no board drives EVSE {evse.id}", "add it to evses of a [[board]], or remove this table"
            )
        seen.add(evse.id)


def _check_drivers(boards: tuple[BoardSettings, ...], report: Report, driver_check: DriverCheck | None) -> set[int]:
    """Positions of the boards that their drivers refuse."""
    wrong: set[int] = set()
    if driver_check is None:
        return wrong
    for position, board in enumerate(boards, start=1):
        try:
            driver_check(board.driver, board.settings)
        except HalError as error:
            wrong.add(position)
            _driver_problems(("board", position), str(error), report)
    return wrong


def _driver_problems(key: Key, message: str, report: Report) -> None:
    """A driver tells all its problems in one message, each with its field: "board.port: ...; board.evse[1].x: ..."."""
    for text in re.split(r"; (?=board[.\[])", message):
        named = re.match(r"board\.([a-z_]+)((?:\[\d+\])?(?:\.[a-z_]+)*): ", text)
        if named is None:
            report.problem((*key, "driver"), text.rstrip("."))
            continue
        rest = f"{named[2].lstrip('.')}: " if named[2] else ""
        report.problem((*key, named[1]), rest + text[named.end() :].rstrip("."))


def _check_claims(boards: tuple[BoardSettings, ...], report: Report, claims: Claims, wrong: set[int]) -> None:
    """No two boards on one port and address. Boards that are `wrong` already are left out."""
    owners: dict[tuple[str, int], int] = {}
    for position, board in enumerate(boards, start=1):
        if position in wrong:
            continue
        try:
            claimed = sorted(claims(board.driver, board.settings))
        except HalError as error:
            _driver_problems(("board", position), str(error), report)
            continue
        for place in claimed:
            owner = owners.setdefault(place, position)
            if owner != position:
                _report_clash(position, owner, place, report)


def _report_clash(position: int, owner: int, place: tuple[str, int], report: Report) -> None:
    port, address = place
    report.problem(
        ("board", position),
        f"uses port {port}, address {address}, as {render(('board', owner))} does",
        "give each board its own port or address",
    )


# --- variables --------------------------------------------------------------------------------------------------------


def _check_variables(
    boards: tuple[BoardSettings, ...], evses: tuple[EvseSettings, ...], variables: Mapping[str, str], report: Report
) -> None:
    described = {evse.id: evse for evse in evses}
    numbers = sorted({number for board in boards for number in board.evses} | described.keys()) or [1]
    infos = [_info(number, described.get(number)) for number in numbers]
    try:
        standard_definitions(infos, variables)
    except ConfigError as error:
        for problem in error.problems:
            row = next((row for row in sorted(variables, key=len, reverse=True) if problem.startswith(f"{row}: ")), "")
            report.problem(("variables", row), problem.removeprefix(f"{row}: ").rstrip("."))


def _info(number: int, evse: EvseSettings | None) -> EvseInfo:
    if evse is None:
        return EvseInfo(number)
    return EvseInfo(
        number,
        connectors=(evse.connector_type or "sType2",),
        max_a=evse.max_a or 32.0,
        phases=evse.phases or 3,
        voltage_v=evse.voltage_v or 230.0,
        fixed_cable=bool(evse.fixed_cable),
    )
