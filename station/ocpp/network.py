"""Which network connection profile is tried next, and what proves who we are there (B10, A00, A01). Pure.

After a start the slots are tried in the order of NetworkConfigurationPriority, each NetworkProfileConnectionAttempts times, then
the one that worked last (B10.FR.07), then all again, without end (B10.FR.08). What the CSMS changes meanwhile counts from the next
start on, but for slots that are emptied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from station.core.types import NetworkProfile
from station.core.view import NetworkView

__all__ = ["NetworkChoice", "Passwords", "Secret", "Target", "subprotocols", "unusable"]

_HEX_KEY = re.compile(r"(?:[0-9a-fA-F]{2}){16,20}")  # 1.6 whitepaper, A00.FR.205: 16 to 20 bytes in hexadecimal digits


@dataclass(frozen=True, slots=True)
class Target:
    """The profile to connect with, and the slot it is in."""

    slot: int
    profile: NetworkProfile


class NetworkChoice:
    """look: the slots as they are. attempts: NetworkProfileConnectionAttempts."""

    __slots__ = ("_attempts", "_exhausted", "_failed", "_look", "_place", "_targets")

    def __init__(self, look: Callable[[], NetworkView], attempts: Callable[[], int]) -> None:
        self._look = look
        self._attempts = attempts
        self._targets: list[Target] = []
        self._place = 0
        self._failed = 0
        self._exhausted = 0  # slots that have had all their attempts since one worked

    def begin(self) -> None:
        """From the first slot of the order as it is now."""
        view = self._look()
        self._targets = [Target(slot, view.slots[slot]) for slot in view.order]
        if view.fallback is not None:
            self._targets.append(Target(view.active, view.fallback))
        self._place = self._failed = self._exhausted = 0

    def target(self) -> Target | None:
        """For the next attempt; None when no slot is filled."""
        filled = self._look().slots
        gone = [target for target in self._targets if target.slot not in filled]
        for target in gone:
            at = self._targets.index(target)
            del self._targets[at]
            if at < self._place:
                self._place -= 1
            elif at == self._place:
                self._failed = 0
        if not self._targets:
            return None
        self._place %= len(self._targets)
        return self._targets[self._place]

    def failed(self) -> bool:
        """An attempt came to nothing (B10.FR.03). True when now every slot has had all its attempts, and all begins anew."""
        self._failed += 1
        if self._failed < max(self._attempts(), 1):
            return False
        self._failed = 0
        self._place += 1
        self._exhausted += 1
        if self._exhausted < len(self._targets):
            return False
        self._exhausted = 0
        return True

    def worked(self) -> None:
        """The CSMS has spoken with us: when the connection is lost, this slot has all its attempts again."""
        self._failed = self._exhausted = 0


def subprotocols(target: Target | None, otherwise: Sequence[str]) -> tuple[str, ...]:
    """What to offer there, best first."""
    if target is None or not target.profile.version:
        return tuple(otherwise)
    return (f"ocpp{target.profile.version}",)


def unusable(target: Target, *, secret: bool, certificate: bool) -> str | None:
    """Why an attempt would be no use, in words; None when it may be made. `certificate`: one of our own is at hand."""
    profile = target.profile
    if profile.security_profile == 3 and not certificate:  # A00.FR.401
        return "security profile 3 needs a certificate of the station, and there is none"
    if profile.security_profile in (1, 2) and not secret and not profile.extra.get("anonymous"):  # A00.FR.203, FR.302
        return f"security profile {profile.security_profile} needs a password, and none is set"
    return None


# --- password ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """A password to try. form: "text" or "bytes" of BasicAuthPassword, "old" for the one before, "" for the configured one."""

    form: str
    value: str | bytes = field(repr=False)


class Passwords:
    """The passwords that may be right, the likeliest first; after a refusal (HTTP 401) the next one is used (A01)."""

    __slots__ = ("_place", "_secrets")

    def __init__(self) -> None:
        self._secrets: tuple[Secret, ...] = ()
        self._place = 0

    def consider(self, secrets: tuple[Secret, ...]) -> Secret | None:
        """The one to use now. Other secrets than last time begin anew."""
        if secrets != self._secrets:
            self._secrets, self._place = secrets, 0
        return secrets[self._place] if secrets else None

    def refused(self) -> None:
        """The CSMS did not take it."""
        if self._secrets:
            self._place = (self._place + 1) % len(self._secrets)


def secrets(
    view: NetworkView, chosen: str | None, configured: str | None, offered: Sequence[str]
) -> tuple[Secret, ...]:
    """Every password that may be right. chosen: BasicAuthPassword. configured: of the operator's file.

    A key of 32 to 40 hexadecimal digits is two things in 1.6: the whitepaper wants the bytes that they stand for, many a CSMS the
    digits. What the CSMS took once is used from then on. 2.0.1 sends the text.
    """
    if not chosen:
        return () if configured is None else (Secret("", configured),)
    found = _forms(chosen, view.password_bytes, offered)
    if view.unproven:
        old = view.old_password or configured
        if old is not None and old != chosen:
            found.append(Secret("old", old))
    return tuple(found)


def _forms(text: str, as_bytes: bool | None, offered: Sequence[str]) -> list[Secret]:
    plain = Secret("text", text)
    if "ocpp1.6" not in offered or not _HEX_KEY.fullmatch(text):
        return [plain]
    decoded = Secret("bytes", bytes.fromhex(text))
    if as_bytes is not None:
        return [decoded if as_bytes else plain]
    return [decoded, plain] if tuple(offered) == ("ocpp1.6",) else [plain, decoded]
