"""Whether the ways to the CSMS that a configuration gives can be gone: [csms] with its security profile, and [[network]]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from station.config_read import Found
from station.config_secret import SOURCES
from station.config_toml import Key, Report
from station.core.components_control import NETWORK_SLOTS

if TYPE_CHECKING:
    from station.config import CsmsSettings, NetworkSettings

__all__ = ["check_networks"]


def check_networks(csms: Found[CsmsSettings], networks: Sequence[Found[NetworkSettings]], report: Report) -> None:
    """Tell what does not fit together; URLs are not shown, as they may hold a token."""
    _check_profile(csms, csms.get("security_profile"), report)
    secure = csms.get("secure_url")
    if secure is not None:
        _check_url(("csms", "secure_url"), secure, 2, report)
    for network in networks:
        url, profile = network.get("url"), network.get("security_profile")
        if url is not None and profile is not None:
            _check_url((*network.key, "url"), url, profile, report)
            _check_proof(network, csms, profile, report)
            if profile < (csms.get("security_profile") or 0):
                report.warn(
                    (*network.key, "security_profile"),
                    "is lower than that of [csms], and is not used any more once that has worked",
                    "use the same",
                )
    if len(networks) >= len(NETWORK_SLOTS):
        report.problem(
            (*networks[len(NETWORK_SLOTS) - 1].key,),
            f"there are {len(NETWORK_SLOTS)} network profiles, and [csms] is the first",
            "remove one",
        )


def _check_profile(csms: Found[CsmsSettings], profile: int | None, report: Report) -> None:
    url = csms.get("url")
    if profile is None or url is None:
        return
    key: Key = ("csms", "security_profile")
    if (profile >= 2) != url.lower().startswith("wss:"):
        scheme = "wss://" if profile >= 2 else "ws://"
        report.problem(key, f"{profile} does not go with this url", f"use {scheme} in csms.url, or another profile")
    _check_proof(csms, csms, profile, report)


def _check_proof(where: Found[Any], csms: Found[CsmsSettings], profile: int, report: Report) -> None:
    key: Key = (*where.key, "security_profile")
    if profile in (1, 2) and not any(csms.given(source) for source in SOURCES):
        report.warn(key, f"{profile} needs a password", "give csms.password_file, unless the CSMS has set one")
    if profile == 3 and not csms.given("cert_file"):
        report.warn(
            key,
            "3 needs a certificate of the station",
            "give csms.cert_file, unless there is one in the certificate store",
        )


def _check_url(key: Key, url: str, profile: int, report: Report) -> None:
    scheme = "wss" if profile >= 2 else "ws"
    try:
        parts = urlsplit(url)
        usable = parts.scheme == scheme and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.fragment or any(char.isspace() for char in url):
        report.problem(key, f"is no address for security profile {profile}", f"write {scheme}://host:port/path")
