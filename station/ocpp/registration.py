"""Registration with the CSMS (B01-B03, 1.6 section 4.2) and Heartbeat (G02). Pure.

    Unregistered --BootNotification--> Accepted | Pending | Rejected
    Pending, Rejected --interval passed (0: own back-off)--> BootNotification again
    Unregistered --no answer, CALLERROR or nonsense--> own back-off --> BootNotification again

Registration holds from one (re)boot of the station to the next: a mere reconnect of an accepted station needs no
BootNotification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from station.clock import Now
from station.ocpp.dialect import BootAnswer

UNREGISTERED = "Unregistered"
ACCEPTED = "Accepted"
PENDING = "Pending"
REJECTED = "Rejected"

_SYNC_AT_LEAST_S = 86_400.0  # G02.FR.06: the clock wants a Heartbeat a day however busy the link is


@dataclass(frozen=True, slots=True)
class BackOff:
    """Own pause before the next BootNotification: first_s, doubled up to limit_s, plus up to a tenth."""

    first_s: float = 10.0
    limit_s: float = 600.0

    def after(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds after the n-th failure in a row (1 is the first). `random` gives 0 <= x < 1."""
        pause = min(self.limit_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return pause * (1.0 + 0.1 * random())


class Registration:
    """Where we stand with the CSMS.

    random: gives 0 <= x < 1.
    """

    __slots__ = (
        "_back_off",
        "_beat_asked",
        "_boot_asked",
        "_connected",
        "_failures",
        "_heartbeat_s",
        "_in_flight",
        "_last_sent",
        "_last_sync",
        "_random",
        "_retry_at",
        "status",
    )

    def __init__(self, random: Callable[[], float], back_off: BackOff | None = None) -> None:
        self.status = UNREGISTERED
        self._random = random
        self._back_off = back_off or BackOff()
        self._connected = False
        self._retry_at: float | None = None
        self._failures = 0
        self._boot_asked = False
        self._beat_asked = False
        self._in_flight = False
        self._heartbeat_s = 0.0
        self._last_sent = 0.0
        self._last_sync = 0.0

    # --- link ----------------------------------------------------------------------------------------------------

    def connected(self, now: Now, *, afresh: bool = False) -> None:
        """The link is up; what was agreed before the break still holds, unless the version is another (`afresh`)."""
        self._connected = True
        if afresh:
            self.status = UNREGISTERED
            self._retry_at = None
            self._failures = 0
        self._last_sent = now.mono
        self._last_sync = now.mono

    def disconnected(self) -> None:
        """A pause that the CSMS demanded goes on; a request that was on its way is sent again at once."""
        self._connected = False
        self._in_flight = False
        self._boot_asked = False
        self._beat_asked = False

    # --- BootNotification ----------------------------------------------------------------------------------------

    @property
    def accepted(self) -> bool:
        return self.status == ACCEPTED

    @property
    def silent(self) -> bool:
        """B03: neither own CALLs nor service to the CSMS until the interval has passed."""
        return self.status == REJECTED

    def may_call(self) -> bool:
        """Own CALLs but BootNotification: all when accepted; while Pending what the CSMS triggered (B02.FR.02)."""
        return self.status in (ACCEPTED, PENDING)

    def boot_due(self, now: Now) -> bool:
        """Whether a BootNotification is to be sent now."""
        if not self._connected or self._in_flight:
            return False
        if self._boot_asked:
            return True
        if self.status == ACCEPTED:
            return False
        return self._retry_at is None or now.mono >= self._retry_at

    def boot_reason(self, reason: str) -> str:
        """Reason of the next BootNotification: `reason` (why we started), unless the CSMS triggers it."""
        return "Triggered" if self._boot_asked else reason

    def boot_sent(self) -> None:
        self._in_flight = True
        self._boot_asked = False

    def boot_answered(self, answer: BootAnswer, now: Now) -> None:
        """The CSMS has spoken. A status that is none of the three counts as no answer."""
        self._in_flight = False
        if answer.status == ACCEPTED:
            self.status = ACCEPTED
            self._retry_at = None
            self._failures = 0
            self._last_sync = now.mono
            return
        if answer.status not in (PENDING, REJECTED):
            self.boot_failed(now)
            return
        self.status = answer.status
        if answer.interval_s > 0:  # B02.FR.04, B03.FR.05
            self._failures = 0
            self._retry_at = now.mono + answer.interval_s
        else:  # B02.FR.05, B03.FR.06: the station chooses, and does not flood
            self._own_pause(now)

    def boot_failed(self, now: Now) -> None:
        """CALLERROR, time-out or an answer that is none. An accepted station stays accepted."""
        self._in_flight = False
        if self.status != ACCEPTED:
            self._own_pause(now)

    def _own_pause(self, now: Now) -> None:
        self._failures += 1
        self._retry_at = now.mono + self._back_off.after(self._failures, self._random)

    def trigger_boot(self, *, force: bool = False) -> bool:
        """The CSMS wants a BootNotification. False when it has accepted us (F06.FR.17), unless `force` (1.6)."""
        if self.status == ACCEPTED and not force:
            return False
        self._boot_asked = True
        return True

    # --- Heartbeat -----------------------------------------------------------------------------------------------

    def set_heartbeat(self, interval_s: float) -> None:
        """HeartbeatInterval as now in force; 0 or less: no heartbeats."""
        self._heartbeat_s = interval_s

    def trigger_heartbeat(self) -> None:
        """The CSMS wants one now."""
        self._beat_asked = True

    def message_sent(self, now: Now) -> None:
        """Any message of ours shows that we live (G02.FR.05)."""
        self._last_sent = now.mono

    def heartbeat_due(self, now: Now) -> bool:
        if not self._connected or not self.may_call():
            return False
        if self._beat_asked:
            return True
        at = self._beat_at()
        return at is not None and now.mono >= at

    def heartbeat_sent(self) -> None:
        self._beat_asked = False

    def heartbeat_answered(self, now: Now) -> None:
        self._last_sync = now.mono

    def heartbeat_failed(self, now: Now) -> None:
        """No second try before the next is due."""
        self._last_sync = now.mono

    def _beat_at(self) -> float | None:
        if self.status != ACCEPTED or self._heartbeat_s <= 0:
            return None
        return min(self._last_sent + self._heartbeat_s, self._last_sync + max(_SYNC_AT_LEAST_S, self._heartbeat_s))

    # --- time ----------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When (monotonic) BootNotification or Heartbeat becomes due by itself; None without a link."""
        if not self._connected or self._in_flight:
            return None
        if self.status == ACCEPTED:
            return self._beat_at()
        return self._retry_at
