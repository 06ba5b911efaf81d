"""One connection of one station to the embedded CSMS: receive, answer (or misbehave), call."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallResult

from station.clock import Clock
from station.errors import LinkError, StationError
from station.sim.csms_faults import Fault, FaultKind, Faults
from station.sim.csms_journal import Journal, Payload, SeenStation
from station.sim.csms_point import Point
from station.sim.csms_policy import Policy
from station.sim.csms_v16 import Point16
from station.sim.csms_v201 import Point201
from station.sim.csms_wire import Connection, PeerGoneError

__all__ = ["POINTS", "InvalidAnswerError", "Refusal", "Session"]

POINTS: dict[str, type[Point]] = {"ocpp2.0.1": Point201, "ocpp1.6": Point16}

# What the package's router lets out when a frame is hostile: nested too deep, a number of 5,000 digits, an action that
# is a list, an id that is an object, an answer of the wrong shape.
HOSTILE = (OCPPError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)

# CALLs that a station in Pending may make because the CSMS asked for them (B02.FR.02).
CONSEQUENCES = {
    "GetBaseReport": "NotifyReport",
    "GetChargingProfiles": "ReportChargingProfiles",
    "GetReport": "NotifyReport",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "GetLog": "LogStatusNotification",
    "GetDiagnostics": "DiagnosticsStatusNotification",
    "UpdateFirmware": "FirmwareStatusNotification",
    "CustomerInformation": "NotifyCustomerInformation",
}
REMEMBERED = 64  # CALLs of the station whose answers, be they late, are still told with their action
FOLLOW_UP_S = 30.0
CERTIFICATE_TRIGGERS = frozenset(
    {"SignChargingStationCertificate", "SignV2GCertificate", "SignCombinedCertificate", "SignChargePointCertificate"}
)


class InvalidAnswerError(StationError):
    """The station answered a CALL with something that its schema does not allow."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The CALLERROR that a station answered with."""

    code: str
    description: str = ""
    details: Any = None


@dataclass(slots=True)
class _OpenCall:
    action: str
    answer: asyncio.Future[list[Any]]


class Session:
    """Serves a connection until it ends. The receive loop outlives every frame that the station can send."""

    def __init__(
        self,
        station: str,
        connection: Connection,
        *,
        policy: Policy,
        journal: Journal,
        faults: Faults,
        clock: Clock,
        fast: bool,
    ) -> None:
        self.station = station
        self.seen: SeenStation = journal.station(station)
        self._connection = connection
        self._journal = journal
        self._faults = faults
        self._clock = clock
        self._point = POINTS[connection.subprotocol or ""](station, self, policy, self.seen, fast=fast)
        self._open: dict[str, _OpenCall] = {}
        self._asked: dict[str, str] = {}
        self._turn = asyncio.Lock()
        self._ids = itertools.count(1)
        self._task: asyncio.Task[Any] | None = None
        self._later: set[asyncio.Task[None]] = set()
        self._fault: Fault | None = None
        self.seen.version = self._point._ocpp_version
        self.seen.connections += 1

    async def serve(self) -> None:
        """Until the connection ends; then every open call fails."""
        self._task = asyncio.current_task()
        try:
            while True:
                await self._receive(await self._connection.recv())
        except PeerGoneError:
            return
        finally:
            for call in self._open.values():
                if not call.answer.done():
                    call.answer.set_exception(LinkError(f"{self.station} went away before it answered {call.action}"))
                    call.answer.exception()  # nobody may be waiting any more
            for task in self._later:
                task.cancel()

    async def close(self, code: int = 1000, reason: str = "", *, abrupt: bool = False) -> None:
        await self._connection.close(code, reason, abrupt=abrupt)

    async def send_raw(self, text: str) -> None:
        """Send any text at all. Raises LinkError when the station is gone."""
        self._log(text, sent=True)
        try:
            await self._connection.send(text)
        except PeerGoneError as error:
            raise LinkError(f"{self.station} is gone") from error

    # --- calls of the CSMS ------------------------------------------------------------------------------------------

    async def call(
        self, action: str, payload: Payload, *, timeout_s: float, check: bool, in_turn: bool
    ) -> Payload | Refusal:
        """See `EmbeddedCsms.call`."""
        if asyncio.current_task() is self._task:
            raise RuntimeError("a call from inside a handler would wait for itself: use another task")
        call = Call(f"csms-{self.seen.connections}-{next(self._ids)}", action, payload)
        if check:
            try:
                await self._point.check(call)
            except OCPPError as error:
                raise ValueError(f"{action} is not valid OCPP {self.seen.version}: {error}") from error
        self._allow(action, payload)
        if not in_turn:
            return await self._exchange(call, timeout_s)
        async with self._turn:
            return await self._exchange(call, timeout_s)

    async def _exchange(self, call: Call, timeout_s: float) -> Payload | Refusal:
        entry = _OpenCall(call.action, asyncio.get_running_loop().create_future())
        self._open[call.unique_id] = entry
        try:
            await self.send_raw(call.to_json())
            async with asyncio.timeout(timeout_s):
                frame = await entry.answer
        except TimeoutError:
            raise TimeoutError(f"{self.station} did not answer {call.action} within {timeout_s:g} s") from None
        finally:
            del self._open[call.unique_id]
        if frame[0] == 4:
            return Refusal(str(frame[2]), *frame[3:5])
        result = CallResult(call.unique_id, frame[2], call.action)
        try:
            await self._point.check(result)
        except HOSTILE as error:
            raise InvalidAnswerError(f"{self.station} answered {call.action} with {frame[2]!r}: {error}") from error
        payload: Payload = frame[2]
        return payload

    def _allow(self, action: str, payload: Payload) -> None:
        requested = payload.get("requestedMessage") if action in {"TriggerMessage", "ExtendedTriggerMessage"} else None
        if isinstance(requested, str):
            self._point.allowed.add("SignCertificate" if requested in CERTIFICATE_TRIGGERS else requested)
        elif action in CONSEQUENCES:
            self._point.allowed.add(CONSEQUENCES[action])

    # --- frames from the station ------------------------------------------------------------------------------------

    async def _receive(self, text: str) -> None:
        frame = self._log(text, sent=False)
        try:
            if frame is not None and frame[0] == 2:
                await self._handle(text, frame)
            elif frame is not None and frame[0] in {3, 4}:
                self._answered(frame)
            else:
                self.seen.complaints.append(f"not an OCPP frame: {text[:80]!r}")
        except HOSTILE as error:
            self.seen.complaints.append(f"hostile frame {text[:80]!r}: {type(error).__name__}")

    def _answered(self, frame: list[Any]) -> None:
        call = self._open.get(frame[1]) if len(frame) == 3 + 2 * (frame[0] == 4) else None
        if call is None or call.answer.done():
            self.seen.complaints.append(f"an answer that nobody waits for, or of the wrong length: id {frame[1]!r}")
        else:
            call.answer.set_result(frame)

    async def _handle(self, text: str, frame: list[Any]) -> None:
        action = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else ""
        if isinstance(frame[1], str):
            self._asked[frame[1]] = action
            if len(self._asked) > REMEMBERED:
                del self._asked[next(iter(self._asked))]
        self._fault = self._faults.take(self.station, action, self._clock.now().wall)
        try:
            if self._fault is not None and self._fault.kind is FaultKind.REFUSE:
                await self.send(_dump([4, frame[1], self._fault.code, self._fault.description, {}]))
            else:
                await self._point.route_message(text)
        finally:
            self._fault = None
        while self._point.due:
            self._later_on(self._follow_up(*self._point.due.pop(0)))

    def _later_on(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _follow_up(self, action: str, payload: Payload) -> None:
        """A CALL that follows from an answer. What becomes of it is in the journal; that it failed is a complaint as well."""
        try:
            await self.call(action, payload, timeout_s=FOLLOW_UP_S, check=True, in_turn=True)
        except (StationError, TimeoutError, ValueError) as error:
            self.seen.complaints.append(f"{action}: {error}")

    # --- the connection as the package's ChargePoint sees it --------------------------------------------------------

    async def send(self, message: str) -> None:
        """An answer leaves, or what a planned fault makes of it."""
        fault = self._fault
        match fault:
            case None | Fault(kind=FaultKind.REFUSE):
                await self._put(message)
            case Fault(kind=FaultKind.NEVER):
                return
            case Fault(kind=FaultKind.LATE):
                self._later_on(self._put_later(message, fault.delay_s))
            case Fault(kind=FaultKind.TWICE):
                await self._put(message)
                await self._put(message)
            case Fault(kind=FaultKind.GARBAGE):
                await self._put(fault.text)
            case Fault(kind=FaultKind.WRONG_ID):
                await self._put(_dump([3, "nobody-asked", *json.loads(message)[2:]]))
            case Fault(kind=FaultKind.REPLACE):
                await self._put(_dump([3, json.loads(message)[1], fault.payload]))
            case Fault(kind=FaultKind.CLOSE):
                await self.close(1001, "on demand", abrupt=fault.abrupt)

    async def _put(self, message: str) -> None:
        self._log(message, sent=True)
        await self._connection.send(message)

    async def _put_later(self, message: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            await self._put(message)
        except PeerGoneError:
            return

    def _log(self, text: str, *, sent: bool) -> list[Any] | None:
        """Into the journal; returns the frame when it is one."""
        frame = _parse(text)
        kind = unique_id = action = payload = None
        if frame is not None:
            kind, unique_id = frame[0], frame[1] if isinstance(frame[1], str) else None
            if kind == 2 and len(frame) > 3:
                action, payload = (frame[2] if isinstance(frame[2], str) else None), frame[3]
            elif kind in {3, 4}:
                payload = frame[2] if kind == 3 else frame[2:]
                action = self._action_of(unique_id, sent=sent)
        now = self._clock.now()
        self._journal.add(
            mono=now.mono,
            wall=now.wall,
            station=self.station,
            sent=sent,
            text=text,
            kind=kind,
            id=unique_id,
            action=action,
            payload=payload,
        )
        return frame

    def _action_of(self, unique_id: str | None, *, sent: bool) -> str | None:
        if not sent:
            call = self._open.get(unique_id or "")
            return call.action if call else None
        return self._asked.get(unique_id or "")


def _parse(text: str) -> list[Any] | None:
    """A list of at least message type, id and one more element."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(frame, list) or len(frame) < 3 or type(frame[0]) is not int:
        return None
    return frame


def _dump(frame: list[Any]) -> str:
    return json.dumps(frame, separators=(",", ":"))
