"""The embedded CSMS: decisions, bookkeeping, calls. In memory, on virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from station.clock import parse_iso
from station.errors import LinkError
from station.sim import csms_point, csms_v16, csms_v201
from station.sim.csms import EmbeddedCsms, InvalidAnswerError, Refusal, Token
from station.sim.csms_journal import Journal, SeenTransaction
from station.sim.csms_policy import Policy
from station.sim.csms_session import POINTS
from station.sim.csms_wire import station_of
from station.sim.memory import MemoryNetwork
from tests.sim.bare_station import STAMP, Station, both, event, play

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
