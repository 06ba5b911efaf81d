"""What the configuration says of the way to the CSMS, in the words of core and client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from station.clock import Now
from station.core.types import NetworkProfile, NetworkSetup
from station.ocpp.trust import StoredTls
from station.runtime.certificates import CertificateManager
from station.security.tls import TlsSettings

if TYPE_CHECKING:
    from station.app_setup import StationSetup

__all__ = ["network_of", "tls_of", "variables_of"]

_ORDER = "OCPPCommCtrlr.NetworkConfigurationPriority"


def network_of(setup: StationSetup) -> NetworkSetup:
    """Slots from 1: the CSMS itself, then the further profiles."""
    return NetworkSetup(
        profiles=dict(enumerate((_first(setup), *setup.networks), start=1)),
        versions=setup.versions,
        ca_file=setup.ca_file is not None,
        certificate=setup.cert_file is not None,
        password=setup.password is not None,
        secure_url=setup.secure_url,
    )


def _first(setup: StationSetup) -> NetworkProfile:
    """Slot 1. A file that names neither a password nor a certificate for wss:// is taken at its word."""
    secure = _secure(setup)
    if setup.security_profile is not None:
        return NetworkProfile(setup.url, setup.security_profile)
    if not secure:
        return NetworkProfile(setup.url, int(setup.password is not None))
    proof = setup.cert_file is not None or setup.password is not None
    return NetworkProfile(setup.url, 3 if setup.cert_file else 2, extra={} if proof else {"anonymous": True})


def _secure(setup: StationSetup) -> bool:
    return setup.url.lower().startswith("wss:")


def variables_of(setup: StationSetup) -> Mapping[str, str]:
    """Defaults of the device model. Slots that the file fills are tried in its order, unless it says otherwise."""
    if not setup.networks or _ORDER in setup.variables:
        return setup.variables
    slots = ",".join(str(slot) for slot in range(1, len(setup.networks) + 2))
    return {_ORDER: slots, **setup.variables}


def tls_of(setup: StationSetup, manager: CertificateManager, now: Callable[[], Now]) -> StoredTls:
    """TLS by the store and the files together."""
    files = TlsSettings(
        setup.ca_file, cert_file=setup.cert_file, key_file=setup.key_file, verify_hostname=setup.verify_hostname
    )
    return StoredTls(manager, files, now, system_roots=setup.ca_file is None and _secure(setup))
