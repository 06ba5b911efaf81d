"""Firmware updates (L01) up to the installer: download, signature, installation, told step by step."""

from __future__ import annotations

from station.core.effects import Reply
from station.core.events import JobDone, JobProgress, UpdateFirmware
from station.core.state import Turn
from station.core.types import Verdict


def update(turn: Turn, command: UpdateFirmware) -> None:
    """L01."""
    turn.emit(Reply(command.ref, Verdict("Rejected", "NotEnabled")))


def job_reported(turn: Turn, event: JobProgress | JobDone) -> None:
    """News of a download or an installation."""
