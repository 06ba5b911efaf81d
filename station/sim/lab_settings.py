"""What stands on the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from station.app import EvseSetup, StationSetup
from station.core.charging.memory import ChargingSetup
from station.sim.csms import Token

__all__ = ["BOARD", "KNOWN_TOKENS", "STATION", "LabSettings", "station_setup"]

BOARD = "sim"
KNOWN_TOKENS = ("04A1B2C3", "0BADCAFE", "DEADBEEF")


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What stands on the bench.

    versions: OCPP versions to offer, best first. csms_url: a foreign CSMS, None for the embedded one. speed: seconds of simulated time
    per second, None for as fast as possible (embedded only). seed: the same seed gives the same run. folder: where the database
    lives, and what the bench keeps from run to run; None for a temporary one. board: settings of the simulated board.
    serial: None for one made of the seed. boot_reason: told at the next start only, instead of the real one.
    security_profile, ca_file, cert_file, key_file, secure_url: as in `StationSetup`, towards a foreign CSMS. charging: likewise.
    wire: emulators in processes of their own and the real drivers, in real time, instead of the simulated board.
    """

    versions: tuple[str, ...] = ("2.0.1",)
    csms_url: str | None = None
    identity: str = "PILOT-1"
    password: str | None = field(default=None, repr=False)
    security_profile: int | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    secure_url: str | None = field(default=None, repr=False)
    evses: int = 2
    speed: float | None = None
    seed: str = "1"
    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    tokens: tuple[Token | str, ...] = KNOWN_TOKENS
    board: Mapping[str, object] = field(default_factory=lambda: {"report_soc": True})
    meter_poll_s: float = 5.0
    trust_clock: bool = True
    csms_fast: bool = False
    vendor: str = "Pilotwire"
    model: str = "Simulator"
    serial: str | None = None
    boot_reason: str | None = None
    charging: ChargingSetup | None = None
    wire: bool = False


STATION = frozenset(
    {
        "identity",
        "password",
        "security_profile",
        "ca_file",
        "cert_file",
        "key_file",
        "secure_url",
        "versions",
        "variables",
        "meter_poll_s",
        "trust_clock",
        "vendor",
        "model",
        "serial",
        "boot_reason",
        "charging",
    }
)
"""Settings of the station itself: they may change from one boot to the next."""


def station_setup(
    settings: LabSettings, evses: Sequence[tuple[str, int]], folder: Path, firmware: str | None
) -> StationSetup:
    """What the station is told of itself.

    evses: board and unit of each. folder: of its database. firmware: the version that is installed.
    """
    return StationSetup(
        identity=settings.identity,
        url=settings.csms_url or "ws://embedded",
        versions=settings.versions,
        evses=tuple(EvseSetup(number, board, unit) for number, (board, unit) in enumerate(evses, 1)),
        vendor=settings.vendor,
        model=settings.model,
        serial=settings.serial or f"SIM-{settings.seed}"[:25],
        boot_reason=settings.boot_reason,
        password=settings.password,
        security_profile=settings.security_profile,
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        secure_url=settings.secure_url,
        variables=settings.variables,
        meter_poll_s=settings.meter_poll_s,
        trust_clock=settings.trust_clock,
        certificates=folder / "certificates",
        files=folder / "files",
        firmware=firmware,
        charging=settings.charging,
    )
