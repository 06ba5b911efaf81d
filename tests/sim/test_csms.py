"""The embedded CSMS, in memory on virtual time and over real websockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from station.clock import parse_iso
from station.errors import LinkError
from station.ocpp.link_settings import BackOff, LinkSettings
from station.sim import csms_point, csms_v16, csms_v201
from station.sim.csms import EmbeddedCsms, FaultKind, InvalidAnswerError, Refusal, Token
from station.sim.csms_faults import Fault, Faults
from station.sim.csms_journal import Journal, SeenTransaction
from station.sim.csms_policy import Policy
from station.sim.csms_session import POINTS
from station.sim.csms_wire import station_of
from station.sim.loop import VirtualLoop, run
from station.sim.memory import MemoryLink, MemoryNetwork

BOOT16 = {"chargePointVendor": "V", "chargePointModel": "M"}
BOOT201 = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}
STAMP = "2026-01-01T00:00:00Z"


class Station:
    """A bare station: knows frames, not OCPP. `answers` maps an action to its answer, or to a function that sends."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.send: Callable[[str], Any] = lambda _text: None
        self.answers: dict[str, Any] = {}
        self.received: list[list[Any]] = []
        self.texts: list[str] = []
        self.closed: list[str] = []
        self.opened = 0
        self._ids = itertools.count()
        self._open: dict[str, asyncio.Future[list[Any]]] = {}

    def on_open(self, _subprotocol: str) -> None:
        self.opened += 1

    def on_closed(self, reason: str) -> None:
        self.closed.append(reason)

    def on_text(self, text: str) -> None:
        self.texts.append(text)
        try:
            frame = json.loads(text)
        except ValueError:
            return
        self.received.append(frame)
        if frame[0] == 2:
            answer = self.answers.get(frame[2])
            if callable(answer):
                answer(frame)
            elif answer is not None:
                self.send(json.dumps([3, frame[1], answer]))
        elif isinstance(frame[1], str) and frame[1] in self._open and not self._open[frame[1]].done():
            self._open[frame[1]].set_result(frame)

    async def call(self, action: str, payload: dict[str, Any], *, seconds: float = 30.0) -> list[Any]:
        """The answering frame. Raises TimeoutError."""
        unique_id = f"s{next(self._ids)}"
        self._open[unique_id] = asyncio.get_running_loop().create_future()
        self.send(json.dumps([2, unique_id, action, payload]))
        return await asyncio.wait_for(self._open[unique_id], seconds)

    async def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """The payload of a good answer."""
        frame = await self.call(action, payload)
        assert frame[0] == 3, frame
        return frame[2]

    async def boot(self) -> Any:
        return await self.ask("BootNotification", BOOT16 if self.version == "1.6" else BOOT201)

    async def authorize(self, token: str) -> Any:
        if self.version == "1.6":
            return (await self.ask("Authorize", {"idTag": token}))["idTagInfo"]
        return (await self.ask("Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}}))["idTokenInfo"]


Body = Callable[[EmbeddedCsms, Station, MemoryNetwork], Coroutine[Any, Any, None]]


def play(version: str, body: Body, *, boot: bool = True, latency_s: float = 0.0, **options: Any) -> EmbeddedCsms:
    """Run `body` with one connected station on virtual time."""

    async def main() -> EmbeddedCsms:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        network = MemoryNetwork(latency_s=latency_s)
        station = Station(version)
        link = MemoryLink(
            network,
            LinkSettings(
                url="ws://memory",
                identity="CS1",
                subprotocols=lambda: [f"ocpp{version}"],
                back_off=lambda: BackOff(1, 0, 0),
            ),
            station,
            random.Random(1),
        )
        station.send = link.send
        async with EmbeddedCsms(clock=loop.clock(), network=network, **options) as csms:
            link.start()
            await csms.wait_connected("CS1")
            if boot:
                await station.boot()
            await body(csms, station, network)
            await link.close()
        return csms

    return run(main())


both = pytest.mark.parametrize("version", ["1.6", "2.0.1"])


def event(seq: int, kind: str = "Updated", **fields: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": STAMP,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq,
        "transactionInfo": {"transactionId": "tx-1"},
        **fields,
    }


# --- booting ----------------------------------------------------------------------------------------------------------


@both
def test_boot_heartbeat_and_the_clock_of_the_csms(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Accepted", 77)
        await asyncio.sleep(1000)
        told = parse_iso((await station.ask("Heartbeat", {}))["currentTime"])
        assert told == csms.clock.now().wall
        assert csms.station("CS1").version == version
        assert len(csms.station("CS1").boots) == 1

    play(version, body, boot=False, heartbeat_interval=77)


@both
def test_pending_rejected_accepted(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"
        answers = [await station.boot() for _ in range(4)]
        assert [(a["status"], a["interval"]) for a in answers] == [
            ("Pending", 5),
            ("Rejected", 5),
            ("Accepted", 300),
            ("Accepted", 300),
        ]
        await station.ask("Heartbeat", {})
        assert csms.station("CS1").complaints == ["Heartbeat while Unregistered"]

    play(version, body, boot=False, boot_status=["Pending", "Rejected", "Accepted"], retry_interval=5)


def test_a_pending_station_may_send_what_it_was_asked_for() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        station.answers = {"GetBaseReport": {"status": "Accepted"}, "TriggerMessage": {"status": "Accepted"}}
        report = {"requestId": 1, "generatedAt": STAMP, "seqNo": 0}
        assert (await station.call("NotifyReport", report))[2] == "SecurityError"
        await csms.call("CS1", "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        await station.ask("NotifyReport", report)
        await csms.call("CS1", "TriggerMessage", {"requestedMessage": "Heartbeat"})
        await station.ask("Heartbeat", {})

    play("2.0.1", body, boot_status="Pending")


def test_impossible_boot_words_are_refused() -> None:
    with pytest.raises(ValueError, match="Maybe"):
        EmbeddedCsms(boot_status=["Maybe"])
    with pytest.raises(ValueError, match="Accepted, Pending"):
        EmbeddedCsms(boot_status=[])
    with pytest.raises(ValueError, match=r"ocpp2\.1"):
        EmbeddedCsms(subprotocols=["ocpp2.1"])


# --- tokens and transactions -------------------------------------------------------------------------------------------


@both
def test_tokens_with_status_group_and_expiry(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        now = csms.clock.now().wall
        csms.policy.learn(Token("04AA", group="G1", expires=now + 100))
        csms.policy.learn("04BB", status="Blocked")
        good = await station.authorize("04aa")
        assert good["status"] == "Accepted"
        expiry = good["expiryDate" if version == "1.6" else "cacheExpiryDateTime"]
        assert parse_iso(expiry) == now + 100
        if version == "1.6":
            assert good["parentIdTag"] == "G1"
        else:
            assert good["groupIdToken"] == {"idToken": "G1", "type": "Central"}
        assert (await station.authorize("04BB")) == {"status": "Blocked"}
        assert (await station.authorize("04CC")) == {"status": "Invalid"}
        await asyncio.sleep(101)
        assert (await station.authorize("04AA"))["status"] == "Expired"
        csms.policy.forget("04BB")
        assert (await station.authorize("04BB")) == {"status": "Invalid"}

    play(version, body, default_status="Invalid")


def test_words_that_1_6_does_not_know_become_invalid() -> None:
    async def body(_csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        assert await station.authorize("04AA") == {"status": "Invalid"}
        assert await station.authorize("nobody") == {"status": "Invalid"}

    play("1.6", body, tokens={"04AA": "NoCredit"})


def test_a_transaction_in_1_6() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        start = {"connectorId": 1, "idTag": "04AA", "meterStart": 10, "timestamp": STAMP}
        first = await station.ask("StartTransaction", start)
        second = await station.ask("StartTransaction", start)
        assert first["idTagInfo"]["status"] == "Accepted"
        assert first["transactionId"] != second["transactionId"]
        number = first["transactionId"]
        value = [{"timestamp": STAMP, "sampledValue": [{"value": "1"}]}]
        await station.ask("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": value})
        await station.ask("MeterValues", {"connectorId": 1, "meterValue": value})
        await station.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"})
        await station.ask("StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": "Available"})
        stop = {"transactionId": number, "meterStop": 20, "timestamp": STAMP}
        assert await station.ask("StopTransaction", stop) == {}
        await station.ask("StopTransaction", {**stop, "transactionId": 999, "idTag": "04AA"})
        seen = csms.station("CS1")
        transaction = seen.transactions[str(number)]
        assert transaction.start == start
        assert transaction.stops == [stop]
        assert transaction.ended
        assert len(transaction.samples) == 1
        assert len(seen.meter_values) == 2
        assert (seen.status(1), seen.status(0, 0), seen.status(2)) == ("Charging", "Available", None)
        assert seen.complaints == ["StopTransaction of unknown transaction 999"]

    play("1.6", body, tokens=["04AA"])


def test_a_transaction_in_2_0_1() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        started = event(0, "Started", idToken={"idToken": "04AA", "type": "ISO14443"}, evse={"id": 1, "connectorId": 1})
        answer = await station.ask("TransactionEvent", started)
        assert answer == {"idTokenInfo": {"status": "Accepted"}}
        assert await station.ask("TransactionEvent", event(1)) == {}
        await station.ask("TransactionEvent", event(1))
        await station.ask("TransactionEvent", event(1, triggerReason="Trigger"))
        await station.ask("TransactionEvent", event(3, "Ended"))
        await station.ask("TransactionEvent", event(2))
        central = event(4, idToken={"idToken": "whatever", "type": "Central"})
        assert (await station.ask("TransactionEvent", central))["idTokenInfo"]["status"] == "Accepted"
        status = {"timestamp": STAMP, "connectorStatus": "Occupied", "evseId": 2, "connectorId": 1}
        await station.ask("StatusNotification", status)
        seen = csms.station("CS1")
        transaction = seen.transactions["tx-1"]
        assert transaction.seq_numbers == [0, 1, 1, 1, 3, 2, 4]
        assert transaction.by_seq[0] == started
        assert transaction.by_seq[1] == event(1)
        assert transaction.ended
        assert seen.status(2) == "Occupied"
        assert seen.complaints == [
            "transaction tx-1: seqNo 1 came again with other content",
            "transaction tx-1: seqNo 3 out of order",
            "transaction tx-1: seqNo 2 after Ended",
            "transaction tx-1: seqNo 4 after Ended",
        ]

    play("2.0.1", body, tokens=["04AA"])


MESSAGES_16: dict[str, dict[str, Any]] = {
    "DataTransfer": {"vendorId": "x"},
    "DiagnosticsStatusNotification": {"status": "Idle"},
    "FirmwareStatusNotification": {"status": "Idle"},
    "SecurityEventNotification": {"type": "X", "timestamp": STAMP, "techInfo": "y"},
    "LogStatusNotification": {"status": "Idle", "requestId": 1},
    "SignedFirmwareStatusNotification": {"status": "Idle", "requestId": 1},
    "SignCertificate": {"csr": "x"},
}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"}
NEEDS = {"requestedEnergyTransfer": "DC"}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
}
MESSAGES_201: dict[str, dict[str, Any]] = {
    "ClearedChargingLimit": {"chargingLimitSource": "EMS"},
    "DataTransfer": {"vendorId": "x"},
    "FirmwareStatusNotification": {"status": "Idle"},
    "Get15118EVCertificate": {"iso15118SchemaVersion": "2", "action": "Install", "exiRequest": "x"},
    "GetCertificateStatus": {"ocspRequestData": {**HASH, "responderURL": "http://x"}},
    "LogStatusNotification": {"status": "Idle"},
    "MeterValues": {"evseId": 1, "meterValue": [{"timestamp": STAMP, "sampledValue": [{"value": 1.5}]}]},
    "NotifyChargingLimit": {"chargingLimit": {"chargingLimitSource": "EMS"}},
    "NotifyCustomerInformation": {"data": "x", "seqNo": 0, "generatedAt": STAMP, "requestId": 1},
    "NotifyDisplayMessages": {"requestId": 1},
    "NotifyEVChargingNeeds": {"evseId": 1, "chargingNeeds": NEEDS},
    "NotifyEVChargingSchedule": {"timeBase": STAMP, "evseId": 1, "chargingSchedule": SCHEDULE},
    "NotifyEvent": {
        "generatedAt": STAMP,
        "seqNo": 0,
        "eventData": [
            {
                "eventId": 1,
                "timestamp": STAMP,
                "trigger": "Alerting",
                "actualValue": "1",
                "eventNotificationType": "HardWiredNotification",
                "component": {"name": "c"},
                "variable": {"name": "v"},
            }
        ],
    },
    "NotifyMonitoringReport": {"requestId": 1, "seqNo": 0, "generatedAt": STAMP},
    "PublishFirmwareStatusNotification": {"status": "Idle"},
    "ReportChargingProfiles": {
        "requestId": 1,
        "chargingLimitSource": "CSO",
        "evseId": 1,
        "chargingProfile": [
            {
                "id": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": [SCHEDULE],
            }
        ],
    },
    "ReservationStatusUpdate": {"reservationId": 1, "reservationUpdateStatus": "Expired"},
    "SecurityEventNotification": {"type": "X", "timestamp": STAMP},
    "SignCertificate": {"csr": "x"},
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("version", "messages"), [("1.6", MESSAGES_16), ("2.0.1", MESSAGES_201)])
def test_every_message_of_a_station_is_answered(version: str, messages: dict[str, Any], fast: bool) -> None:
    async def body(_csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        for action, payload in messages.items():
            await station.ask(action, payload)

    play(version, body, fast=fast)


@pytest.mark.parametrize("fast", [False, True])
@both
def test_what_the_schema_forbids_is_refused_in_the_package_s_words(version: str, fast: bool) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        assert (await station.call("Heartbeat", {"extra": 1}))[2] == "FormatViolation"
        assert (await station.call("Authorize", {}))[2] == "ProtocolError"
        assert (await station.call("DataTransfer", {"vendorId": 3}))[2] == "TypeConstraintViolation"
        assert (await station.call("Reset", {"type": "Hard"}))[2] == "NotImplemented"
        assert (await station.call("Nonsense", {}))[2] == "NotSupported"
        assert len(csms.journal.errors("CS1")) == 5

    play(version, body, fast=fast)


# --- calls of the CSMS -------------------------------------------------------------------------------------------------


@both
def test_a_call_is_answered_or_refused(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        station.answers["ClearCache"] = {"status": "Accepted"}
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        station.answers["ClearCache"] = lambda f: station.send(json.dumps([4, f[1], "NotSupported", "no", {"a": 1}]))
        assert await csms.call("CS1", "ClearCache") == Refusal("NotSupported", "no", {"a": 1})
        station.answers["ClearCache"] = {"status": "Perhaps"}
        with pytest.raises(InvalidAnswerError, match="Perhaps"):
            await csms.call("CS1", "ClearCache")
        station.answers["ClearCache"] = ["no", "object"]
        with pytest.raises(InvalidAnswerError):
            await csms.call("CS1", "ClearCache")
        with pytest.raises(ValueError, match="not valid OCPP"):
            await csms.call("CS1", "ClearCache", {"extra": 1})
        with pytest.raises(ValueError, match="not valid OCPP"):
            await csms.call("CS1", "NoSuchAction")
        with pytest.raises(LinkError, match="CS2 is not connected"):
            await csms.call("CS2", "ClearCache")
        station.answers["ClearCache"] = {"status": "Accepted"}
        assert await csms.call("CS1", "ClearCache", {"extra": 1}, check=False) == {"status": "Accepted"}

    play(version, body)


@both
def test_a_silent_station_times_out_and_its_late_answer_harms_nobody(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()

        def late(frame: list[Any]) -> None:
            loop.call_later(40, station.send, json.dumps([3, frame[1], {"status": "Rejected"}]))

        station.answers["ClearCache"] = late
        began = loop.time()
        with pytest.raises(TimeoutError, match="ClearCache within 30 s"):
            await csms.call("CS1", "ClearCache")
        assert loop.time() - began == 30
        station.answers["ClearCache"] = lambda f: loop.call_later(
            20, station.send, json.dumps([3, f[1], {"status": "Accepted"}])
        )
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        assert any("nobody waits" in c for c in csms.station("CS1").complaints)

    play(version, body)


def test_calls_take_turns_unless_told_otherwise() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        open_now = most_open = 0

        def slowly(frame: list[Any]) -> None:
            nonlocal open_now, most_open
            open_now += 1
            most_open = max(most_open, open_now)

            def answer() -> None:
                nonlocal open_now
                open_now -= 1
                station.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

            loop.call_later(1, answer)

        station.answers["ClearCache"] = slowly
        for in_turn, expected in ((True, 1), (False, 5)):
            most_open = 0
            await asyncio.gather(*(csms.call("CS1", "ClearCache", in_turn=in_turn) for _ in range(5)))
            assert most_open == expected

    play("2.0.1", body)


def test_an_open_call_fails_when_the_station_goes() -> None:
    async def body(csms: EmbeddedCsms, _station: Station, network: MemoryNetwork) -> None:
        calling = asyncio.ensure_future(csms.call("CS1", "ClearCache"))
        await asyncio.sleep(1)
        network.cut()
        with pytest.raises(LinkError, match="went away"):
            await calling
        network.restore()
        await csms.wait_connected("CS1")

    play("2.0.1", body)


# --- waiting and looking back ------------------------------------------------------------------------------------------


def test_wait_for_future_and_past_frames() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        mark = csms.mark()
        waiting = asyncio.ensure_future(csms.wait_for("CS1", "TransactionEvent", lambda p: p["seqNo"] == 2, 100))
        for seq in range(4):
            await station.ask("TransactionEvent", event(seq, "Started" if seq == 0 else "Updated"))
        assert (await waiting)["seqNo"] == 2
        assert (await csms.wait_for("CS1", "TransactionEvent", since=mark))["seqNo"] == 0
        with pytest.raises(TimeoutError, match="no TransactionEvent as wanted from CS1 within 5 s"):
            await csms.wait_for("CS1", "TransactionEvent", timeout=5)
        with pytest.raises(TimeoutError, match="'TransactionEvent', 'TransactionEvent'"):
            await csms.wait_for("CS1", "Heartbeat", timeout=5, since=mark)
        assert [f.payload["seqNo"] for f in csms.journal.calls("CS1", "TransactionEvent")] == [0, 1, 2, 3]
        assert csms.journal.calls("CS1", sent=True) == []

    play("2.0.1", body)


def test_the_journal_has_every_frame_with_its_action() -> None:
    heard: list[int] = []

    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        csms.journal.listeners.append(lambda frame: heard.append(frame.number))
        station.answers["ClearCache"] = {"status": "Accepted"}
        await csms.call("CS1", "ClearCache")
        await asyncio.sleep(5)
        await station.ask("Heartbeat", {})
        told = [(f.kind, f.action, f.sent, f.mono) for f in csms.journal.frames]
        assert told == [
            (2, "BootNotification", False, 0.0),
            (3, "BootNotification", True, 0.0),
            (2, "ClearCache", True, 0.0),
            (3, "ClearCache", False, 0.0),
            (2, "Heartbeat", False, 5.0),
            (3, "Heartbeat", True, 5.0),
        ]
        assert heard == [2, 3, 4, 5]

    play("1.6", body)


def test_the_journal_can_forget() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        for _ in range(20):
            await station.ask("Heartbeat", {})
        assert [f.number for f in csms.journal.frames] == list(range(32, 42))

    play("1.6", body, keep_frames=10)


# --- misbehaviour ------------------------------------------------------------------------------------------------------


@both
def test_answers_that_are_late_missing_double_or_wrong(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        csms.fault(FaultKind.LATE, "Heartbeat", delay_s=20)
        began = loop.time()
        late = asyncio.ensure_future(station.ask("Heartbeat", {}))
        await asyncio.sleep(0)
        await station.ask("DataTransfer", {"vendorId": "x"})
        assert loop.time() == began  # the CSMS goes on working meanwhile
        await late
        assert loop.time() == began + 20
        assert csms.journal.frames[-1].action == "Heartbeat"

        csms.fault(FaultKind.NEVER, "Heartbeat")
        with pytest.raises(TimeoutError):
            await station.call("Heartbeat", {})

        csms.fault(FaultKind.TWICE)
        await station.ask("Heartbeat", {})
        await asyncio.sleep(1)
        assert station.texts[-1] == station.texts[-2]

        csms.fault(FaultKind.WRONG_ID)
        csms.fault(FaultKind.GARBAGE, text="[3,")
        for expected in ('[3,"nobody-asked",{"currentTime"', "[3,"):
            with pytest.raises(TimeoutError):
                await station.call("Heartbeat", {})
            assert station.texts[-1].startswith(expected)

        csms.fault(FaultKind.REPLACE, payload={"odd": True})
        assert await station.ask("Heartbeat", {}) == {"odd": True}
        csms.fault(FaultKind.REFUSE, code="GenericError", description="not today")
        assert (await station.call("Heartbeat", {}))[2:4] == ["GenericError", "not today"]
        await station.ask("Heartbeat", {})
        assert len(csms.faults) == 0

    play(version, body)


@pytest.mark.parametrize("abrupt", [False, True])
def test_closing_instead_of_answering(abrupt: bool) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        csms.fault(FaultKind.CLOSE, "Heartbeat", abrupt=abrupt)
        with pytest.raises(TimeoutError):
            await station.call("Heartbeat", {}, seconds=0.5)
        assert len(station.closed) == 1
        await asyncio.sleep(2)
        await station.ask("Heartbeat", {})
        assert csms.station("CS1").connections == 2

    play("2.0.1", body)


def test_a_refused_call_is_not_taken_note_of_but_an_unanswered_one_is() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        csms.fault(FaultKind.REFUSE, "TransactionEvent")
        await station.call("TransactionEvent", event(0, "Started"))
        assert csms.station("CS1").transactions == {}
        csms.fault(FaultKind.NEVER, "TransactionEvent")
        with pytest.raises(TimeoutError):
            await station.call("TransactionEvent", event(0, "Started"))
        assert csms.station("CS1").transactions["tx-1"].seq_numbers == [0]

    play("2.0.1", body)


def test_faults_are_used_up_in_order_and_by_station() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.NEVER, "A", station="CS1", times=2))
    faults.add(Fault(FaultKind.TWICE, times=None))
    taken = [faults.take(*where) for where in (("CS2", "A"), ("CS1", "A"), ("CS1", "A"), ("CS1", "A"), ("CS1", "B"))]
    assert [f.kind.value for f in taken if f] == ["twice", "never", "never", "twice", "twice"]
    faults.clear()
    assert faults.take("CS1", "A") is None


def test_offline_for_an_hour_and_back() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        await csms.go_offline()
        assert not csms.connected("CS1")
        await asyncio.sleep(3600)
        assert station.opened == 1
        await csms.go_online()
        await csms.wait_connected("CS1")
        await station.ask("Heartbeat", {})  # it remembers that the station is accepted

    play("1.6", body)


def test_a_raw_text_and_a_close_by_name() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        await csms.send_raw("CS1", "hello")
        await asyncio.sleep(1)
        assert station.texts[-1] == "hello"
        await csms.close("CS1", 1008, "policy")
        await asyncio.sleep(0.1)
        assert station.closed == ["closed by the CSMS (1008 policy)"]

    play("1.6", body)


HOSTILE = [
    "",
    "null",
    "{}",
    "[]",
    "[2]",
    "[2,3]",
    '[2,"1","Heartbeat"]',
    '[2,"1","Heartbeat",{},{}]',
    '[2,"1",["a"],{}]',
    '[2,"1",{},{}]',
    '[2,{},"Heartbeat",{}]',
    '[2,"1","Heartbeat",[]]',
    '[2,"1","Heartbeat",null]',
    '[2,"1","../../../etc/passwd",{}]',
    '[3,"unknown",{}]',
    "[3,[],{}]",
    '[3,"1"]',
    '[4,"1"]',
    '[4,"1","X"]',
    '[4,{},"X","",{}]',
    '[7,"1",{}]',
    '["2","1","Heartbeat",{}]',
    "[" * 100_000,
    f'[2,"1","Heartbeat",{{"a":{"9" * 5000}}}]',
    '[2,"1","DataTransfer",{"vendorId":"\\ud800"}]',
    "\x00",
]


@both
def test_hostile_frames_do_not_end_the_connection(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        for text in HOSTILE:
            station.send(text)
        await station.ask("Heartbeat", {})
        assert csms.station("CS1").connections == 1
        assert csms.journal.mark() >= len(HOSTILE)

    play(version, body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
frames = st.lists(
    st.sampled_from([2, 3, 4, 5, "1", "Heartbeat", "Authorize", "TransactionEvent", "StopTransaction", {}])
    | json_values,
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    batch=st.lists(frames.map(json.dumps) | st.text(max_size=30), max_size=20),
    version=st.sampled_from(["1.6", "2.0.1"]),
)
def test_arbitrary_frames_do_not_end_the_connection(batch: list[str], version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        station.answers["ClearCache"] = {"status": "Accepted"}
        for text in batch:
            station.send(text)
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        assert csms.station("CS1").connections == 1

    play(version, body)


# --- real sockets ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def dialled(csms: EmbeddedCsms, version: str, name: str = "CS1", **options: Any) -> AsyncIterator[Station]:
    station = Station(version)
    async with connect(f"{csms.url}/{name}", subprotocols=[Subprotocol(f"ocpp{version}")], **options) as websocket:
        station.on_open(str(websocket.subprotocol))
        pump = asyncio.ensure_future(_pump(websocket, station))
        sending: set[asyncio.Future[None]] = set()

        def send(text: str) -> None:
            task = asyncio.ensure_future(websocket.send(text))
            sending.add(task)
            task.add_done_callback(sending.discard)

        station.send = send
        yield station
    await pump


async def _pump(websocket: ClientConnection, station: Station) -> None:
    try:
        async for text in websocket:
            station.on_text(str(text))
        station.on_closed("closed")
    except ConnectionClosed as error:
        station.on_closed(str(error))


@both
async def test_over_a_real_websocket(version: str) -> None:
    async with EmbeddedCsms(tokens=["04AA"]) as csms, dialled(csms, version) as station:
        assert (await station.boot())["status"] == "Accepted"
        assert (await station.authorize("04AA"))["status"] == "Accepted"
        station.answers["ClearCache"] = {"status": "Accepted"}
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        for text in HOSTILE:
            if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
                station.send(text)
        await station.ask("Heartbeat", {})
        assert csms.connected("CS1")


async def test_an_unknown_subprotocol_is_refused() -> None:
    async with EmbeddedCsms() as csms:
        with pytest.raises(InvalidStatus, match="400"):
            await connect(f"{csms.url}/CS1", subprotocols=[Subprotocol("ocpp2.1")])
        with pytest.raises(InvalidStatus, match="400"):
            await connect(f"{csms.url}/CS1")


async def test_no_subprotocol_on_demand_and_then_silence() -> None:
    async with EmbeddedCsms() as csms:
        csms.offer_subprotocol(False)
        async with connect(f"{csms.url}/CS1", subprotocols=[Subprotocol("ocpp1.6")]) as websocket:
            assert websocket.subprotocol is None
            await websocket.send('[2,"1","Heartbeat",{}]')
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(websocket.recv(), 0.05)
        assert not csms.connected("CS1")


async def test_basic_auth_is_the_station_s_id_and_the_password() -> None:
    async with EmbeddedCsms(password="pass word") as csms:
        good = csms.url.replace("ws://", "ws://CS1:pass%20word@")
        async with connect(f"{good}/CS1", subprotocols=[Subprotocol("ocpp1.6")]):
            await csms.wait_connected("CS1")
        for url in (csms.url, csms.url.replace("ws://", "ws://CS2:pass%20word@")):
            with pytest.raises(InvalidStatus, match="401"):
                await connect(f"{url}/CS1", subprotocols=[Subprotocol("ocpp1.6")])
        with pytest.raises(InvalidStatus, match="401"):
            await connect(
                f"{csms.url}/CS1",
                subprotocols=[Subprotocol("ocpp1.6")],
                additional_headers={"Authorization": "Basic !!!"},
            )


async def test_a_newer_connection_takes_over() -> None:
    async with EmbeddedCsms() as csms, dialled(csms, "1.6") as first:
        await first.boot()
        async with dialled(csms, "1.6") as second:
            await second.ask("Heartbeat", {})
            assert len(first.closed) == 1
            second.answers["ClearCache"] = {"status": "Accepted"}
            await csms.call("CS1", "ClearCache")


@pytest.mark.parametrize("abrupt", [False, True])
async def test_vanishing_and_coming_back_on_the_same_port(abrupt: bool) -> None:
    async with EmbeddedCsms() as csms:
        url = csms.url
        async with dialled(csms, "1.6") as station:
            await station.boot()
            await csms.go_offline(abrupt=abrupt)
        assert len(station.closed) == 1
        assert ("1001" in station.closed[0]) is not abrupt or station.closed[0] == "closed"
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await connect(f"{url}/CS1", subprotocols=[Subprotocol("ocpp1.6")])
        await csms.go_online()
        assert csms.url == url
        async with dialled(csms, "1.6") as station:
            await station.ask("Heartbeat", {})


def test_a_csms_in_memory_has_no_url() -> None:
    with pytest.raises(LinkError, match="memory"):
        _ = EmbeddedCsms(network=MemoryNetwork()).url


# --- parts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "station"),
    [("/ocpp/CS1", "CS1"), ("/CS1/", "CS1"), ("/a/b/CS%20%2F1?x=/y", "CS /1"), ("/", "")],
)
def test_the_identity_is_the_last_segment(path: str, station: str) -> None:
    assert station_of(path) == station


def test_every_message_of_a_station_has_a_handler() -> None:
    policy = Policy(EmbeddedCsms().clock)
    for name, point, messages in (
        ("ocpp1.6", csms_v16.Point16, MESSAGES_16),
        ("ocpp2.0.1", csms_v201.Point201, MESSAGES_201),
    ):
        assert POINTS[name] is point
        assert issubclass(point, csms_point.Point)
        made = point("CS1", None, policy, Journal().station("CS1"), fast=False)
        assert set(messages) <= set(made.route_map)


def test_a_transaction_keeps_the_first_of_equal_numbers() -> None:
    transaction = SeenTransaction("t")
    first, again = event(0, "Started"), event(0, "Started")
    assert transaction.add_event(first) is None
    assert transaction.add_event(again) is None
    assert transaction.by_seq[0] is first
    assert not transaction.ended
