"""Which OCPP version to offer, and when to change it: a transaction is finished in the version it began in. Pure.

While something is pinned, only its version is offered. A CSMS that no longer speaks it would leave the station offline for
ever, so after `PATIENCE` vain attempts every second one offers what is configured. When that succeeds, and does so
again although the pinned version was refused in between, the pinned records are given up: dead letters, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from station.ocpp.dialect import Dialect
from station.ocpp.records import RecordQueue

PATIENCE = 20
_EVIDENCE = 2


@dataclass(frozen=True, slots=True)
class Opened:
    """What to do with a new connection. `abandon`: the version to give up; `reconnect`: why it must be another one."""

    abandon: str | None = None
    reconnect: str | None = None


class VersionChoice:
    """configured: subprotocols, best first. resolve: version -> dialect, None when this program has none."""

    __slots__ = ("_configured", "_evidence", "_free", "_offered", "_records", "_resolve", "_tries")

    def __init__(
        self,
        configured: Callable[[], tuple[str, ...]],
        records: RecordQueue,
        resolve: Callable[[str], Dialect | None],
    ) -> None:
        self._configured = configured
        self._records = records
        self._resolve = resolve
        self._tries = 0  # attempts since the pinned version was last spoken
        self._evidence = 0  # connections that came about only without it
        self._offered: tuple[str, ...] = ()
        self._free: str | None = None  # what the CSMS takes when it may choose

    def offer(self) -> tuple[str, ...]:
        """The subprotocols for the next attempt."""
        pinned = self._pinned()
        self._offered = pinned or self._configured()
        if pinned:
            self._tries += 1
            if self._tries > PATIENCE and self._tries % 2:
                self._offered = self._configured()
        return self._offered

    def opened(self, version: str) -> Opened:
        """The attempt has led to a connection in `version`."""
        if self._offered == self._configured():
            self._free = version
        pinned = self._records.pinned_versions()
        if not pinned or version in pinned:
            self._tries = self._evidence = 0
            return Opened()
        self._evidence += 1
        needed = min(pinned)
        if self._evidence < _EVIDENCE:
            return Opened(reconnect=f"OCPP {needed} must be spoken first, once more")
        self._tries = self._evidence = 0
        return Opened(abandon=needed)

    def wrong(self, version: str) -> str | None:
        """Why the connection, idle and in `version`, should be replaced by one in another version; None: it is right."""
        needed = self._records.blocked_by(version)
        if needed is not None:
            return f"the oldest records are in OCPP {needed}"
        return None if self.may_begin(version) else f"every transaction in OCPP {version} is finished"

    def may_begin(self, version: str) -> bool:
        """Whether a transaction that was never told may be told in `version`, which is connected.

        Not on a connection that was made only to finish older ones, once they are finished: what comes next goes whole
        into the version that the CSMS chooses freely. While others are open it may, lest it holds up their records.
        """
        if self._free == version or self._offered == self._configured():
            return True
        return bool(self._records.pinned_versions())

    def _pinned(self) -> tuple[str, ...]:
        dialects = (self._resolve(version) for version in sorted(self._records.pinned_versions()))
        return tuple(dialect.subprotocol for dialect in dialects if dialect is not None)
