"""The installer of the simulator: takes any file, and after the restart the station tells another version.

What the file is to do is said in its first lines, so that a test can bring every end about:

    pilotwire-firmware 2.7.1        the version that it brings; other files are named by their SHA-256
    install = fails                 InstallationFailed
    install = does not verify       InstallVerificationFailed
    install = at once               in force without a restart
    install = falls back            the old version comes up again after the restart
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from station.runtime.jobs import finish_in_thread
from station.runtime.updates import Installation
from station.security import files

__all__ = ["SimInstaller"]

_MAGIC = "pilotwire-firmware "
_HEAD = 512


class SimInstaller:
    """folder: where the installed version is remembered. takes_s: how long an installation takes (seconds of the loop)."""

    def __init__(self, folder: Path, takes_s: float = 5.0) -> None:
        self._file = folder / "firmware-version"
        self._takes_s = takes_s

    def version(self) -> str | None:
        """What runs now; None while nothing was installed."""
        content = files.read(self._file)
        return None if not content else content.decode(errors="replace").strip() or None

    async def install(self, file: Path) -> Installation:
        await asyncio.sleep(self._takes_s)
        return await finish_in_thread(self._install, file)  # a power cut must not leave it writing beside its successor

    def _install(self, file: Path) -> Installation:
        content = file.read_bytes()
        head = content[:_HEAD].decode(errors="replace").splitlines()
        named = head[0].startswith(_MAGIC) if head else False
        version = (
            head[0].removeprefix(_MAGIC).strip()[:50] if named else f"sim-{hashlib.sha256(content).hexdigest()[:12]}"
        )
        order = next((line.partition("=")[2].strip() for line in head[1:] if line.startswith("install")), "")
        if order == "fails":
            return Installation("InstallationFailed", info="the firmware file wants it so")
        if order == "does not verify":
            return Installation("InstallVerificationFailed", info="the firmware file wants it so")
        if order != "falls back":
            files.write(self._file, f"{version}\n".encode())
        return Installation("Installed", reboot=order != "at once", version=version)
