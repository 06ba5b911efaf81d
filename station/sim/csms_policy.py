"""What the embedded CSMS decides: who may boot, who may charge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from station.clock import Clock, iso

__all__ = ["Policy", "Signer", "Token"]

Signer = Callable[[str, str, str], str | None]
"""Signs a request of a station: (its id, the CSR as PEM, a CertificateSigningUseEnumType word) -> the chain as PEM, leaf first.

None: it is accepted, and nothing follows. Raises ValueError when it will not.
"""

STATUSES_16 = frozenset({"Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"})


@dataclass(frozen=True, slots=True)
class Token:
    """An identifier that the CSMS knows. `status`: an AuthorizationStatusEnumType word. `expires`: wall seconds."""

    value: str
    status: str = "Accepted"
    group: str | None = None
    expires: float | None = None
    kind: str = "ISO14443"
    group_kind: str = "Central"
    evses: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Identifiers compare without case (errata C01.FR.25)."""
        return self.value.casefold()


class Policy:
    """Mutable on purpose: a test changes its mind in mid-session.

    boot_status: one word, or the words of successive BootNotifications, the last of which stays.
    default_status: what an unknown identifier is.
    signer: who signs certificate requests (A02); None: they are refused.
    strict_registration: CALLs of a station that is not accepted get a CALLERROR SecurityError (B02.FR.09, B03.FR.07).
    """

    def __init__(
        self,
        clock: Clock,
        tokens: Iterable[Token | str] | Mapping[str, str] = (),
        *,
        default_status: str = "Unknown",
        boot_status: str | Sequence[str] = "Accepted",
        heartbeat_interval_s: int = 300,
        retry_interval_s: int = 30,
        strict_registration: bool = True,
    ) -> None:
        self.clock = clock
        self.default_status = default_status
        self.heartbeat_interval_s = heartbeat_interval_s
        self.retry_interval_s = retry_interval_s
        self.strict_registration = strict_registration
        self.signer: Signer | None = None
        self._tokens: dict[str, Token] = {}
        self._boots: list[str] = []
        self._tx_ids = itertools.count(1)
        self.plan_boots(boot_status)
        if isinstance(tokens, Mapping):
            tokens = [Token(value, status) for value, status in tokens.items()]
        for token in tokens:
            self.learn(token)

    def learn(self, token: Token | str, **changes: object) -> None:
        """Add or replace a token; `changes` are fields of Token."""
        known = Token(token) if isinstance(token, str) else token
        if changes:
            known = replace(self._tokens.get(known.key, known), **changes)  # type: ignore[arg-type]  # checked by Token
        self._tokens[known.key] = known

    def forget(self, value: str) -> None:
        self._tokens.pop(value.casefold(), None)

    def tokens(self) -> list[Token]:
        """Every token that it knows, by value."""
        return sorted(self._tokens.values(), key=lambda token: token.key)

    @property
    def boot_plan(self) -> tuple[str, ...]:
        """Answers to the next BootNotifications; the last one stays."""
        return tuple(self._boots)

    def look_up(self, value: str) -> Token:
        """The token as it is now: expired when its time is over, `default_status` when unknown."""
        token = self._tokens.get(value.casefold())
        if token is None:
            return Token(value, self.default_status)
        if token.expires is not None and token.status == "Accepted" and token.expires <= self.clock.now().wall:
            return replace(token, status="Expired")
        return token

    def plan_boots(self, status: str | Sequence[str]) -> None:
        """Answers to the next BootNotifications; the last one stays."""
        boots = [status] if isinstance(status, str) else list(status)
        unknown = [word for word in boots if word not in {"Accepted", "Pending", "Rejected"}]
        if unknown or not boots:
            raise ValueError(f"a boot status is Accepted, Pending or Rejected, not {unknown or boots}")
        self._boots = boots

    def boot(self) -> tuple[str, int]:
        """Status and interval (seconds) for a BootNotification that just came."""
        status = self._boots.pop(0) if len(self._boots) > 1 else self._boots[0]
        return status, self.heartbeat_interval_s if status == "Accepted" else self.retry_interval_s

    def next_transaction_id(self) -> int:
        """A transaction id for 1.6, unique in the life of this CSMS."""
        return next(self._tx_ids)

    def time(self) -> str:
        return iso(self.clock.now().wall)
