"""What the CSMS does in a scenario: commands to the station, changes of mind, and misbehaviour on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from station.config_fields import TOKEN, Flag, Integer, Text, setting
from station.sim.csms import FaultKind, Refusal
from station.sim.lab import KNOWN_TOKENS
from station.sim.scenario_kinds import EMPTY, Conditions, Duration, Table, Words, render_duration
from station.sim.scenario_match import Condition, mismatches
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.steps import Deed, DeedBase, evse_field

__all__ = ["CSMS_COMMANDS", "REGISTRATIONS", "STATUSES", "expect_status", "send_call"]

STATUSES = (
    "Accepted",
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
)
REGISTRATIONS = ("Accepted", "Pending", "Rejected")
FAULTS = {kind.value.replace(" ", "_"): kind for kind in FaultKind}
ACTION = Text(50, pattern=r"[A-Za-z0-9]+", what="the name of an OCPP message")
PLACE = "$tx."


async def send_call(stage: Stage, action: str, payload: Mapping[str, Any], timeout: float = 30.0) -> Any:  # noqa: ASYNC109 - passed on
    """Answer of the station (a payload or a Refusal). Raises StepFailed when there is none."""
    try:
        return await stage.csms.call(stage.station, action, dict(payload), timeout=timeout)
    except TimeoutError as error:
        raise StepFailed(
            f"expected: an answer to {action} within {render_duration(timeout)}", f"came: {error}"
        ) from error
    except ValueError as error:
        raise StepFailed(f"the scenario asks the CSMS to send what OCPP {stage.version} forbids: {error}") from error


def expect_status(action: str, answer: Any, status: str) -> str:
    """The status that the station answered. Raises StepFailed when it is another one, or a CALLERROR."""
    if isinstance(answer, Refusal):
        raise StepFailed(
            f'expected: {action} answered "{status}"', f"came: CALLERROR {answer.code} {answer.description}"
        )
    if answer.get("status") != status:
        raise StepFailed(f'expected: {action} answered "{status}"', f"came: {answer}")
    return status


@dataclass(frozen=True, slots=True)
class Call(DeedBase):
    """The CSMS sends any message and looks at the answer. `$tx.1` in the payload is the id of the newest transaction at EVSE 1."""

    action: str = setting(ACTION, "Name of the message.")
    payload: Mapping[str, Any] = setting(
        Table("a table of OCPP fields"), "Its content, names as on the wire.", default=EMPTY
    )
    answer: tuple[Condition, ...] = setting(
        Conditions(), "What must hold of the answer. Without it any answer but an error will do.", default=()
    )
    error: str | None = setting(
        ACTION, "The station must refuse with this CALLERROR code.", default=None, example="NotSupported"
    )
    within: float = setting(Duration(), "How long the CSMS waits for the answer.", default=30.0)

    async def act(self, stage: Stage) -> str:
        payload = _filled(stage, dict(self.payload))
        answer = await send_call(stage, self.action, payload, self.within)
        if isinstance(answer, Refusal):
            if self.error == answer.code:
                return f"refused with {answer.code}"
            wanted = f"CALLERROR {self.error}" if self.error else "an answer"
            raise StepFailed(
                f"expected: {wanted} to {self.action}", f"came: CALLERROR {answer.code} {answer.description}"
            )
        if self.error is not None:
            raise StepFailed(f"expected: CALLERROR {self.error} to {self.action}", f"came: {answer}")
        wrong = mismatches(self.answer, answer)
        if wrong:
            raise StepFailed(
                f"expected: {self.action} answered with {', '.join(map(str, self.answer))}",
                *(f"came: {w}" for w in wrong),
            )
        return str(answer.get("status", "answered"))


def _filled(stage: Stage, value: Any) -> Any:
    """A payload with the transaction ids in their places."""
    if isinstance(value, Mapping):
        return {name: _filled(stage, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(stage, item) for item in value]
    if isinstance(value, str) and value.startswith(PLACE) and value.removeprefix(PLACE).isdecimal():
        seen = stage.transaction(int(value.removeprefix(PLACE)), running=False)
        return int(seen.id) if stage.version == "1.6" else seen.id
    return value


@dataclass(frozen=True, slots=True)
class RemoteStart(DeedBase):
    """The CSMS starts a session, in the words of the version that is spoken."""

    evse: int = evse_field()
    token: str = setting(TOKEN, "For whom.", default=KNOWN_TOKENS[0])
    remote_start_id: int = setting(Integer(0, 2**31 - 1), "Number of the request (2.0.1).", default=1)
    status: str = setting(Text(choices=("Accepted", "Rejected")), "Answer expected.", default="Accepted")

    async def act(self, stage: Stage) -> str:
        if stage.version == "1.6":
            action, payload = "RemoteStartTransaction", {"idTag": self.token, "connectorId": self.evse}
        else:
            action = "RequestStartTransaction"
            payload = {
                "idToken": {"idToken": self.token, "type": "ISO14443"},
                "remoteStartId": self.remote_start_id,
                "evseId": self.evse,
            }
        return expect_status(action, await send_call(stage, action, payload), self.status)


@dataclass(frozen=True, slots=True)
class RemoteStop(DeedBase):
    """The CSMS stops the session that runs at an EVSE, in the words of the version that is spoken."""

    evse: int = evse_field()
    status: str = setting(Text(choices=("Accepted", "Rejected")), "Answer expected.", default="Accepted")

    async def act(self, stage: Stage) -> str:
        seen = stage.transaction(self.evse, running=True)
        if stage.version == "1.6":
            answer = await send_call(stage, "RemoteStopTransaction", {"transactionId": int(seen.id)})
            return expect_status("RemoteStopTransaction", answer, self.status)
        answer = await send_call(stage, "RequestStopTransaction", {"transactionId": seen.id})
        return expect_status("RequestStopTransaction", answer, self.status)


@dataclass(frozen=True, slots=True)
class CsmsToken(DeedBase):
    """The CSMS changes its mind about a token."""

    token: str = setting(TOKEN, "Which one.")
    status: str = setting(
        Text(choices=STATUSES), "What it is from now on (1.6 knows five of these words).", default="Accepted"
    )
    group: str | None = setting(TOKEN, "Its group (parent in 1.6).", default=None, example="FAMILY")

    async def act(self, stage: Stage) -> str:
        stage.csms.policy.learn(self.token, status=self.status, group=self.group)
        return ""


@dataclass(frozen=True, slots=True)
class CsmsBoot(DeedBase):
    """What the CSMS will answer to the next BootNotifications; the last word stays."""

    status: tuple[str, ...] = setting(Words(REGISTRATIONS), "The words, one per BootNotification.")

    async def act(self, stage: Stage) -> str:
        stage.csms.policy.plan_boots(self.status)
        return ""


@dataclass(frozen=True, slots=True)
class CsmsFault(DeedBase):
    """The CSMS misbehaves when it answers the next message of this kind."""

    kind: str = setting(Text(choices=tuple(FAULTS)), "What happens to the answer.")
    action: str | None = setting(ACTION, "To which message; none: any.", default=None, example="StopTransaction")
    times: int = setting(Integer(1, 1000), "How often.", default=1)
    delay: float = setting(Duration(), "With late: how much later.", default=60.0)
    text: str = setting(Text(1000), "With garbage: what comes instead.", default="{]")
    code: str = setting(ACTION, "With refuse: the CALLERROR code.", default="InternalError")
    payload: Mapping[str, Any] = setting(Table("a table"), "With replace: the answer, valid or not.", default=EMPTY)

    async def act(self, stage: Stage) -> str:
        stage.csms.fault(
            FAULTS[self.kind],
            self.action,
            times=self.times,
            delay_s=self.delay,
            text=self.text,
            code=self.code,
            payload=dict(self.payload),
        )
        return ""


@dataclass(frozen=True, slots=True)
class CsmsDown(DeedBase):
    """The CSMS vanishes: every connection ends and none is accepted."""

    abrupt: bool = setting(Flag(), "Without a word.", default=True)

    async def act(self, stage: Stage) -> str:
        await stage.csms.go_offline(abrupt=self.abrupt)
        return ""


@dataclass(frozen=True, slots=True)
class CsmsUp(DeedBase):
    """The CSMS is back and remembers everything."""

    async def act(self, stage: Stage) -> str:
        await stage.csms.go_online()
        return ""


CSMS_COMMANDS: dict[str, type[Deed]] = {
    "call": Call,
    "remote_start": RemoteStart,
    "remote_stop": RemoteStop,
    "csms_token": CsmsToken,
    "csms_boot": CsmsBoot,
    "csms_fault": CsmsFault,
    "csms_down": CsmsDown,
    "csms_up": CsmsUp,
}
