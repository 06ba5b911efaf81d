"""What the ChargePoints of all versions have in common: the `ocpp` package's router, our bookkeeping around it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from ocpp.charge_point import ChargePoint
from ocpp.exceptions import SecurityError
from ocpp.messages import Call, CallResult, unpack, validate_payload
from ocpp.routing import on

from station.ocpp.schemas import Schemas
from station.sim.csms_journal import Payload, SeenStation
from station.sim.csms_policy import Policy

__all__ = ["Point", "add_empty_answers", "answers"]

# The package logs every refused frame with a traceback. The journal has it all, and a refusal is often what is wanted.
_QUIET = logging.getLogger("station.sim.csms.ocpp")
_QUIET.setLevel(logging.CRITICAL + 1)


class Point(ChargePoint):  # type: ignore[misc]  # the package ships no types
    """One station as the CSMS meets it. Subclasses add the handlers of one version.

    fast: let our validators pass what is valid; whatever they refuse goes to the package's for its own verdict.
    """

    _ocpp_version: str

    def __init__(self, station: str, connection: Any, policy: Policy, seen: SeenStation, *, fast: bool) -> None:
        super().__init__(station, connection, logger=_QUIET)
        self.policy = policy
        self.seen = seen
        self.fast = fast
        self.allowed: set[str] = set()
        self.due: list[tuple[str, Payload]] = []  # CALLs of ours that an answer of ours announces
        self._action: str | None = None
        # Validation is ours to arrange: see `check`.
        for route in self.route_map.values():
            route["_skip_schema_validation"] = True

    async def check(self, message: Call | CallResult) -> None:
        """Raises OCPPError when the payload is not what the schema of its action asks for."""
        if self.fast:
            schemas = Schemas.for_version(self._ocpp_version)
            find = schemas.request if isinstance(message, Call) else schemas.response
            if message.action in schemas.actions and find(message.action).is_valid(message.payload):
                return
        await validate_payload(message, self._ocpp_version)

    async def _handle_call(self, msg: Call) -> None:
        self._action = msg.action
        if msg.action in self.route_map:
            await self.check(msg)
            self._check_registration(msg)
            self.note(msg.action, msg.payload)
        await super()._handle_call(msg)

    async def _send(self, message: str) -> None:
        answer = unpack(message)
        if isinstance(answer, CallResult):
            answer.action = self._action
            await self.check(answer)
        await super()._send(message)

    def _check_registration(self, msg: Call) -> None:
        if not self.policy.strict_registration or msg.action == "BootNotification":
            return
        if self.seen.registration == "Accepted" or (self.seen.registration == "Pending" and msg.action in self.allowed):
            return
        self.seen.complaints.append(f"{msg.action} while {self.seen.registration}")
        raise SecurityError(details={"cause": f"registration is {self.seen.registration}"})

    def sign(self, csr: str, kind: str) -> str:
        """Status of the answer to SignCertificate; what was signed follows as CertificateSigned (A02.FR.04)."""
        if self.policy.signer is None:
            return "Rejected"
        try:
            chain = self.policy.signer(self.id, csr, kind)
        except ValueError as error:
            self.seen.complaints.append(f"certificate request: {error}")
            return "Rejected"
        if chain is not None:
            self.due.append(("CertificateSigned", self.signed(chain, kind)))
        return "Accepted"

    def signed(self, chain: str, kind: str) -> Payload:
        """Payload of CertificateSigned in this version."""
        return {"certificateChain": chain}

    def note(self, action: str, payload: Payload) -> None:
        """Take a valid CALL into the station's record."""
        raise AttributeError(f"{type(self).__name__} keeps no record")


Handler = TypeVar("Handler", bound=Callable[..., Any])


def answers(action: str) -> Callable[[Handler], Handler]:
    """Mark a method as the handler of an action. The package finds handlers by the name of the function."""
    return cast("Callable[[Handler], Handler]", on(action))


def add_empty_answers(point: type[Point], results: Any, actions: Iterable[str]) -> None:
    """Handlers for messages whose answer says nothing. `results`: the package's call_result module."""
    for action in actions:
        handler = _empty_answer(getattr(results, action))
        handler.__name__ = f"on_empty_{action}"
        setattr(point, handler.__name__, answers(action)(handler))


def _empty_answer(result: Callable[[], Any]) -> Callable[..., Any]:
    def handle(_self: Point, **_payload: Any) -> Any:
        return result()

    return handle
