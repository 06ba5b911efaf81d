"""Network connection profiles (B09, B10, A05): which there are, which may be used, and in what order."""

from __future__ import annotations

from typing import assert_never

from station.core.effects import Reply
from station.core.events import CredentialsChanged, NetworkUsed, SetNetworkProfile
from station.core.state import Turn
from station.core.types import Verdict


def set_profile(turn: Turn, command: SetNetworkProfile) -> None:
    """B09."""
    turn.emit(Reply(command.ref, Verdict("Rejected", "NotEnabled")))


def happened(turn: Turn, event: CredentialsChanged | NetworkUsed) -> None:
    """News from the certificate store and from the link."""
    match event:
        case CredentialsChanged(credentials=credentials):
            turn.state.credentials = credentials
        case NetworkUsed():
            pass
        case _:
            assert_never(event)
