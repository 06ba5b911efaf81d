"""Smart charging in the core: profiles installed and removed, what they allow now, and when that changes (K01-K10, 1.6 5.5, 5.7, 5.16)."""

from __future__ import annotations

from typing import assert_never

from station.core.effects import Reply
from station.core.events import ClearProfiles, GetComposite, InstallProfile, SetNeeds
from station.core.state import Turn
from station.core.types import Verdict

Commands = InstallProfile | ClearProfiles | GetComposite | SetNeeds


def obey(turn: Turn, command: Commands) -> None:
    """Carry out a command about charging profiles; exactly one Reply follows in this turn."""
    match command:
        case InstallProfile() | ClearProfiles() | GetComposite() | SetNeeds():
            turn.emit(Reply(command.ref, Verdict("Rejected", "InternalError", "not wired yet")))
        case _:
            assert_never(command)
