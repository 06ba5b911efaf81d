"""What one running station is made from: its own setup, and the surroundings that firmware, simulator and test bench differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hal.api import Board, Reader
from station.core.charging.memory import ChargingSetup
from station.core.types import NetworkProfile
from station.ocpp.client_settings import LinkFactory
from station.ocpp.link import Link
from station.runtime.gateway import Scheduler
from station.runtime.transfers import DEFAULT_MOST_BYTES
from station.runtime.updates import Installer, NoInstaller
from station.security.api import KeyAlgorithm
from station.store.ops import StorePort
from station.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from station.security.pkcs11 import Pkcs11Settings

__all__ = ["EvseSetup", "StationSetup", "Surroundings", "file_store", "host_boot_id"]


@dataclass(frozen=True, slots=True)
class EvseSetup:
    """Which EVSE of which board is which of the station, and what the installation makes of it.

    max_current_a: what the wiring allows (A per phase). The rest overrides what the board says of itself; None keeps it.
    """

    evse: int
    board: str
    unit: int = 1
    max_current_a: float | None = None
    phases: int | None = None
    voltage_v: float | None = None
    connector_type: str | None = None
    fixed_cable: bool | None = None


@dataclass(frozen=True, slots=True)
class StationSetup:
    """Everything that tells one station from another.

    security_profile: of `url`, None: what its scheme and the password and certificate at hand make of it. secure_url: where the same
    CSMS speaks TLS, when the port is another. networks: further network profiles, for slots 2 and up.
    certificates: folder of the certificate store, made when it is first needed; None: this station keeps no certificates.
    key_algorithm: of the keys that it makes for itself. token: where they are kept, None: in files.
    files: folder for logs and firmware on their way, None: files are not transferred.
    versions: OCPP versions to offer, best first. variables: device-model overrides ("TxCtrlr.EVConnectionTimeOut": "60").
    charging: limits of the station as a whole and how its EVSEs share them, None: none.
    boot_reason: told to the CSMS instead of the one that is found (BootReasonEnumType); for tests.
    """

    identity: str
    url: str
    versions: tuple[str, ...]
    evses: tuple[EvseSetup, ...]
    vendor: str = "Pilotwire"
    model: str = "Station"
    serial: str | None = None
    firmware: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_serial: str | None = None
    meter_type: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_hostname: bool = True
    local_address: str | None = None
    open_timeout_s: float = 30.0
    pong_timeout_s: float = 20.0
    security_profile: int | None = None
    secure_url: str | None = field(default=None, repr=False)
    networks: tuple[NetworkProfile, ...] = ()
    certificates: Path | None = None
    files: Path | None = None
    max_download_bytes: int = DEFAULT_MOST_BYTES
    key_algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256
    token: Pkcs11Settings | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    meter_poll_s: float = 5.0
    trust_clock: bool = True
    boot_reason: str | None = None
    charging: ChargingSetup | None = None


def host_boot_id() -> str:
    """Identifies this start of the operating system; empty where the kernel tells none (macOS)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What differs between firmware, simulator and test bench.

    boards: name -> board, made anew (or handed over again) at every start. open_store: opens the database, counting the start.
    scheduler: time of core and physics; None is the running loop. wall: wall clock in seconds. seed: makes ids and jitter
    repeatable; None takes them from the system. host_boot: changes when the machine (not only this program) restarted.
    speed: seconds of `scheduler` per second of the loop, now; 0 while it stands still. installer: of firmware.
    readers: card readers, keypads and buttons that belong to no board, with the station's EVSE numbers; made anew as boards are.
    """

    boards: Callable[[], Mapping[str, Board]]
    open_store: Callable[[], StorePort]
    link: LinkFactory = Link
    scheduler: Scheduler | None = None
    wall: Callable[[], float] | None = None
    seed: str | None = None
    host_boot: Callable[[], str] = host_boot_id
    speed: Callable[[], float] = lambda: 1.0
    installer: Installer = field(default_factory=NoInstaller)
    readers: Callable[[], Sequence[Reader]] = tuple


def file_store(path: str | Path, wall: Callable[[], float]) -> Callable[[], StorePort]:
    """A store in a file, with its own writer thread.

    A damaged file is kept beside, what can be read of it is saved, and the station starts (LAW 5): a station in the field has nobody
    who could decide.
    """
    return lambda: SqliteStore.open(path, threaded=True, now_wall=wall, recover=True)
