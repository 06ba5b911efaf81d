"""Logs for the CSMS (N01): one upload at a time, told step by step."""

from __future__ import annotations

from station.core.effects import Reply
from station.core.events import GetLog, JobDone, JobProgress
from station.core.state import Turn
from station.core.types import Verdict


def get_log(turn: Turn, command: GetLog) -> None:
    """N01."""
    turn.emit(Reply(command.ref, Verdict("Rejected", "NotEnabled")))


def job_reported(turn: Turn, event: JobProgress | JobDone) -> None:
    """News of an upload."""
