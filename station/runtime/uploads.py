"""The job that uploads a log (N01): write the file, bring it there, try again, tell how it went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from station.errors import SecurityError
from station.runtime.archive import Archive, Snapshot, write
from station.runtime.jobs import JobRun, finish_in_thread
from station.runtime.transfers import TransferError, Transfers
from station.security.files import private_folder
from station.store.ops import Json

__all__ = ["LogUploads", "repeatedly"]

log = logging.getLogger("station.uploads")


async def repeatedly(
    work: Callable[[], Awaitable[None]], retries: int, interval_s: float, what: str
) -> TransferError | None:
    """Do it until it works, once and then `retries` times more; None, or why the last attempt failed.

    What cannot get better by itself (no permission, a malformed address) is not tried again.
    """
    for left in range(retries, -1, -1):
        try:
            await work()
        except TransferError as error:
            log.warning("%s: %s%s", what, error, "" if error.final or not left else f"; again in {interval_s:g} s")
            if error.final or not left:
                return error
        else:
            return None
        await asyncio.sleep(interval_s)
    return None


class LogUploads:
    """Handler of the jobs of kind `station.core.diagnostics.UPLOAD_JOB`. folder: where files are written on their way."""

    __slots__ = ("_archive", "_folder", "_transfers")

    def __init__(self, archive: Archive, transfers: Transfers, folder: Path) -> None:
        self._archive = archive
        self._transfers = transfers
        self._folder = folder

    def sweep(self) -> None:
        """Remove what a power cut has left. In a worker thread, before any job. Raises OSError and SecurityError."""
        private_folder(self._folder)
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)

    async def __call__(self, run: JobRun) -> Json:
        """status: the UploadLogStatusEnumType word; info: why, in words without the address."""
        asked = run.arguments
        snapshot = self._archive.snapshot(asked["log"], asked["oldest"], asked["latest"])
        file = self._folder / run.job
        run.progress({"status": "Uploading"})  # N01.FR.08
        try:
            return await self._bring(asked, snapshot, file)
        finally:
            with suppress(OSError):
                file.unlink()

    async def _bring(self, asked: Json, snapshot: Snapshot, file: Path) -> Json:
        try:
            await finish_in_thread(self._write, snapshot, file)
        except (OSError, SecurityError) as trouble:
            words = f"the file cannot be written: {trouble}"
            log.error("%s: %s", file.name, words)
            return {"status": "UploadFailure", "info": words}
        error = await repeatedly(
            lambda: self._transfers.upload(asked["url"], file, asked["filename"]),
            asked["retries"],
            asked["interval_s"],
            f"upload of {asked['filename']}",
        )
        if error is not None:
            return {"status": error.status, "info": str(error)}
        log.info("%s is uploaded", asked["filename"])
        return {"status": "Uploaded"}

    def _write(self, snapshot: Snapshot, file: Path) -> None:
        private_folder(self._folder)
        write(snapshot, file)
