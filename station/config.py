"""The station's configuration: a TOML file becomes frozen settings, or a list of everything that is wrong with it.

The settings classes below are the only description: reading, the example file and docs/configuration.md are made from
their fields (`python -m station.config_doc > docs/configuration.md`). Drivers belong to the composition root, which
passes in how to check them. Files named in the configuration are looked for from the directory of the file itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from station.config_charging import ChargingSettings
from station.config_check import Sections, check_all
from station.config_devices import Claims, DeviceChecks, DriverCheck, MeterSettings, ReaderSettings, resolved_models
from station.config_fields import IDENTITY, Flag, Integer, IntegerList, Number, Text, WordList, setting
from station.config_own import FILE, ControlSettings, FilesSettings, SecuritySettings
from station.config_read import Found, find_boards, find_devices, find_list, find_table, find_variables, unknown
from station.config_secret import SOURCES, read_secret
from station.config_toml import Key, Report, read_toml
from station.errors import ConfigError

__all__ = [
    "BoardSettings",
    "ChargingSettings",
    "ClockSettings",
    "ControlSettings",
    "CsmsSettings",
    "EvseSettings",
    "FilesSettings",
    "LogSettings",
    "MeterSettings",
    "NetworkSettings",
    "ReaderSettings",
    "SecuritySettings",
    "Settings",
    "StationSettings",
    "StoreSettings",
    "load",
    "parse",
]

VERSIONS = ("2.0.1", "1.6")
T = TypeVar("T")
SECTIONS = (
    "station",
    "csms",
    "network",
    "store",
    "board",
    "evse",
    "meter",
    "reader",
    "charging",
    "variables",
    "log",
    "clock",
    "security",
    "files",
    "control",
)


@dataclass(frozen=True, slots=True)
class StationSettings:
    """Who this station is. The CSMS knows it by its id; the rest is told in BootNotification."""

    id: str = setting(
        IDENTITY,
        "Identity at the CSMS; the last part of the URL that is opened, and the user name of Basic auth.",
        example="CS001",
    )
    vendor: str = setting(Text(20), "Who made the station.", default="Pilotwire")
    model: str = setting(Text(20), "The model.", default="Station")
    serial: str | None = setting(Text(25), "Serial number of the station.", default=None, example="0001")
    firmware: str | None = setting(
        Text(50), "Firmware version to tell; without it the version of this program.", default=None, example="1.0.0"
    )
    iccid: str | None = setting(Text(20), "ICCID of the modem's SIM card.", default=None, example="8949000000000000000")
    imsi: str | None = setting(Text(20), "IMSI of the modem's SIM card.", default=None, example="262010000000000")
    meter_serial: str | None = setting(Text(25), "Serial number of the main meter (1.6).", default=None, example="M1")
    meter_type: str | None = setting(Text(25), "Type of the main meter (1.6).", default=None, example="EM24")


@dataclass(frozen=True, slots=True)
class CsmsSettings:
    """Where the CSMS is and how to prove who we are. Give the password in at most one of three ways."""

    url: str = setting(
        Text(512, what="an address that begins with ws:// or wss://"),
        "Address of the CSMS without the station's id: ws://host:port/path, or wss:// for TLS.",
        example="ws://localhost:9000/ocpp",
    )
    versions: tuple[str, ...] = setting(
        WordList(VERSIONS), "OCPP versions to offer, the preferred one first.", default=VERSIONS
    )
    security_profile: int | None = setting(
        Integer(0, 3),
        "OCPP security profile: 0 none, 1 password, 2 TLS and password, 3 TLS with a certificate of the station. Without it, what "
        "`url`, password and `cert_file` make of it.",
        default=None,
        example=1,
    )
    secure_url: str | None = setting(
        Text(512, what="an address that begins with wss://"),
        "Where the same CSMS speaks TLS, for an OCPP 1.6 CSMS that raises SecurityProfile; without it, host, port and path of `url`.",
        default=None,
        example="wss://csms.example.com/ocpp",
    )
    password: str | None = setting(
        Text(40),
        "Basic auth password; 16 characters or more are advised.",
        default=None,
        example="0123456789abcdef",
        secret=True,
    )
    password_file: str | None = setting(
        FILE, "File whose first line is the password.", default=None, example="/etc/pilotwire/password"
    )
    password_env: str | None = setting(
        Text(64, r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
        "Environment variable that holds the password.",
        default=None,
        example="CSMS_PASSWORD",
    )
    ca_file: str | None = setting(
        FILE,
        "PEM file of the root certificates to trust; without it those of the system.",
        default=None,
        example="/etc/pilotwire/csms-root.pem",
    )
    cert_file: str | None = setting(
        FILE,
        "PEM file of the station's own certificate (security profile 3).",
        default=None,
        example="/etc/pilotwire/station.pem",
    )
    key_file: str | None = setting(
        FILE,
        "PEM file of the key to `cert_file`; without it the key is in `cert_file`.",
        default=None,
        example="/etc/pilotwire/station.key",
    )
    verify_hostname: bool = setting(Flag(), "Whether the CSMS's certificate must name the host of `url`.", default=True)
    local_address: str | None = setting(
        Text(64, what="an IP address"),
        "IP address to connect from; without it the system chooses.",
        default=None,
        example="192.0.2.10",
    )
    open_timeout_s: float = setting(
        Number(1, 300, "seconds"), "How long TCP, TLS and the upgrade may take together.", default=30.0
    )
    pong_timeout_s: float = setting(
        Number(1, 300, "seconds"), "How long to wait for a pong before the link counts as dead.", default=20.0
    )

    @property
    def profile(self) -> int:
        """The security profile, given or following from the rest."""
        if self.security_profile is not None:
            return self.security_profile
        if not self.url.lower().startswith("wss:"):
            return 1 if self.has_password else 0
        return 3 if self.cert_file else 2

    @property
    def has_password(self) -> bool:
        return any(getattr(self, source) is not None for source in SOURCES)

    def read_password(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The password, from wherever it is kept. Raises ConfigError when it cannot be had."""
        for source in SOURCES:
            if (value := getattr(self, source)) is not None:
                return read_secret(source, value, environ)
        return None


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """A further way to a CSMS: [csms] is network profile 1, these tables are 2, 3 and 4 in their order, tried in turn.

    Password, roots and certificate are those of [csms] and of the certificate store.
    """

    url: str = setting(
        Text(512, what="an address that begins with ws:// or wss://"),
        "Address of the CSMS without the station's id.",
        example="wss://csms2.example.com/ocpp",
    )
    security_profile: int = setting(
        Integer(0, 3), "OCPP security profile; a lower one than has worked is never used.", example=2
    )
    version: str | None = setting(
        Text(choices=VERSIONS),
        "The OCPP version to offer there; without it those of [csms].",
        default=None,
        example="1.6",
    )
    message_timeout_s: int = setting(
        Integer(0, 3600), "Seconds to wait for an answer; 0: as MessageTimeout says.", default=0
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where everything is kept that must survive a power cut."""

    path: str = setting(
        FILE, "The database file; its directory must be writable.", default="/var/lib/pilotwire/station.db"
    )


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """One piece of hardware behind one driver, and which EVSEs of the station it drives.

    All other keys of the table are settings of the driver. They stand beside these two, not in a table of their own.
    """

    driver: str = setting(
        Text(64, r"[A-Za-z0-9_.-]+", "a driver's name"),
        "Name of the driver; `station config drivers` lists them.",
        example="sim",
    )
    evses: tuple[int, ...] = setting(
        IntegerList(1, 64), "Numbers that the board's EVSEs have in this station, in the board's order.", example=[1, 2]
    )
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True, slots=True)
class EvseSettings:
    """What the installation makes of an EVSE. What is left out is as the board says."""

    id: int = setting(Integer(1, 64), "Number of the EVSE.", example=1)
    max_a: float | None = setting(
        Number(6, 1000, "A per phase"), "Most that the wiring allows.", default=None, example=16.0
    )
    phases: int | None = setting(Integer(1, 3, (1, 3)), "Phases that the EVSE is wired to.", default=None, example=3)
    voltage_v: float | None = setting(
        Number(90, 1500, "V"), "Nominal voltage, phase to neutral.", default=None, example=230.0
    )
    connector_type: str | None = setting(
        Text(20), "ConnectorEnumType of OCPP 2.x: cType2, sType2, cCCS2...", default=None, example="sType2"
    )
    fixed_cable: bool | None = setting(
        Flag(), "Whether the cable is attached to the station.", default=None, example=False
    )
    phase_rotation: str | None = setting(
        Text(choices=("RST", "RTS", "SRT", "STR", "TRS", "TSR")),
        "Which lines of the supply its phases are wired to (key ConnectorPhaseRotation of OCPP 1.6).",
        default=None,
        example="STR",
    )
    priority: int = setting(Integer(0, 100), 'With `share = "priority"`: the higher is served first.', default=0)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to standard error."""

    level: str = setting(
        Text(choices=("DEBUG", "INFO", "WARNING", "ERROR")),
        "The least important messages that are written.",
        default="INFO",
    )
    format: str = setting(Text(choices=("text", "json")), "Lines for people or for machines.", default="text")


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """Which clock to believe."""

    trust_system: bool = setting(
        Flag(),
        "Whether the system clock is right at start (NTP, RTC). If not, the CSMS tells the time, and what happened "
        "before is corrected.",
        default=True,
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """A valid configuration, shared by every station in the process.

    variables: defaults for the device model by name, for example {"TxCtrlr.EVConnectionTimeOut": "60"}.
    warnings: what works but should not stay so.
    """

    station: StationSettings
    csms: CsmsSettings
    boards: tuple[BoardSettings, ...]
    evses: tuple[EvseSettings, ...] = ()
    networks: tuple[NetworkSettings, ...] = ()
    meters: tuple[MeterSettings, ...] = ()
    readers: tuple[ReaderSettings, ...] = ()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()
    clock: ClockSettings = ClockSettings()
    security: SecuritySettings = field(default_factory=SecuritySettings)
    files: FilesSettings = field(default_factory=FilesSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    charging: ChargingSettings = field(default_factory=ChargingSettings)
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    warnings: tuple[str, ...] = ()

    @property
    def evse_numbers(self) -> tuple[int, ...]:
        """Every EVSE of the station, 1 to n."""
        return tuple(sorted(number for board in self.boards for number in board.evses))

    def evse(self, number: int) -> EvseSettings:
        """What the file says of an EVSE; all open when it says nothing."""
        return next((evse for evse in self.evses if evse.id == number), EvseSettings(id=number))


def load(
    path: str | Path,
    *,
    driver_check: DriverCheck | None = None,
    claims: Claims | None = None,
    devices: DeviceChecks | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Read a configuration file. Raises ConfigError with every mistake in it.

    driver_check(driver, settings): how many EVSEs the board has, None when it has as many as are named; raises
    hal.errors.ConfigError when a board cannot be made of them.
    claims(driver, settings): the (port, address) pairs that a board occupies; raises the same.
    devices: the same of meters and readers.
    """
    path = Path(path)
    data, lines = read_toml(path)
    return parse(
        data,
        base=path.parent,
        lines=lines,
        driver_check=driver_check,
        claims=claims,
        devices=devices,
        environ=environ,
    )


def parse(
    data: Mapping[str, Any],
    *,
    base: Path | None = None,
    lines: Mapping[Key, int] | None = None,
    driver_check: DriverCheck | None = None,
    claims: Claims | None = None,
    devices: DeviceChecks | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from what a TOML file would contain. `base`: directory of relative file names. Raises ConfigError."""
    report = Report(lines)
    base = base or Path.cwd()
    csms = find_table(CsmsSettings, data, ("csms",), report)
    store = find_table(StoreSettings, data, ("store",), report)
    read = Sections(
        station=find_table(StationSettings, data, ("station",), report),
        csms=_resolved(csms, ("password_file", "ca_file", "cert_file", "key_file"), base),
        store=_resolved(store, ("path",), base),
        log=find_table(LogSettings, data, ("log",), report),
        clock=find_table(ClockSettings, data, ("clock",), report),
        security=_resolved(
            find_table(SecuritySettings, data, ("security",), report),
            ("directory", "pkcs11_module", "pkcs11_pin_file"),
            base,
        ),
        files=_resolved(find_table(FilesSettings, data, ("files",), report), ("directory",), base),
        control=_resolved(find_table(ControlSettings, data, ("control",), report), ("socket",), base),
        charging=find_table(ChargingSettings, data, ("charging",), report),
        boards=find_boards(BoardSettings, data, report),
        evses=find_list(EvseSettings, data, "evse", report),
        variables=find_variables(data, report),
        networks=find_list(NetworkSettings, data, "network", report),
        meters=resolved_models(find_devices(MeterSettings, data, "meter", report), base),
        readers=find_devices(ReaderSettings, data, "reader", report),
    )
    if data.get("board") == []:
        report.problem(("board",), "there is no board", "write at least one [[board]] with driver and evses")
    for name in data:
        if name not in SECTIONS:
            unknown(name, SECTIONS, (name,), report)
    check_all(read, report, driver_check=driver_check, claims=claims, devices=devices, environ=environ)
    if report.problems:
        raise ConfigError(report.problems)
    return Settings(
        station=read.station.build(),
        csms=read.csms.build(),
        boards=tuple(board.build() for board in read.boards),
        evses=tuple(evse.build() for evse in read.evses),
        networks=tuple(network.build() for network in read.networks),
        meters=tuple(meter.build() for meter in read.meters),
        readers=tuple(reader.build() for reader in read.readers),
        store=read.store.build(),
        log=read.log.build(),
        clock=read.clock.build(),
        security=read.security.build(),
        files=read.files.build(),
        control=read.control.build(),
        charging=read.charging.build(),
        variables=read.variables,
        warnings=tuple(report.warnings),
    )


def _resolved(found: Found[T], names: tuple[str, ...], base: Path) -> Found[T]:
    """File names are relative to the configuration file."""
    absolute = {name: str(base / found.get(name)) for name in names if found.get(name) is not None}
    return replace(found, values={**found.values, **absolute})
