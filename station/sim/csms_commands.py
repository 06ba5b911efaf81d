"""What can be done to the embedded CSMS when it runs alone: one table, for REST, JSON lines and the page."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import TOKEN, Flag, Integer, Number, Text, setting
from station.errors import ControlError, LinkError, Problem
from station.ocpp.schemas import Schemas
from station.runtime.control_command import invalid
from station.runtime.control_kinds import EMPTY, Line, Table, Words
from station.runtime.control_types import Json
from station.sim.csms import InvalidAnswerError
from station.sim.csms_command import ACTION, CsmsCommand, connected, over_the_link, station_field
from station.sim.csms_host import CsmsHost
from station.sim.csms_look import LOOK
from station.sim.csms_policy import Token
from station.sim.csms_session import Refusal
from station.sim.csms_trouble import TROUBLE

__all__ = ["CSMS_COMMANDS"]

BOOTS = ("Accepted", "Pending", "Rejected")
TOKEN_STATUS = Text(choices=("Accepted", "Blocked", "Expired", "Invalid", "Unknown", "NoCredit", "ConcurrentTx"))


# --- who may charge, who may boot -------------------------------------------------------------------------------------


class TokenRow(TypedDict):
    """An identifier that the CSMS knows."""

    value: str
    status: str
    group: str | None


class TokensResult(TypedDict):
    """Everything that decides who may charge."""

    tokens: list[TokenRow]
    unknown: str


@dataclass(frozen=True, slots=True)
class Tokens(CsmsCommand):
    """The identifiers (id tags, idTokens) that the CSMS knows, and what an unknown one is."""

    name: ClassVar[str] = "tokens"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = TokensResult

    async def work(self, host: CsmsHost) -> Json:
        rows = [{"value": t.value, "status": t.status, "group": t.group} for t in host.csms.policy.tokens()]
        return {"tokens": rows, "unknown": host.csms.policy.default_status}


@dataclass(frozen=True, slots=True)
class LearnToken(CsmsCommand):
    """Add an identifier, or change one."""

    name: ClassVar[str] = "token"
    group: ClassVar[str] = "settings"
    token: str = setting(TOKEN, "The identifier.", example="04A1B2C3")
    status: str = setting(TOKEN_STATUS, "What Authorize answers.", default="Accepted")
    parent: str | None = setting(TOKEN, "Its group (parentIdTag, groupIdToken).", default=None)

    async def work(self, host: CsmsHost) -> Json:
        host.csms.policy.learn(Token(self.token, self.status, self.parent))
        return {}


@dataclass(frozen=True, slots=True)
class ForgetToken(CsmsCommand):
    """Forget an identifier: it is unknown from now on."""

    name: ClassVar[str] = "forget"
    group: ClassVar[str] = "settings"
    token: str = setting(TOKEN, "The identifier.", example="04A1B2C3")

    async def work(self, host: CsmsHost) -> Json:
        host.csms.policy.forget(self.token)
        return {}


@dataclass(frozen=True, slots=True)
class Boot(CsmsCommand):
    """Answers to the next BootNotifications, one after the other; the last one stays."""

    name: ClassVar[str] = "boot"
    group: ClassVar[str] = "settings"
    statuses: tuple[str, ...] = setting(
        Words(BOOTS), "One or more of Accepted, Pending, Rejected.", example=["Pending", "Accepted"]
    )
    heartbeat_s: int | None = setting(Integer(0, 86_400), "Interval told with Accepted, seconds.", default=None)
    retry_s: int | None = setting(Integer(0, 86_400), "Interval told with Pending and Rejected, seconds.", default=None)

    async def work(self, host: CsmsHost) -> Json:
        policy = host.csms.policy
        policy.plan_boots(self.statuses)
        policy.heartbeat_interval_s = policy.heartbeat_interval_s if self.heartbeat_s is None else self.heartbeat_s
        policy.retry_interval_s = policy.retry_interval_s if self.retry_s is None else self.retry_s
        return {}


@dataclass(frozen=True, slots=True)
class Password(CsmsCommand):
    """The Basic auth password that a station must bring from its next connection on; without one it needs none."""

    name: ClassVar[str] = "password"
    group: ClassVar[str] = "settings"
    station: str = station_field()
    password: str | None = setting(Text(64), "The password.", default=None, secret=True)

    async def work(self, host: CsmsHost) -> Json:
        host.csms.set_password(self.station, self.password)
        return {}


# --- calls ------------------------------------------------------------------------------------------------------------


class CallResult(TypedDict):
    """What the station answered: the payload of a CALLRESULT, or a CALLERROR."""

    payload: dict[str, Any] | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Call(CsmsCommand):
    """Send a CALL to a station and wait for its answer."""

    name: ClassVar[str] = "call"
    group: ClassVar[str] = "station"
    returns: ClassVar[Any] = CallResult
    station: str = station_field()
    action: str = setting(ACTION, "The message.", example="Reset")
    payload: Mapping[str, Any] = setting(Table("the payload"), "Its payload, in OCPP's own names.", default=EMPTY)
    check: bool = setting(Flag(), "Refuse to send what the schema does not allow.", default=True)
    within: float = setting(Number(0.1, 600, "s"), "How long to wait for the answer.", default=30.0)

    async def work(self, host: CsmsHost) -> Json:
        station = connected(host, self.station)
        if self.check:
            self._check(host.csms.station(station).version)
        try:
            answer = await host.csms.call(
                station, self.action, dict(self.payload), timeout=self.within, check=self.check
            )
        except ValueError as error:
            raise invalid("payload", str(error)) from error
        except InvalidAnswerError as error:
            raise ControlError("conflict", [Problem("", str(error))]) from error
        except (TimeoutError, LinkError) as error:
            raise ControlError("conflict", [Problem("station", str(error))]) from error
        if isinstance(answer, Refusal):
            details = {"code": answer.code, "description": answer.description, "details": answer.details}
            return {"payload": None, "error": details}
        return {"payload": answer, "error": None}

    def _check(self, version: str | None) -> None:
        """Raises ControlError, which names the field and shows no value: there may be a password among them."""
        if version is None:
            return
        schemas = Schemas.for_version(version)
        if self.action not in schemas.actions:
            near = difflib.get_close_matches(self.action, schemas.actions, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise invalid("action", f"OCPP {version} has no such message{hint}")
        problem = schemas.request(self.action).problem(dict(self.payload))
        if problem is not None:
            path = f"payload.{problem.path}" if problem.path else "payload"
            raise invalid(path, f"{problem.message} (OCPP {version}; check false sends it all the same)")


@dataclass(frozen=True, slots=True)
class Raw(CsmsCommand):
    """Send any text to a station, OCPP or not."""

    name: ClassVar[str] = "raw"
    group: ClassVar[str] = "station"
    station: str = station_field()
    text: str = setting(Line(1 << 20), "The text.", example="[2,")

    async def work(self, host: CsmsHost) -> Json:
        await over_the_link(host.csms.send_raw(connected(host, self.station), self.text))
        return {}


_SETTINGS: tuple[type[CsmsCommand], ...] = (Tokens, LearnToken, ForgetToken, Boot, Password, Call, Raw)
CSMS_COMMANDS: Mapping[str, type[CsmsCommand]] = {command.name: command for command in (*LOOK, *_SETTINGS, *TROUBLE)}
