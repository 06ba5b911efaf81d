"""Composition root: configuration and surroundings -> one running station. The only module that wires everything.

Firmware, simulator and test bench differ in their `Surroundings` and in nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hal.api import Board, ControlLevel, EvseUnit, SigningMeter
from station.app_network import network_of, tls_of, variables_of
from station.app_setup import EvseSetup, StationSetup, Surroundings, file_store, host_boot_id
from station.clock import Clock
from station.core import live
from station.core.components import standard_definitions
from station.core.components_charging import ChargingLimits
from station.core.device_model import DeviceModel, Refusal, VariableKey
from station.core.events import ShutdownRequested, VariableWrite
from station.core.station import Station
from station.core.types import EvseInfo, StopReason
from station.core.view import StationView
from station.ocpp.client import OcppClient
from station.ocpp.client_settings import ClientSettings
from station.ocpp.dialect import DialectSettings, StationIdentity
from station.ocpp.expert import Expert
from station.ocpp.link_settings import LinkSettings
from station.runtime.certificates import CertificateManager, CertificateSettings, open_files, opener
from station.runtime.fault_sources import FaultSources
from station.runtime.filework import FileSettings, FileWork, installed
from station.runtime.gateway import Gateway, Scheduler
from station.runtime.hands import BoardHost, StationHands
from station.runtime.jobs import JobDone, JobProgress, Jobs
from station.runtime.readers import ReaderHost
from station.runtime.supervise import Notifier, Supervisor, Watchdog
from station.store.ops import PutRow

__all__ = ["EvseSetup", "StationApp", "StationSetup", "Surroundings", "file_store", "host_boot_id"]

log = logging.getLogger("station.app")

DIALECTS: Mapping[str, str] = {
    "2.0.1": "station.ocpp.v201.dialect:create",
    "1.6": "station.ocpp.v16.dialect:create",
}
DRAIN_S = 2.0
DRAIN_LOOK_S = 0.05
# One for all stations of a process: it keeps nothing, but weighs 3 KB.
SYSTEM_DICE = random.SystemRandom()


class StationApp:
    """One station between two restarts. `start`, then `stop`, `kill` (a power cut) or a reboot that it asks for itself."""

    __slots__ = (
        "_around",
        "_asked_reboot",
        "_dead",
        "_notifier",
        "_rng",
        "_rows",
        "_scheduler",
        "_supervisor",
        "boards",
        "certificates",
        "client",
        "clock",
        "files",
        "gateway",
        "hands",
        "hosts",
        "jobs",
        "model",
        "readers",
        "rebooting",
        "setup",
        "store",
    )

    def __init__(self, setup: StationSetup, around: Surroundings, *, notifier: Notifier | None = None) -> None:
        """Builds everything, opens the store. Raises StoreError and ConfigError; nothing runs yet.

        notifier: the service manager's watchdog is fed while every board's output task and the OCPP client
            show signs of life.
        """
        self.setup = setup
        self._notifier = notifier
        self._around = around
        self.boards = around.boards()
        loop = asyncio.get_running_loop()
        self._scheduler: Scheduler = around.scheduler if around.scheduler is not None else loop
        self.store = around.open_store()
        with contextlib.ExitStack() as undo:
            undo.callback(self.store.close)
            self.clock = self._make_clock()
            self._rng = self._make_rng()
            self._rows = self.store.rows()
            self.model = self._make_model()
            self.rebooting: asyncio.Future[str] = loop.create_future()
            station = Station(
                self._infos(),
                self.model,
                self.new_id,
                meter_poll_s=setup.meter_poll_s,
                network=network_of(setup),
                charging=setup.charging,
            )
            self.jobs = Jobs(self.store, self._job_reported)
            faults = FaultSources(self._submit)
            self.hosts = tuple(self._host(name, board, faults) for name, board in self.boards.items())
            self.readers = tuple(ReaderHost(reader, self._submit, faults) for reader in around.readers())
            self.hands = StationHands(self.hosts, self._submit, self.jobs, self._reboot)
            # The gateway needs the client and the client the gateway.
            self.gateway = Gateway(station, self.store, self.clock, self._scheduler, None, self.hands)
            self.client = self.gateway.outlet = OcppClient(
                self._client_settings(), self.gateway, self.store, DIALECTS, self.new_id, self._rng, around.link
            )
            undo.pop_all()
        live.connect(self.model, self.gateway.view, self.clock.now)
        self.certificates = self._make_certificates()
        self.files = None if setup.files is None else self._make_files(setup.files)
        self._supervisor = Supervisor()
        self._dead = False
        self._asked_reboot = False

    # --- building -------------------------------------------------------------------------------------------------------

    def _make_clock(self) -> Clock:
        times: dict[str, Any] = {"monotonic": self._scheduler.time}
        if self._around.wall is not None:
            times["wall"] = self._around.wall
        return Clock(**times, boot=self.store.boot, trusted=self.setup.trust_clock)

    def _make_rng(self) -> random.Random:
        """Ids must not repeat after a restart, so the number of the start is part of the seed."""
        seed = self._around.seed
        return SYSTEM_DICE if seed is None else random.Random(f"{seed}/{self.setup.identity}/{self.store.boot}")

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _make_model(self) -> DeviceModel:
        saved = {key: str(row["value"]) for key, row in self._rows.get("variable", {}).items() if "value" in row}
        limits = ChargingLimits.of(self.setup.charging)
        model = DeviceModel(standard_definitions(self._infos(), variables_of(self.setup), limits), saved)
        for component, variable, value in (
            ("ChargingStation", "Model", self.setup.model),
            ("ChargingStation", "VendorName", self.setup.vendor),
            ("ChargingStation", "SerialNumber", self.setup.serial),
            ("ChargingStation", "FirmwareVersion", self.setup.firmware),
            ("SecurityCtrlr", "Identity", self.setup.identity),
        ):
            if value and model.find(component, variable) is not None:
                model.put(VariableKey(component, variable), value)
                model.register(component, variable, _from_configuration)
        for key in model.ignored:
            log.warning("saved variable %s does not fit any more and is ignored", key)
        return model

    @property
    def security_profile(self) -> int:
        """Of the connection that worked last, else of the one that is tried first (A00)."""
        return self.gateway.view().network.security_profile

    def _make_certificates(self) -> CertificateManager | None:
        folder = self.setup.certificates
        if folder is None:
            return None
        settings = CertificateSettings(
            folder,
            self.setup.serial or self.setup.identity,
            self.setup.key_algorithm,
            open_files if self.setup.token is None else opener(self.setup.token),
        )
        manager = CertificateManager(settings, self.gateway, self.jobs, self._scheduler, self.client)
        self.client.services.certificates = manager
        manager.on_station_certificate_changed = self.client.certificates_changed
        self.client.connecting.tls = tls_of(self.setup, manager, self.clock.now)
        entries = VariableKey("SecurityCtrlr", "CertificateEntries")
        self.model.compute(entries, lambda: str(manager.standing.credentials.entries))
        return manager

    def _make_files(self, folder: Path) -> FileWork:
        settings = FileSettings(folder, self._around.installer, self.setup.ca_file, self.setup.max_download_bytes)
        roots = installed(self.certificates)
        files = FileWork(settings, self.gateway, self.jobs, self._rows, about=lambda: self.setup, roots=roots)
        self.client.on_frame(files.archive.frame)
        self.client.services.firmware = files.trust
        return files

    def _unit(self, setup: EvseSetup) -> EvseUnit:
        board = self.boards[setup.board]
        return next(unit for unit in board.units if unit.evse == setup.unit)

    def _infos(self) -> Sequence[EvseInfo]:
        return tuple(_info(setup, self._unit(setup), self.boards[setup.board]) for setup in self.setup.evses)

    def _host(self, name: str, board: Board, faults: FaultSources) -> BoardHost:
        numbers = {setup.unit: setup.evse for setup in self.setup.evses if setup.board == name}
        return BoardHost(board, numbers, self._submit, faults)

    def _client_settings(self) -> ClientSettings:
        setup = self.setup
        return ClientSettings(
            link=LinkSettings(
                url=setup.url,
                identity=setup.identity,
                subprotocols=lambda: tuple(f"ocpp{version}" for version in setup.versions),
                password=setup.password,
                ca_file=setup.ca_file,
                cert_file=setup.cert_file,
                key_file=setup.key_file,
                verify_hostname=setup.verify_hostname,
                local_address=setup.local_address,
                open_timeout_s=setup.open_timeout_s,
                pong_timeout_s=setup.pong_timeout_s,
            ),
            dialect=DialectSettings(
                identity=StationIdentity(
                    vendor=setup.vendor,
                    model=setup.model,
                    serial=setup.serial,
                    firmware=setup.firmware,
                    iccid=setup.iccid,
                    imsi=setup.imsi,
                    meter_serial=setup.meter_serial,
                    meter_type=setup.meter_type,
                ),
                evses=tuple(evse.evse for evse in setup.evses),
                security_profile=lambda: self.security_profile,
            ),
            speed=self._around.speed,
        )

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take over what was saved, open the boards, connect."""
        cause, reason = self._why_started()
        reason = self.setup.boot_reason or reason
        self.store.commit(
            [
                PutRow("station", "boot", None),
                PutRow("station", "shutdown", None),
                PutRow("station", "host", {"boot_id": self._around.host_boot()}),
            ],
            self._noted,
        )
        self.gateway.start(self._rows, cause)
        if self.certificates is not None:
            self.certificates.start()
        if self.files is not None:
            await self.files.start(self._rows)
        self.jobs.restore(self._rows.get("job", {}))
        for host, name in zip(self.hosts, self.boards, strict=True):
            self._supervisor.watch(f"board {name}", host.run)
        for index, reader in enumerate(self.readers):
            self._supervisor.watch(f"reader {index} ({reader.name})", reader.run)
        if self._notifier is not None:
            checks = {f"board {name}": host.alive for host, name in zip(self.hosts, self.boards, strict=True)}
            checks["ocpp"] = self.client.alive
            self._supervisor.watch("watchdog", Watchdog(self._notifier, checks).run, forever=False)
        self._supervisor.watch("link", lambda: self.client.run(reason), forever=False)  # it ends when it is told to

    def _why_started(self) -> tuple[StopReason, str]:
        """Why a transaction found open ended, and the boot reason (B01.FR.03)."""
        rows = self._rows.get("station", {})
        asked = rows.get("boot")
        before, now = rows.get("host", {}).get("boot_id"), self._around.host_boot()
        same_host = before is not None and before == now and now != ""
        cause = StopReason.REBOOT if same_host or "shutdown" in rows or asked else StopReason.POWER_LOSS
        if asked:
            return cause, str(asked["reason"])
        if not same_host:
            return cause, "PowerUp"
        return cause, "ApplicationReset" if "shutdown" in rows else "Watchdog"

    def _noted(self, error: Exception | None) -> None:
        if error is not None:
            log.error("the start could not be noted: %s", error)

    def view(self) -> StationView:
        return self.gateway.view()

    @property
    def expert(self) -> Expert:
        """What a technician may do past the station's own logic."""
        return Expert(self.client)

    def accept_meter(self, evse: int) -> bool:
        """A meter was replaced: see `StationHands.accept_meter`."""
        return self.hands.accept_meter(evse)

    def _submit(self, event: Any) -> None:
        if not self._dead:
            self.gateway.submit(event)

    def _reboot(self, reason: str) -> None:
        self._asked_reboot = True
        if not self.rebooting.done():
            log.info("restarting: %s", reason)
            self.rebooting.set_result(reason)

    def _job_reported(self, report: JobProgress | JobDone) -> None:
        log.info("job %s: %s", report.job, report)
        self._submit(report)

    async def stop(self) -> None:
        """Forbid power, save, say good-bye. Running transactions stay saved and are closed at the next start."""
        if self._asked_reboot:
            await self._drain()
        else:
            self._submit(ShutdownRequested())
        self.gateway.close()
        await self.client.stop()
        if self.certificates is not None:
            await self.certificates.close()
        await self._shut_down()
        await self.gateway.settled()
        self.store.close()

    async def _drain(self) -> None:
        """Before a reboot the answer leaves, and what was just recorded gets its chance; what does not leave is kept."""
        loop = asyncio.get_running_loop()
        over = loop.time() + DRAIN_S
        await asyncio.sleep(DRAIN_LOOK_S)
        while self.client.online and self.client.services.queued():
            if loop.time() >= over:
                log.info("restarting with records still to be sent; they are kept")
                return
            await asyncio.sleep(DRAIN_LOOK_S)

    async def _shut_down(self) -> None:
        self._dead = True
        await self.hands.close()  # a reading under way would open its line again
        await self._supervisor.close()  # so would an output
        for host in self.hosts:
            await host.close()
        await self.jobs.close()
        if self.files is not None:
            await self.files.close()

    async def kill(self) -> None:
        """A power cut: nothing is said or saved any more. Only what was committed before counts."""
        self._dead = True
        self.gateway.close()
        await self.client.kill()
        if self.certificates is not None:
            await self.certificates.close()
        await self._supervisor.close()
        await self.hands.close()
        self.store.close()
        await self.jobs.close()
        if self.files is not None:
            await self.files.close()


def _from_configuration(_model: DeviceModel, _write: VariableWrite) -> Refusal:
    """Who the station is, it is told anew at every start."""
    return Refusal("ReadOnly", "it stands in the station's configuration")


def _info(setup: EvseSetup, unit: EvseUnit, board: Board) -> EvseInfo:
    """What the core is told: the board's word, unless the installation knows better."""
    fixed = unit.fixed_cable if setup.fixed_cable is None else setup.fixed_cable
    return EvseInfo(
        evse=setup.evse,
        connectors=(setup.connector_type or unit.connector_type,),
        max_a=unit.max_a,
        min_a=unit.min_a,
        configured_a=setup.max_current_a,
        phases=min(unit.phases, setup.phases or unit.phases),
        voltage_v=setup.voltage_v or unit.voltage_v,
        has_lock=unit.lock is not None,
        fixed_cable=fixed,
        has_meter=unit.meter is not None,
        ventilated=unit.ventilated,
        phase_switching=unit.phase_switching,
        has_pilot=board.level is ControlLevel.PILOT,
        self_test=unit.rcd is not None,
        signs=isinstance(unit.meter, SigningMeter),
    )
