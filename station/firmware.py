"""`station run` and `station check`: a station on real hardware. Loads no simulator code unless the driver "sim" is configured."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hal.registry import claims, names, reader_names
from station import __version__
from station.app import EvseSetup, StationApp, StationSetup, Surroundings, file_store
from station.app_charging import charging_setup
from station.clock import Clock
from station.config import Settings, load
from station.core.types import NetworkProfile
from station.errors import SecurityError, StationError
from station.firmware_hardware import HardwareChecks, boards_of, host_loss, readers_of, warnings_of
from station.firmware_host import FirmwareHost
from station.runtime.supervise import Notifier
from station.security.api import KeyAlgorithm
from station.store.private import readable_by_others

if TYPE_CHECKING:
    from station.runtime.control_socket import ControlSocket
    from station.security.pkcs11 import Pkcs11Settings

log = logging.getLogger("station")


def load_settings(path: str | Path) -> Settings:
    """Read and check a configuration, drivers included. Raises ConfigError with every mistake."""
    checks = HardwareChecks()
    return load(path, driver_check=checks.board, claims=claims, devices=checks)


def setup_of(settings: Settings) -> StationSetup:
    """Settings of the file in the words of the composition root. Raises ConfigError when the password cannot be had."""
    station, csms = settings.station, settings.csms
    evses = tuple(
        EvseSetup(
            evse=number,
            board=str(index),
            unit=unit,
            max_current_a=settings.evse(number).max_a,
            phases=settings.evse(number).phases,
            voltage_v=settings.evse(number).voltage_v,
            connector_type=settings.evse(number).connector_type,
            fixed_cable=settings.evse(number).fixed_cable,
        )
        for index, board in enumerate(settings.boards)
        for unit, number in enumerate(board.evses, start=1)
    )
    return StationSetup(
        identity=station.id,
        url=csms.url,
        versions=csms.versions,
        evses=tuple(sorted(evses, key=lambda evse: evse.evse)),
        vendor=station.vendor,
        model=station.model,
        serial=station.serial,
        firmware=station.firmware or __version__,
        iccid=station.iccid,
        imsi=station.imsi,
        meter_serial=station.meter_serial,
        meter_type=station.meter_type,
        password=csms.read_password(),
        ca_file=csms.ca_file,
        cert_file=csms.cert_file,
        key_file=csms.key_file,
        verify_hostname=csms.verify_hostname,
        local_address=csms.local_address,
        open_timeout_s=csms.open_timeout_s,
        pong_timeout_s=csms.pong_timeout_s,
        security_profile=csms.security_profile,
        secure_url=csms.secure_url,
        networks=tuple(
            NetworkProfile(one.url, one.security_profile, one.version or "", one.message_timeout_s)
            for one in settings.networks
        ),
        variables={**rotation_of(settings), **settings.variables},
        trust_clock=settings.clock.trust_system,
        certificates=certificates_of(settings),
        key_algorithm=KeyAlgorithm(settings.security.key_algorithm),
        token=token_of(settings),
        files=_beside_database(settings, settings.files.directory, "files"),
        max_download_bytes=settings.files.max_download_mb * 1024 * 1024,
        charging=charging_setup(settings.charging, {evse.id: evse.priority for evse in settings.evses}),
    )


def rotation_of(settings: Settings) -> Mapping[str, str]:
    """ConnectorPhaseRotation as the installation tells it, empty when it says nothing."""
    told = [f"{evse.id}.{evse.phase_rotation}" for evse in settings.evses if evse.phase_rotation is not None]
    return {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": ",".join(told)} if told else {}


def certificates_of(settings: Settings) -> Path:
    """Folder of the certificate store: where the file says, or beside the database."""
    return _beside_database(settings, settings.security.directory, "certificates")


def token_of(settings: Settings) -> Pkcs11Settings | None:
    """The token that keeps the station's keys, None when they are files. Its PIN is read when the token is opened."""
    security = settings.security
    if security.pkcs11_module is None:
        return None
    from station.security.pkcs11 import Pkcs11Settings

    file = None if security.pkcs11_pin_file is None else Path(security.pkcs11_pin_file)
    return Pkcs11Settings(security.pkcs11_module, security.pkcs11_token or "", file, security.pkcs11_pin_env or "")


def _beside_database(settings: Settings, configured: str | None, name: str) -> Path:
    return Path(configured) if configured is not None else Path(settings.store.path).parent / name


def run(settings: Settings) -> None:
    """Run the station until SIGTERM or SIGINT. Raises ConfigError and StoreError."""
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    setup = setup_of(settings)
    wall = Clock()
    around = Surroundings(
        boards=lambda: boards_of(settings),
        open_store=file_store(settings.store.path, lambda: wall.now().wall),
        readers=lambda: readers_of(settings),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    notifier = Notifier(os.environ, os.getpid())
    host = FirmwareHost(setup, notifier, lambda: StationApp(setup, replace(around, link=host.link), notifier=notifier))
    stopping = loop.create_task(stop.wait())
    control = _control(host, settings.control.socket)
    try:
        await host.start()
        log.info("database %s", settings.store.path)
        async with _served(control):
            waiting: set[asyncio.Future[object]] = {stopping, host.failed}  # type: ignore[arg-type]  # Future is invariant
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            notifier.stopping()
        else:
            host.failed.result()
    finally:
        await host.close()
        stopping.cancel()
        notifier.close()


def _control(host: FirmwareHost, path: str | None) -> ControlSocket | None:
    """The control socket, not yet listening; it hears what happens from the first start on."""
    if path is None:
        return None
    from station.runtime.control import Controller
    from station.runtime.control_socket import ControlSocket

    return ControlSocket(Controller(host), path)


@contextlib.asynccontextmanager
async def _served(control: ControlSocket | None) -> AsyncIterator[None]:
    """While open, `station ctl` is answered. A station that cannot be controlled charges all the same."""
    if control is not None:
        try:
            await control.start()
        except StationError as error:
            log.error("there is no control: %s", error)
    try:
        yield
    finally:
        if control is not None:
            await control.close()


def check(settings: Settings) -> list[str]:
    """Warnings about a valid configuration: what works, but should not stay so."""
    warnings = list(settings.warnings)
    database = Path(settings.store.path)
    if not os.access(database.parent, os.W_OK):
        warnings.append(
            f"store.path: {database.parent} does not exist, or this user may not write there. "
            "Remedy: create it for the user that runs the station, or set [store] path to another place."
        )
    if readable_by_others(database):
        warnings.append(
            f"store.path: others than its owner may read {database}, and it holds card numbers and passwords. "
            f"Remedy: chmod 600 {database}, or start the station, which does that."
        )
    socket = settings.control.socket
    if socket is not None and not os.access(Path(socket).parent, os.W_OK):
        warnings.append(
            f"control.socket: {Path(socket).parent} does not exist, or this user may not write there; there will be no control. "
            "Remedy: create it for the user that runs the station (systemd: RuntimeDirectory=pilotwire)."
        )
    warnings += _check_token(settings)
    warnings += warnings_of(settings)
    return warnings


def _check_token(settings: Settings) -> list[str]:
    """Whether the token opens, with its PIN, and whether TLS can use a key in it."""
    token = token_of(settings)
    if token is None:
        return []
    from station.security.pkcs11 import Pkcs11Keys
    from station.security.token_tls import hindrance

    warnings = []
    try:
        Pkcs11Keys(token).check()
    except SecurityError as error:
        warnings.append(f"security.pkcs11_token: {error}. The station would run without certificates of its own.")
    if why := hindrance():
        warnings.append(f"security.pkcs11_module: {why}. Security profile 3 would find no connection.")
    return warnings


def about(settings: Settings) -> list[str]:
    """What a valid configuration means for safety, board by board."""
    return host_loss(settings)


def device_names() -> Mapping[str, tuple[str, ...]]:
    """What hardware the file may name, by table and key."""
    from hal.meters.model import names as meter_names

    return {"[[board]] driver": names(), "[[meter]] model": meter_names(), "[[reader]] kind": reader_names()}
