"""Everything of one station that moves files, put together: uploads of logs, updates of firmware, what they need.

The composition root makes one when the station has a folder of its own; without, FileTransferProtocols stays empty, and the core
promises nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from station.clock import Now
from station.core.device_model import DeviceModel, VariableKey
from station.core.diagnostics import UPLOAD_JOB
from station.core.firmware import DOWNLOAD_JOB, INSTALL_JOB, ROW
from station.errors import SecurityError
from station.runtime.archive import Archive, RecentLines, SecurityLog
from station.runtime.certificates import CertificateManager
from station.runtime.gateway import Listener
from station.runtime.jobs import Jobs
from station.runtime.transfers import DEFAULT_MOST_BYTES, Transfers, protocols
from station.runtime.updates import FirmwareTrust, Installer, Roots, Updates, Vouchers, no_roots
from station.runtime.uploads import LogUploads
from station.security.api import CertificateUse
from station.store.statements import SECURITY_LOG

__all__ = ["FileSettings", "FileWork", "installed"]

log = logging.getLogger("station.files")

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FileSettings:
    """folder: of the station, for its own files; made when missing. installer: of firmware. ca_file: roots to trust over TLS, PEM.

    most_bytes: the largest firmware that is downloaded.
    """

    folder: Path
    installer: Installer
    ca_file: str | None = None
    most_bytes: int = DEFAULT_MOST_BYTES


class Core(Protocol):
    """What of the gateway is needed."""

    @property
    def model(self) -> DeviceModel: ...
    def view(self) -> object: ...
    def now(self) -> Now: ...
    def listen(self, listener: Listener) -> None: ...


def installed(store: CertificateManager | None) -> Roots:
    """What the certificate store holds; nothing while there is none."""

    async def roots(use: CertificateUse) -> Vouchers:
        if store is None or not store.in_use:
            return (), ()
        return await store.ask(lambda found, _wall: (found.roots(use), found.crls()))

    return roots


class FileWork:
    """archive: what logs are made of; `archive.frame` wants to hear every frame. trust: checks signing certificates."""

    __slots__ = ("_folder", "_lines", "_updates", "_uploads", "archive", "trust")

    def __init__(
        self,
        settings: FileSettings,
        core: Core,
        jobs: Jobs,
        rows: Rows,
        *,
        about: Callable[[], object],
        roots: Roots = no_roots,
    ) -> None:
        """rows: of the store, as found at the start. about: the station's settings. roots: installed certificates."""

        async def csms_roots() -> str:
            certificates, _ = await roots(CertificateUse.CSMS_ROOT)
            if not certificates:
                return ""
            from station.security.certificates import pem

            return pem(certificates)

        self._folder = settings.folder
        transfers = Transfers(
            csms_roots,
            ca_file=settings.ca_file,
            known_hosts=settings.folder / "known_hosts",
            most_bytes=settings.most_bytes,
        )
        self._lines = RecentLines()
        self.archive = Archive(
            core.model,
            core.now,
            SecurityLog(rows.get(SECURITY_LOG, {})),
            settings=about,
            state=core.view,
            lines=self._lines.ring,
        )
        self.trust = FirmwareTrust(roots, core.now)
        self._uploads = LogUploads(self.archive, transfers, settings.folder / "uploads")
        self._updates = Updates(transfers, settings.folder / "firmware", settings.installer)
        jobs.register(UPLOAD_JOB, self._uploads)
        jobs.register(DOWNLOAD_JOB, self._updates.download)
        jobs.register(INSTALL_JOB, self._updates.install)
        core.listen(self.archive.security_log.heard)
        core.model.put(VariableKey("OCPPCommCtrlr", "FileTransferProtocols"), ",".join(protocols()))

    async def start(self, rows: Rows) -> None:
        """Keep log lines from now on; clear away what a power cut has left. Before any job."""
        logging.getLogger("station").addHandler(self._lines)
        if not self._folder.is_dir():
            return
        updating = rows.get(ROW, {}).get("update", {}).get("step", "done") != "done"
        try:
            await asyncio.to_thread(self._sweep, updating)
        except (OSError, SecurityError) as error:
            log.error("files of the last run could not be cleared away: %s", error)

    def _sweep(self, updating: bool) -> None:
        self._uploads.sweep()
        if not updating:
            self._updates.sweep()

    async def close(self) -> None:
        logging.getLogger("station").removeHandler(self._lines)
        await self.trust.close()
