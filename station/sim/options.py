"""The command line of `station sim`, and the bench that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from station.clock import Clock
from station.core.charging.memory import ChargingSetup
from station.errors import ConfigError
from station.ocpp.link_settings import LinkSettings
from station.sim.lab_settings import KNOWN_TOKENS, LabSettings
from station.sim.panel import PanelOptions
from station.sim.security_options import SecurityOptions, SimSecurity, read_security

__all__ = ["SimOptions", "settings_of"]

LONGEST_ID_TAG = 20  # CiString20Type of 1.6
# How the settings of the link are called on the command line.
ARGUMENTS = {"url": "--csms", "identity": "--id", "password": "--password-file"}
NO_SECURITY_OPTIONS = SecurityOptions()


@dataclass(frozen=True, slots=True)
class SimOptions:
    """The command line of `station sim`. speed: None for as fast as possible. token: the card that everybody uses.

    seed: None for "1" with the embedded CSMS, where runs repeat, and for another one every time towards a foreign CSMS, which would
    take repeated transaction ids for one transaction.
    station_max_a: fuse of the grid connection, A per phase. socket: where `station ctl` reaches it. panel: the front panel, None for
    none. security: how it connects to `csms_url`.
    wire: emulators and the real drivers.
    """

    version: str = "2.0.1"
    csms_url: str | None = None
    identity: str = "PILOT-1"
    password_file: Path | None = None
    token: str | None = None
    speed: float | None = 10.0
    evses: int = 2
    seed: str | None = None
    folder: Path | None = None
    demo: bool = True
    plain: bool = False
    duration_s: float | None = None
    station_max_a: float | None = None
    socket: Path | None = None
    panel: PanelOptions | None = None
    security: SecurityOptions = NO_SECURITY_OPTIONS
    wire: bool = False


def settings_of(options: SimOptions) -> LabSettings:
    """The bench that the command line asks for. Raises ConfigError naming the arguments that are wrong."""
    if options.wire and options.speed != 1.0:
        raise ConfigError(["--speed: drivers and devices live in real time with --wire; leave it out"])
    if options.csms_url is not None and options.speed is None:
        raise ConfigError(["--speed: max needs the embedded CSMS; towards --csms use a number"])
    password = _password(options.password_file)
    problems = []
    if options.version == "1.6" and options.token is not None and len(options.token) > LONGEST_ID_TAG:
        problems.append(f"--token: must have at most {LONGEST_ID_TAG} characters with --ocpp 1.6")
    try:
        LinkSettings(options.csms_url or "ws://embedded", options.identity, tuple, password=password)
    except ConfigError as error:
        problems += [_as_argument(problem) for problem in error.problems]
    try:
        security = _security(options, password)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(sorted(problems))
    if options.folder is not None:
        try:
            options.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError([f"--store: {options.folder} cannot be a directory: {error.strerror}"]) from error
    return LabSettings(
        versions=(options.version,),
        csms_url=options.csms_url,
        identity=options.identity,
        password=password,
        security_profile=security.security_profile,
        ca_file=security.ca_file,
        cert_file=security.cert_file,
        key_file=security.key_file,
        secure_url=security.secure_url,
        evses=options.evses,
        speed=options.speed,
        seed=_seed(options),
        serial=None if options.seed is not None else "SIM-1",
        folder=options.folder,
        charging=None if options.station_max_a is None else ChargingSetup(station_max_a=options.station_max_a),
        tokens=KNOWN_TOKENS if options.token is None else (*KNOWN_TOKENS, options.token),
        # A person at ten times the speed needs more than the usual minute between card and cable.
        variables={"TxCtrlr.EVConnectionTimeOut": "300"},
        wire=options.wire,
        meter_poll_s=min(5.0, max(1.0, (options.speed or 60.0) / 4)),
    )


def _seed(options: SimOptions) -> str:
    """A folder counts its starts, and they are part of the seed; a temporary one always begins with the first."""
    if options.seed is not None:
        return options.seed
    return "1" if options.csms_url is None else f"{Clock().now().wall:.6f}"


def _security(options: SimOptions, password: str | None) -> SimSecurity:
    return read_security(
        options.security,
        options.csms_url,
        options.identity,
        password=password is not None,
        folder=options.folder,
        wall=Clock().now().wall,
    )


def _as_argument(problem: str) -> str:
    name, _, text = problem.partition(":")
    return f"{ARGUMENTS.get(name, name)}:{text}"


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError([f"--password-file: cannot read {file}: {reason}"]) from error
    if not lines or not lines[0]:
        raise ConfigError([f"--password-file: the first line of {file} is empty"])
    return lines[0]
