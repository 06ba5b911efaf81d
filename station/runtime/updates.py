"""The jobs of a firmware update (L01): download and check the file, install it.

The installer is a seam: a system updater behind `Installer`. Until there is one for the hardware at hand, `NoInstaller` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from station.clock import Now
from station.errors import SecurityError
from station.runtime.jobs import JobRun, finish_in_thread
from station.runtime.transfers import Transfers
from station.runtime.uploads import repeatedly
from station.security.api import CertificateUse, Outcome
from station.security.files import private_folder
from station.store.ops import Json

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["FirmwareTrust", "Installation", "Installer", "NoInstaller", "Roots", "Updates", "no_roots"]

log = logging.getLogger("station.updates")

# In quotes: reading certificates takes a library that need not be loaded before there is something to read.
Vouchers: TypeAlias = "tuple[tuple[x509.Certificate, ...], tuple[x509.CertificateRevocationList, ...]]"
Roots = Callable[[CertificateUse], Awaitable[Vouchers]]
"""The installed root certificates of one use, and the revocation lists at hand. Raises SecurityError."""


async def no_roots(use: CertificateUse) -> Vouchers:
    """Of a station without a certificate store."""
    del use
    return (), ()


@dataclass(frozen=True, slots=True)
class Installation:
    """How an installation went. status: Installed, InstallationFailed or InstallVerificationFailed.

    reboot: it is in force after a restart only. version: what will run then, None when the installer cannot tell.
    """

    status: str
    reboot: bool = False
    version: str | None = None
    info: str = ""


class Installer(Protocol):
    """Installs a firmware whose signature was checked. May be called again for the same file after a power cut."""

    async def install(self, file: Path) -> Installation: ...


class NoInstaller:
    """For hardware whose firmware this program cannot change."""

    async def install(self, file: Path) -> Installation:
        del file
        return Installation("InstallationFailed", info="this station has no installer for its firmware")


class FirmwareTrust:
    """Checks the signing certificate of an update before it is accepted (L01.FR.21): `station.ocpp.dialect.FirmwarePort`."""

    __slots__ = ("_now", "_roots", "_tasks")

    def __init__(self, roots: Roots, now: Callable[[], Now]) -> None:
        self._roots = roots
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()

    def check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        """Outcome: Accepted, InvalidCertificate or RevokedCertificate; `done` is called once, later."""
        task = asyncio.get_running_loop().create_task(self._check(pem, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        now = self._now()
        try:
            roots, crls = await self._roots(CertificateUse.MANUFACTURER_ROOT)
        except SecurityError as error:
            outcome = Outcome("InvalidCertificate", "InternalError", str(error))
        else:
            wall = now.wall if now.trusted else None
            outcome = await asyncio.to_thread(_check, pem, roots, wall, crls)
        if outcome.status != "Accepted":
            log.warning("a firmware update was refused: %s", outcome.info)
        done(outcome)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Updates:
    """Handlers of the jobs of kinds `DOWNLOAD_JOB` and `INSTALL_JOB` of `station.core.firmware`. folder: for the one file there is.

    So there is one job in it at a time: a download that takes the place of another (L01.FR.24) waits until that one has ended.
    """

    __slots__ = ("_folder", "_installer", "_transfers", "_turn")

    def __init__(self, transfers: Transfers, folder: Path, installer: Installer) -> None:
        self._transfers = transfers
        self._folder = folder
        self._installer = installer
        self._turn = asyncio.Lock()

    def sweep(self) -> None:
        """No update is under way: what an earlier one has left goes. In a worker thread. Raises OSError."""
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                file.unlink(missing_ok=True)

    async def download(self, run: JobRun) -> Json:
        """status: DownloadFailed, InvalidSignature, Downloaded (unsigned) or SignatureVerified, the latter two with `file`."""
        async with self._turn:
            return await self._download(run)

    async def _download(self, run: JobRun) -> Json:
        asked = run.arguments
        name = f"{run.job}.bin"
        file = self._folder / name
        try:
            there = await finish_in_thread(self._prepare, file)
        except (OSError, SecurityError) as error:
            return _failed("DownloadFailed", f"no place for the file: {error}")

        async def get() -> None:
            size = await self._transfers.download(asked["url"], file)
            log.info("firmware of %d bytes downloaded", size)

        if not there:  # else a power cut came between its end and the news of it
            failure = await repeatedly(get, asked["retries"], asked["interval_s"], "download of a firmware")
            if failure is not None:
                return _failed("DownloadFailed", str(failure))
        run.progress({"status": "Downloaded"})
        if not asked["signature"]:
            return {"status": "Downloaded", "file": name}
        try:
            await asyncio.to_thread(_verify, file, asked["signature"], asked["certificate"])
        except SecurityError as wrong:
            await finish_in_thread(file.unlink)
            return _failed("InvalidSignature", str(wrong))
        except OSError as trouble:
            return _failed("DownloadFailed", f"the file cannot be read: {trouble.strerror}")
        return {"status": "SignatureVerified", "file": name}

    def _prepare(self, file: Path) -> bool:
        """Files of earlier updates go. True: this one is complete already."""
        private_folder(self._folder)
        for other in self._folder.iterdir():
            if other != file:
                other.unlink(missing_ok=True)  # a thread that could not be waited for removes its own
        return file.exists()

    async def install(self, run: JobRun) -> Json:
        """The fields of an `Installation`. The file stays for now: a power cut may make us do this once more."""
        async with self._turn:
            return await self._install(self._folder / str(run.arguments["file"]))

    async def _install(self, file: Path) -> Json:
        if not await asyncio.to_thread(file.is_file):
            return _failed("InstallationFailed", "the downloaded file is gone")
        result = await self._installer.install(file)
        if result.status != "Installed":
            return _failed(result.status, result.info)
        log.info("firmware %s is installed", result.version or "")
        return {"status": "Installed", "reboot": result.reboot, "version": result.version}


def _check(
    pem: str, roots: Sequence[x509.Certificate], wall: float | None, crls: Sequence[x509.CertificateRevocationList]
) -> Outcome:
    from station.security.firmware import check_certificate

    return check_certificate(pem, roots, wall, crls)


def _verify(file: Path, signature: str, certificate_pem: str) -> None:
    """Raises SecurityError, OSError."""
    from station.security.firmware import verify_file

    verify_file(file, signature, certificate_pem)


def _failed(status: str, info: str) -> Json:
    log.warning("%s: %s", status, info)
    return {"status": status, "info": info}
