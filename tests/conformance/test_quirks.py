"""What real CSMSs refuse, send and get wrong, against the whole station: one test per rule, named after its number.

Rules about the connection run over real websockets, the others on virtual time. `frames` judges every frame of long mixed
sessions by what the strictest CSMSs refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hal.api import FaultCode, TokenKind
from station.app import StationSetup
from station.clock import iso, parse_iso
from station.ocpp.link import LinkState
from station.ocpp.schemas import Schemas
from station.ocpp.v16 import configuration, keys
from station.ocpp.v16.metering import MEASURANDS
from station.ocpp.v16.remote import HANDLERS as REMOTE_16
from station.sim.csms import EmbeddedCsms, FaultKind, Refusal, Token
from station.sim.lab import Lab, LabSettings, run_lab
from station.sim.loop import DEFAULT_WALL
from station.sim.loop import run as run_virtual
from tests.conformance import stage201
from tests.conformance.door import Door, hurry
from tests.conformance.frames import problems
from tests.conformance.profiles16 import composite, drawn, install, offered, profile
from tests.conformance.stage16 import CARD, NAME, OTHER, STRANGER, TOKENS, Stage, octt, play

BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
IN_TIME_S = 2.0
Work = Callable[[Lab, EmbeddedCsms], Awaitable[None]]


def on_bench(version: str, work: Work, *, tokens: tuple[Token | str, ...] = TOKENS, **settings: Any) -> None:
    """Run `work` on the bench, and judge every frame of the station."""

    async def main(lab: Lab) -> None:
        assert lab.csms is not None
        await work(lab, lab.csms)
        judge(version, lab.csms)

    run_lab(LabSettings(versions=(version,), tokens=tokens, csms_fast=True, **settings), main)


def judge(version: str, csms: EmbeddedCsms, station: str = NAME) -> None:
    """No frame of the station may be one that a strict CSMS refuses, and no message id may come twice."""
    sent = [f for f in csms.journal.frames if f.station == station and not f.sent]
    assert [(f.text, wrong) for f in sent if (wrong := problems(version, f.text, f.action))] == []
    ids = Counter(f.id for f in sent if f.is_call)
    assert [key for key, times in ids.items() if times > 1] == []


async def booted(csms: EmbeddedCsms, connectors: int = 2) -> None:
    """Accepted, and the last connector told and answered."""
    await csms.wait_for(NAME, "BootNotification", since=0)
    await csms.wait_for(
        NAME, "StatusNotification", lambda p: connectors in (p.get("evseId"), p["connectorId"]), since=0
    )
    await asyncio.sleep(0.01)


async def in_time(csms: EmbeddedCsms, action: str, payload: dict[str, Any] | None = None) -> Any:
    """Answer or Refusal to a CALL, which must come in time."""
    return await csms.call(NAME, action, payload, timeout=IN_TIME_S, check=False)


@contextlib.asynccontextmanager
async def knocking(door: Door, *versions: str, **settings: Any) -> Any:
    """A station that connects to the door over a real websocket, once the door is open."""
    async with door.running(), Lab(LabSettings(versions=versions, csms_url=door.url, **settings)) as lab:
        yield lab


# --- 1: subprotocol ---------------------------------------------------------------------------------------------------


async def test_quirk_01_a_subprotocol_is_offered_and_insisted_on() -> None:
    """A CSMS that opens the socket without choosing one gets no message, a closed connection, and another try."""
    door = Door(choose=None)
    async with knocking(door, "2.0.1", "1.6") as lab:
        await door.until(lambda: len(door.lines) == 1 and door.open == 0)
        assert door.requests[0].headers["Sec-WebSocket-Protocol"] == "ocpp2.0.1, ocpp1.6"
        assert door.frames == []
        door.choose = "ocpp1.6"
        await hurry(lab)
        await door.until(lambda: bool(door.calls("BootNotification", 2)))
        assert "subprotocol" in (lab.running.client._link.last_error or "")


# --- 2: connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, None])
async def test_quirk_02_back_after_every_end_of_a_connection(code: int | None) -> None:
    """Any close code and a bare end of TCP (None): it comes back, with one socket at a time, and needs no new boot."""
    door = Door(choose="ocpp1.6")

    def told(line: int) -> bool:
        return any(payload["connectorId"] == 2 for payload in door.calls("StatusNotification", line))

    async with knocking(door, "1.6") as lab:
        for line in (1, 2):
            await door.until(functools.partial(told, line))
            if code is None:
                door.lines[-1].transport.abort()
            else:
                await door.lines[-1].close(code, "go away")
            await hurry(lab)
        await door.until(lambda: len(door.lines) == 3)
        assert door.most_open == 1
        assert len(door.calls("BootNotification")) == 1


async def test_quirk_02_back_after_every_refusal() -> None:
    """401, 403, 404, 500 and 503: it knocks again until it is let in."""
    door = Door(choose="ocpp1.6")
    door.refuse = [401, 403, 404, 500, 503]
    async with knocking(door, "1.6") as lab:
        for times in range(1, 6):
            await door.knocked(times)
            await hurry(lab)
        await door.until(lambda: bool(door.calls("BootNotification")))
        assert len(door.requests) == 6
        assert lab.running.client._link.state is LinkState.OPEN


async def test_quirk_02_pings_are_answered() -> None:
    """A CSMS that pings hears a pong at once."""
    door = Door(choose="ocpp1.6")
    async with knocking(door, "1.6"):
        await door.until(lambda: bool(door.calls("BootNotification")))
        async with asyncio.timeout(1):
            await (await door.lines[0].ping("are you there"))


async def test_quirk_02_the_old_socket_is_closed_before_the_new_one() -> None:
    """Also when the station itself wants a new connection: a second socket makes some CSMSs deregister it."""
    door = Door(choose="ocpp1.6")
    async with knocking(door, "1.6", password="0123456789abcdef"):
        await door.until(lambda: len(door.calls("StatusNotification")) == 3)
        change = {"key": "AuthorizationKey", "value": "fedcba9876543210"}
        await door.lines[0].send(json.dumps([2, "1", "ChangeConfiguration", change]))
        await door.until(lambda: len(door.lines) == 2 and door.open == 1)
        assert (1, [3, "1", {"status": "Accepted"}]) in door.frames
        assert door.most_open == 1
        assert door.lines[0].close_code == 1000


# --- 3: boot and statuses after a reconnect ---------------------------------------------------------------------------


@octt()
async def test_quirk_03_statuses_and_a_triggered_boot_after_a_reconnect(s: Stage) -> None:
    """1.6: every status after every reconnect, and a BootNotification as soon as a CSMS that forgot us asks for it."""
    await s.ready()
    for _ in range(2):
        await s.lab.offline()
        await asyncio.sleep(5)
        s.skip()
        await s.lab.go_online()
        for connector in (0, 1, 2):
            await s.expect_status("Available", connector)
        assert s.heard("BootNotification", since=s.mark) == []
        await s.order("TriggerMessage", "Accepted", requestedMessage="BootNotification")
        await s.expect("BootNotification", within=1)


def test_quirk_03_what_changed_offline_is_told_after_a_reconnect() -> None:
    """2.0.1: after a short break what has changed, after a long one every connector (B04)."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        for seconds, evses in ((30, {1}), (1200, {1, 2})):
            await lab.offline()
            await asyncio.sleep(seconds)
            lab.plug(1) if seconds == 30 else lab.unplug(1)
            mark = csms.mark()
            await lab.go_online()
            await csms.wait_connected(NAME, 400)
            await asyncio.sleep(5)
            assert {f.payload["evseId"] for f in csms.journal.calls(NAME, "StatusNotification", since=mark)} == evses

    on_bench("2.0.1", work)


# --- 4: answers in time -----------------------------------------------------------------------------------------------


@BOTH
def test_quirk_04_every_call_is_answered_in_time_while_ours_is_open(version: str) -> None:
    """Every action that the version knows, some nonsense too, while the CSMS never answers our Authorize."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        csms.fault(FaultKind.NEVER, "Authorize")
        lab.swipe()
        await csms.wait_for(NAME, "Authorize", since=0)
        actions = [*sorted(Schemas.for_version(version).actions - {"Reset"}), "Nonsense", "reset"]
        began = lab.clock.now().mono
        asked: dict[str, Any] = {}
        for number, action in enumerate(actions):
            asked[action] = f"raw-{number}"
            await csms.send_raw(NAME, json.dumps([2, asked[action], action, {}]))
        await asyncio.sleep(IN_TIME_S)
        answers = {f.id: f for f in csms.journal.frames if not f.sent and f.kind in {3, 4}}
        assert [action for action, key in asked.items() if key not in answers] == []
        assert max(answers[key].mono for key in asked.values()) - began < IN_TIME_S
        assert answers[asked["Nonsense"]].payload[0] == "NotImplemented"
        assert {frame.payload[0] for frame in answers.values() if frame.kind == 4} <= {
            *("NotImplemented", "NotSupported", "ProtocolError", "OccurrenceConstraintViolation"),
            *("FormationViolation", "FormatViolation", "PropertyConstraintViolation", "TypeConstraintViolation"),
        }

    on_bench(version, work)


COMMANDS: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "1.6": [
        ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"}, "Accepted"),
        ("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}, "Accepted"),
        ("UnlockConnector", {"connectorId": 2}, "Unlocked"),
        ("RemoteStartTransaction", {"connectorId": 1, "idTag": OTHER}, "Rejected"),
        ("RemoteStopTransaction", {"transactionId": 9}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "StatusNotification"}, "Accepted"),
        ("ClearCache", {}, "Accepted"),
        ("Reset", {"type": "Soft"}, "Accepted"),
    ],
    "2.0.1": [
        ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, "Accepted"),
        ("ChangeAvailability", {"evse": {"id": 2}, "operationalStatus": "Inoperative"}, "Accepted"),
        ("UnlockConnector", {"evseId": 2, "connectorId": 1}, "Unlocked"),
        ("RequestStopTransaction", {"transactionId": "nobody"}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}, "Accepted"),
        ("ClearCache", {}, "Accepted"),
        ("Reset", {"type": "Immediate"}, "Accepted"),
    ],
}


@BOTH
def test_quirk_04_every_command_is_carried_out_while_ours_is_open(version: str) -> None:
    """Not only answered: the verdict is the one that it would be without our open CALL."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        csms.fault(FaultKind.NEVER, "Authorize")
        lab.swipe()
        await csms.wait_for(NAME, "Authorize", since=0)
        for action, payload, status in COMMANDS[version]:
            answer = await in_time(csms, action, payload)
            assert answer["status"] == status, action
        await csms.wait_for(NAME, "BootNotification")

    on_bench(version, work)


# --- 5: schema-valid --------------------------------------------------------------------------------------------------


class LongNames(Lab):
    """A bench whose station has names longer than any field for them."""

    def _setup(self) -> StationSetup:
        long = "Ein sehr langer Name, der in kein Feld von OCPP passt, und noch ein Stück"
        return replace(super()._setup(), vendor=long, model=long, serial=long, firmware=long, iccid=long, imsi=long)


@BOTH
def test_quirk_05_texts_are_cut_to_their_fields(version: str) -> None:
    """Names, fault texts, vendor codes: no frame is refused over a length, and every fault has a word of the version."""

    async def work() -> None:
        async with LongNames(LabSettings(versions=(version,))) as lab:
            assert lab.csms is not None
            await booted(lab.csms)
            for code in FaultCode:
                lab.fault(code, 1, "x" * 300)
                await asyncio.sleep(1)
                lab.clear(code)
                await asyncio.sleep(1)
            judge(version, lab.csms)
            assert lab.csms.station(NAME).complaints == []
            assert lab.csms.journal.errors(NAME) == []
            assert len(lab.csms.journal.calls(NAME, "StatusNotification")) > len(FaultCode)

    run_virtual(work(), start_wall=DEFAULT_WALL)


# --- 6: CALLERRORs ----------------------------------------------------------------------------------------------------

GARBAGE = (
    *("", "{", "[]", "null", '"x"', "[2]", '[2,"1"]', '[2,"1","Reset"]', '[2,"1","Reset",{},{}]', "[2,1,2,3]"),
    *('[2,"1","Reset",{"type":"Sideways"}]', '[2,"1","Reset",[]]', '[7,"1",{}]', '[3,"nobody",{}]', "\x00"),
    *('[4,"nobody","X"]', '[4,"nobody","GenericError","",{}]', f'[2,"{"x" * 99}","GetConfiguration",{{}}]'),
    *('[2,"","Heartbeat",{}]', '[2,"2",{"a":1},{}]', "[" * 2000, '[2,"3","Reset",{"type":' + "9" * 5000 + "}]"),
)


@BOTH
def test_quirk_06_every_callerror_is_whole(version: str) -> None:
    """Whatever comes in, what goes out is JSON and `[4, id, code, description, {}]`; the link stays up."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        for text in GARBAGE:
            await csms.send_raw(NAME, text)
            await asyncio.sleep(1)
        errors = [json.loads(f.text) for f in csms.journal.errors(NAME, sent=False)]
        assert len(errors) >= 5
        assert all(len(error) == 5 and error[4] == {} for error in errors)
        assert csms.station(NAME).connections == 1
        assert not isinstance(await in_time(csms, "TriggerMessage", {"requestedMessage": "Heartbeat"}), Refusal)

    on_bench(version, work)


# --- 7: time ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "told",
    [
        "2030-06-01T12:00:00+02:00",
        "2030-06-01T10:00:00.123456+00:00",
        "2030-06-01T10:00:00Z",
        "2030-06-01t10:00:00.5z",
        "2030-06-01T10:00:00",
    ],
)
def test_quirk_07_the_clock_is_set_before_the_first_status(version: str, told: str) -> None:
    """A station with a wrong clock: what it tells after the boot has the CSMS's time, in UTC with Z."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        csms.fault(
            FaultKind.REPLACE,
            "BootNotification",
            payload={"status": "Accepted", "interval": 300, "currentTime": told},
        )
        await booted(csms)
        stamps = [f.payload["timestamp"] for f in csms.journal.calls(NAME, "StatusNotification")]
        assert stamps
        assert all(abs(parse_iso(stamp) - parse_iso("2030-06-01T10:00:00Z")) < 2 for stamp in stamps), stamps

    on_bench(version, work, trust_clock=False)


# --- 8: transactionId -------------------------------------------------------------------------------------------------


@octt()
async def test_quirk_08_zero_is_a_transaction_id(s: Stage) -> None:
    """A CSMS that counts from 0: readings, remote stop and StopTransaction carry it."""
    s.csms.policy._tx_ids = itertools.count(0)
    await s.ready()
    await s.charging()
    await s.expect("MeterValues", transactionId=0, within=61)
    await s.order("RemoteStopTransaction", "Accepted", transactionId=0)
    await s.expect("StopTransaction", transactionId=0, reason="Remote")


@octt()
async def test_quirk_08_no_id_is_invented_for_what_began_offline(s: Stage) -> None:
    """Begun offline, cut by a power failure before the CSMS ever heard of it: all of it arrives under the id given."""
    await s.ready()
    await s.configure(AllowOfflineTxForUnknownId="true")
    s.csms.policy._tx_ids = itertools.count(4711)
    await s.lab.offline()
    s.lab.plug()
    s.lab.swipe()
    await asyncio.sleep(70)
    await s.lab.power_cut()
    await asyncio.sleep(60)
    s.skip()
    await s.lab.power_on()
    await asyncio.sleep(60)
    await s.lab.go_online()
    await s.expect("StartTransaction", idTag=CARD, within=400)
    await s.expect("MeterValues", transactionId=4711)
    await s.expect("StopTransaction", transactionId=4711, reason="PowerLoss")
    assert {p["transactionId"] for p in s.heard("MeterValues") + s.heard("StopTransaction")} == {4711}


# --- 9, 10: retries and duplicates ------------------------------------------------------------------------------------


@octt(complaints=True)
async def test_quirk_09_a_refused_message_is_given_up(s: Stage) -> None:
    """As often as TransactionMessageAttempts says; then the next message has its turn."""
    await s.ready()
    await s.configure(TransactionMessageAttempts="3", TransactionMessageRetryInterval="10")
    await s.charging()
    s.csms.fault(FaultKind.REFUSE, "StopTransaction", times=None)
    s.lab.swipe()
    await s.expect("StopTransaction")
    await s.leave()
    await asyncio.sleep(300)
    assert len(s.heard("StopTransaction")) == 3
    assert s.seen.status(1) == "Available"
    s.csms.faults.clear()
    s.skip()
    await s.charging()
    assert len(s.heard("StopTransaction")) == 3


@BOTH
def test_quirk_10_a_lost_answer_gives_one_identical_copy(version: str) -> None:
    """The link dies in place of the answer: the same content again. Once answered, never again."""
    action = {"1.6": "StopTransaction", "2.0.1": "TransactionEvent"}[version]

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        lab.plug()
        lab.swipe()
        await asyncio.sleep(30)
        csms.fault(FaultKind.CLOSE, action, abrupt=True)
        mark = csms.mark()
        lab.swipe()
        await asyncio.sleep(120)
        copies = Counter(
            json.dumps(f.payload, sort_keys=True) for f in csms.journal.calls(NAME, action, since=mark)
        ).values()
        assert max(copies) == 2
        assert sum(copies) == len(copies) + 1
        await lab.offline()
        await asyncio.sleep(30)
        mark = csms.mark()
        await lab.go_online()
        await csms.wait_connected(NAME, 400)
        await asyncio.sleep(60)
        assert csms.journal.calls(NAME, action, since=mark) == []
        assert csms.station(NAME).complaints == []

    on_bench(version, work)


# --- 11, 12: charging profiles ----------------------------------------------------------------------------------------


@octt(variables={"SmartChargingCtrlr.Available": "false"})
async def test_quirk_11_without_smart_charging_profiles_are_declined_in_time(s: Stage) -> None:
    """Said so in the features, in the answers, and by leaving out the keys; a remote start ignores its profile (5.11)."""
    await s.ready()
    answer = await s.call("GetConfiguration", key=["SupportedFeatureProfiles", "ChargeProfileMaxStackLevel"])
    assert answer["configurationKey"][0]["value"] == "Core,RemoteTrigger"
    assert answer["unknownKey"] == ["ChargeProfileMaxStackLevel"]
    await install(s, 1, profile(1, "TxDefaultProfile", (0, 10)), "NotSupported")
    await s.order("ClearChargingProfile", "Unknown")
    await s.order("GetCompositeSchedule", "Rejected", connectorId=0, duration=60)
    s.lab.plug()
    for wanted in (profile(1, "TxProfile", (0, 10.0)), profile(1, "TxDefaultProfile", (0, 10.0))):
        await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1, chargingProfile=wanted)
        await s.expect_status("Charging")
        assert offered(s)[0] == 32.0
        await s.order("RemoteStopTransaction", "Accepted", transactionId=s.transaction)
        await s.expect_status("Finishing")


@octt()
async def test_quirk_11_profiles_as_csmss_send_them_are_accepted(s: Stage) -> None:
    """Every stackLevel up to the one that is told, with and without start, Relative for the station, no transactionId."""
    await s.ready()
    asked = ["ChargeProfileMaxStackLevel", "ChargingScheduleAllowedChargingRateUnit"]
    told = {entry["key"]: entry["value"] for entry in (await s.call("GetConfiguration", key=asked))["configurationKey"]}
    assert told["ChargingScheduleAllowedChargingRateUnit"] == "Current,Power"
    highest = int(told["ChargeProfileMaxStackLevel"])
    assert highest > 0
    now = s.csms.clock.now().wall
    for level in (0, 1, highest):
        await install(s, 1, profile(level, "TxDefaultProfile", (0, 10), start=now, stackLevel=level))
        await s.order("ClearChargingProfile", "Accepted", stackLevel=level)
    for kind in ("Absolute", "Relative"):
        for connector, purpose in ((0, "ChargePointMaxProfile"), (0, "TxDefaultProfile"), (1, "TxDefaultProfile")):
            await install(s, connector, profile(5, purpose, (0, 10), chargingProfileKind=kind))
            assert await composite(s, 1, 60) == [(0, 10)]
    await s.order("ClearChargingProfile", "Accepted", id=5)
    await s.charging()
    await install(s, 1, profile(6, "TxProfile", (0, 8), chargingProfileKind="Absolute"))
    await asyncio.sleep(20)
    assert offered(s) == (8.0, "profile 6 (TxProfile)")
    # a transactionId means nothing in the profiles of other purposes, and some fill it in
    await install(s, 1, profile(7, "TxDefaultProfile", (0, 9), transactionId=0))


@octt()
async def test_quirk_12_limit_0_does_not_end_the_session(s: Stage) -> None:
    """SuspendedEVSE in the same transaction, which goes on as soon as the limit is above 0; and that twice."""
    await s.ready()
    await s.charging()
    for _ in range(2):
        await install(s, 1, profile(1, "TxDefaultProfile", (0, 0)))
        await s.expect_status("SuspendedEVSE", within=10)
        await asyncio.sleep(600)
        assert not s.energised()
        await install(s, 1, profile(1, "TxDefaultProfile", (0, 10)))
        await s.expect_status("Charging", within=60)
        await asyncio.sleep(20)
        assert drawn(s) == pytest.approx(10, abs=0.2)
    assert s.heard("StopTransaction") == []
    assert len(s.heard("StartTransaction")) == 1
    await s.expect("MeterValues", transactionId=s.transaction, within=61)


def profile_201(number: int, limit_a: float, stack: int = 0, **more: Any) -> dict[str, Any]:
    """A default profile for any transaction, relative to its start."""
    periods = [{"startPeriod": 0, "limit": limit_a}]
    return {
        "id": number,
        "stackLevel": stack,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [{"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": periods}],
        **more,
    }


@stage201.octt()
async def test_quirk_11_profiles_as_csmss_send_them_are_accepted_201(stage: stage201.Stage201) -> None:
    """Every stackLevel up to the one that is told; stackLevel 0 is a criterion of Clear; the units are told."""
    highest = int(await stage.value("SmartChargingCtrlr.ProfileStackLevel"))
    assert await stage.value("SmartChargingCtrlr.RateUnit") == "A,W"
    for level in (0, 1, highest):
        wanted = profile_201(level, 10, level)
        await stage.ask("Accepted", "SetChargingProfile", {"evseId": 1, "chargingProfile": wanted})
        clear = {"chargingProfileCriteria": {"stackLevel": level}}
        await stage.ask("Accepted", "ClearChargingProfile", clear)
    now = iso(stage.lab.clock.now().wall)
    schedule = {**profile_201(5, 10)["chargingSchedule"][0], "startSchedule": now}
    absolute = profile_201(5, 10, chargingProfileKind="Absolute", chargingSchedule=[schedule])
    await stage.ask("Accepted", "SetChargingProfile", {"evseId": 0, "chargingProfile": absolute})
    most = {**absolute, "id": 6, "chargingProfilePurpose": "ChargingStationMaxProfile"}
    await stage.ask("Accepted", "SetChargingProfile", {"evseId": 0, "chargingProfile": most})


@stage201.octt()
async def test_quirk_12_limit_0_does_not_end_the_session_201(stage: stage201.Stage201) -> None:
    """SuspendedEVSE in the same transaction, which goes on as soon as the limit is above 0; and that twice."""
    transaction = await stage.charging()
    for _ in range(2):
        stage.from_now()
        await stage.ask("Accepted", "SetChargingProfile", {"evseId": 1, "chargingProfile": profile_201(1, 0)})
        await stage.event("ChargingStateChanged", state="SuspendedEVSE")
        await asyncio.sleep(600)
        assert not stage.view().relay_closed
        await stage.ask("Accepted", "SetChargingProfile", {"evseId": 1, "chargingProfile": profile_201(1, 10)})
        await stage.event("ChargingStateChanged", state="Charging")
        assert stage.view().offered_a == 10
    assert list(stage.seen.transactions) == [transaction]
    assert not stage.seen.transactions[transaction].ended


@octt()
async def test_quirk_12_energy_withheld_does_not_end_the_session(s: Stage) -> None:
    """Heat withholds energy in the same way: the same transaction goes on afterwards."""
    await s.ready()
    await s.charging()
    s.lab.fault(FaultCode.HIGH_TEMPERATURE)
    await asyncio.sleep(300)
    assert not s.energised()
    s.lab.clear(FaultCode.HIGH_TEMPERATURE)
    await asyncio.sleep(40)  # the contactor is spared for half a minute
    assert s.energised()
    assert s.seen.status(1) == "Charging"
    assert s.heard("StopTransaction") == []
    await s.expect("MeterValues", transactionId=s.transaction, within=61)


# --- 13: ChangeConfiguration ------------------------------------------------------------------------------------------


@octt()
async def test_quirk_13_settings_have_no_side_effects(s: Stage) -> None:
    """Every key can be written with its own value: no restart, no new connection, no RebootRequired, no change."""
    await s.ready()
    before = (await s.call("GetConfiguration"))["configurationKey"]
    assert all(set(entry) <= {"key", "readonly", "value"} and type(entry["readonly"]) is bool for entry in before)
    assert [entry["key"] for entry in before] == [key.name for key in keys.TABLE]
    for entry in before:
        if "value" in entry:
            # Security whitepaper, A05.FR.01: a SecurityProfile that is not higher is refused.
            expected = "Rejected" if entry["readonly"] or entry["key"] == "SecurityProfile" else "Accepted"
            await s.order("ChangeConfiguration", expected, key=entry["key"], value=entry["value"])
    await asyncio.sleep(30)
    assert (await s.call("GetConfiguration"))["configurationKey"] == before
    assert (s.lab.boots, s.seen.connections) == (1, 1)
    assert {"ChangeConfiguration", "GetConfiguration"} == configuration.HANDLERS.keys()


@octt()
async def test_quirk_13_measurands_in_full_and_one_by_one(s: Stage) -> None:
    """As evcc and Home Assistant do it: all of them, then each, then what was taken; the last one holds."""
    await s.ready()
    full = ",".join(sorted(MEASURANDS - {"RPM", "Power.Factor"}))
    answer = await s.call("ChangeConfiguration", key="MeterValuesSampledData", value=full)
    assert answer["status"] in {"Accepted", "Rejected"}
    taken = []
    for measurand in sorted(MEASURANDS):
        answer = await s.call("ChangeConfiguration", key="MeterValuesSampledData", value=measurand)
        taken += [measurand] if answer["status"] == "Accepted" else []
    assert {"Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC"} <= set(taken)
    await s.configure(MeterValuesSampledData=",".join(taken), WebSocketPingInterval="30")
    await s.charging()
    values = await s.expect("MeterValues", within=61)
    told = {value["measurand"] for value in values["meterValue"][0]["sampledValue"]}
    assert {"Energy.Active.Import.Register", "Power.Active.Import", "Voltage"} <= told <= set(taken)


# --- 14: one version --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [(("2.0.1", "1.6"), "1.6"), (("2.0.1", "1.6"), "2.0.1"), (("1.6",), "1.6"), (("2.0.1",), "2.0.1")],
)
async def test_quirk_14_only_the_version_agreed_on(versions: tuple[str, ...], chosen: str) -> None:
    """The configured ones are offered, best first, in one connection; every frame is of the one that the CSMS chose."""
    door = Door(choose=f"ocpp{chosen}")
    async with knocking(door, *versions):
        await door.until(lambda: len(door.calls("StatusNotification")) >= 2)
    assert len(door.requests) == 1
    assert door.requests[0].headers["Sec-WebSocket-Protocol"] == ", ".join(f"ocpp{v}" for v in versions)
    for _, frame in door.frames:
        assert problems(chosen, json.dumps(frame), None) == []


# --- 15: order --------------------------------------------------------------------------------------------------------


@octt()
async def test_quirk_15_unavailable_without_available_before_it(s: Stage) -> None:
    """Scheduled in a transaction: StopTransaction, Finishing while plugged at most, Unavailable, never Available."""
    await s.ready()
    await s.charging()
    await s.order("ChangeAvailability", "Scheduled", connectorId=1, type="Inoperative")
    begun = s.mark
    s.lab.swipe()
    await s.expect("StopTransaction")
    await s.leave()
    await asyncio.sleep(30)
    words = s.words(since=begun)
    assert words[0] == "StopTransaction"
    assert words[-1] == "Unavailable"
    assert "Available" not in words


@BOTH
def test_quirk_15_never_available_while_plugged(version: str) -> None:
    """From plug to unplug, through refusals, stops and restarts, no status says Available; none is of EVSE 0 in 2.0.1."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await booted(csms)
        lab.plug()
        mark = csms.mark()
        for token in (STRANGER, CARD, CARD, OTHER):
            lab.swipe(token)
            await asyncio.sleep(40)
        await lab.restart()
        await asyncio.sleep(60)
        word = "status" if version == "1.6" else "connectorStatus"
        told = [
            f.payload[word]
            for f in csms.journal.calls(NAME, "StatusNotification", since=mark)
            if f.payload.get("evseId", f.payload["connectorId"]) == 1
        ]
        assert told
        assert "Available" not in told

    on_bench(version, work)


@octt()
async def test_quirk_15_readings_in_order_and_with_their_transaction(s: Stage) -> None:
    """After a break the old ones come first, the new ones after them; each names its transaction."""
    await s.ready()
    await s.configure(ClockAlignedDataInterval="45")
    await s.charging()
    await asyncio.sleep(100)
    await s.lab.offline()
    await asyncio.sleep(200)
    await s.lab.go_online()
    await asyncio.sleep(200)
    found = s.heard("MeterValues", connectorId=1)
    times = [parse_iso(values["meterValue"][0]["timestamp"]) for values in found]
    assert len(times) > 10
    assert times == sorted(times)
    assert {values.get("transactionId") for values in found} == {s.transaction}


# --- also: identity, password, URL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "path"),
    [("CS 1/ä#?%", "/ocpp/CS%201%2F%C3%A4%23%3F%25"), ("A:b_1.2-3", "/ocpp/A:b_1.2-3"), ("~x*y", "/ocpp/~x%2Ay")],
)
async def test_quirk_also_the_identity_in_the_url(identity: str, path: str) -> None:
    """%-encoded once, one slash before it and none after it, and no extension is offered."""
    door = Door(choose="ocpp1.6")
    async with (
        door.running(),
        Lab(LabSettings(versions=("1.6",), csms_url=f"{door.url}/", identity=identity)),
    ):
        await door.until(lambda: bool(door.calls("BootNotification")))
    assert door.requests[0].path == path
    assert "Sec-WebSocket-Extensions" not in door.requests[0].headers
    assert "Authorization" not in door.requests[0].headers


async def test_quirk_also_the_user_is_the_identity() -> None:
    """Basic auth; and a new password is used at once, for the connection that follows (AuthorizationKey)."""
    old, new = "0123456789abcdef", "fedcba9876543210"
    async with EmbeddedCsms(TOKENS, subprotocols=("ocpp1.6",), password=old) as csms:
        settings = LabSettings(versions=("1.6",), csms_url=csms.url, identity=NAME, password=old)
        async with Lab(settings) as lab:
            await booted(csms)
            assert csms._listener is not None
            csms._listener._password = new
            await in_time(csms, "ChangeConfiguration", {"key": "AuthorizationKey", "value": new})
            async with asyncio.timeout(5):
                while csms.station(NAME).connections < 2:
                    await asyncio.sleep(0.01)
            assert lab.running.security_profile == 1


# --- section 1: what is refused, in long mixed sessions ---------------------------------------------------------------


async def mixed(lab: Lab, csms: EmbeddedCsms, version: str) -> None:
    """Everything that happens to a station, in a day of it."""
    await booted(csms)
    await alone(lab)
    await with_the_csms(lab, csms, version)
    await in_trouble(lab)
    await asyncio.sleep(130)


async def alone(lab: Lab) -> None:
    """Two cars at once; cards of both kinds, a PIN, the button, a stranger."""
    lab.plug(1, {"soc_percent": 99.9})
    lab.plug(2)
    lab.swipe(CARD, 1)
    lab.swipe("E007000012345678", 2, TokenKind.ISO15693)
    await asyncio.sleep(150)
    lab.swipe(STRANGER, 1)
    lab.swipe(CARD, 1)
    lab.swipe("E007000012345678", 2, TokenKind.ISO15693)
    await asyncio.sleep(10)
    for evse in (1, 2):
        lab.unplug(evse)
    lab.pin("1234", 1)
    await asyncio.sleep(5)
    lab.plug(1)
    lab.button(2)
    lab.plug(2)
    await asyncio.sleep(70)
    lab.unplug(1, at_car=True)
    lab.unplug(2, at_car=True)
    await asyncio.sleep(10)
    for evse in (1, 2):
        lab.unplug(evse)


async def with_the_csms(lab: Lab, csms: EmbeddedCsms, version: str) -> None:
    """Remote start and stop, triggers, reports, settings, availability."""
    lab.plug(1)
    if version == "1.6":
        await in_time(csms, "RemoteStartTransaction", {"idTag": CARD, "connectorId": 1})
        await asyncio.sleep(100)
        for message in ("MeterValues", "StatusNotification", "Heartbeat", "BootNotification"):
            await in_time(csms, "TriggerMessage", {"requestedMessage": message})
        await in_time(csms, "GetConfiguration", {"key": ["Nonsense"]})
        await in_time(csms, "GetConfiguration")
        newest = max(map(int, csms.station(NAME).transactions))
        await in_time(csms, "RemoteStopTransaction", {"transactionId": newest})
    else:
        token = {"idToken": CARD, "type": "ISO14443"}
        await in_time(csms, "RequestStartTransaction", {"evseId": 1, "remoteStartId": 7, "idToken": token})
        await asyncio.sleep(100)
        for message in ("MeterValues", "StatusNotification", "Heartbeat", "TransactionEvent"):
            where = {"evse": {"id": 1, "connectorId": 1}} if message == "StatusNotification" else {}
            await in_time(csms, "TriggerMessage", {"requestedMessage": message, **where})
        for base in ("FullInventory", "ConfigurationInventory", "SummaryInventory"):
            await in_time(csms, "GetBaseReport", {"requestId": 1, "reportBase": base})
            await asyncio.sleep(5)
        newest_id = list(csms.station(NAME).transactions)[-1]
        await in_time(csms, "RequestStopTransaction", {"transactionId": newest_id})
    await asyncio.sleep(10)
    lab.unplug(1)


async def in_trouble(lab: Lab) -> None:
    """Offline, faults, a power cut with a car at work, a crash."""
    lab.plug(1)
    lab.swipe(CARD, 1)
    await asyncio.sleep(60)
    await lab.offline()
    await asyncio.sleep(70)
    lab.fault(FaultCode.HIGH_TEMPERATURE, 1, " hot ")
    lab.fault(FaultCode.READER_FAILURE, 0)
    await lab.go_online()
    await asyncio.sleep(70)
    lab.clear(FaultCode.HIGH_TEMPERATURE)
    lab.clear(FaultCode.READER_FAILURE, 0)
    await asyncio.sleep(60)
    await lab.power_cut()
    await asyncio.sleep(60)
    await lab.power_on()
    await asyncio.sleep(60)
    await lab.restart()
    await asyncio.sleep(60)
    lab.fault(FaultCode.GROUND_FAILURE, 1)
    await asyncio.sleep(60)


@BOTH
def test_no_frame_of_a_long_mixed_session_is_one_that_a_strict_csms_refuses(version: str) -> None:
    """Neither by the rules of `frames` nor by the `ocpp` package, which judges what arrives."""
    seen = Counter[str]()
    tokens = (
        *TOKENS,
        Token("E007000012345678", kind="ISO15693"),
        Token("1234", kind="KeyCode"),
        Token("NoAuthorization"),
    )
    variables = {"AlignedDataCtrlr.Interval": "60", "SampledDataCtrlr.TxEndedInterval": "120"}

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        await mixed(lab, csms, version)
        assert csms.station(NAME).complaints == []
        assert csms.journal.errors(NAME) == []
        seen.update(str(f.action) for f in csms.journal.calls(NAME))

    on_bench(version, work, tokens=tokens, variables=variables)
    expected = {"BootNotification", "StatusNotification", "MeterValues", "Authorize", "Heartbeat"}
    more = {"1.6": {"StartTransaction", "StopTransaction"}, "2.0.1": {"TransactionEvent", "NotifyReport"}}
    assert expected | more[version] <= seen.keys()


def test_the_judge_refuses_what_strict_csmss_refuse() -> None:
    """The rules of `frames` can fail."""
    stop = {"transactionId": -1, "meterStop": -5, "timestamp": "2026-01-01T00:00:00.123456Z"}
    for version, frame, count in (
        ("1.6", [2, "1", "StopTransaction", stop], 3),
        ("1.6", [2, "x" * 37, "Heartbeat", {}], 1),
        ("1.6", [2, "1", "Heartbeat", {"extra": None}], 2),
        ("1.6", [4, "1", "GenericError", ""], 1),
        ("2.0.1", [2, "1", "Authorize", {"idToken": {"idToken": "USER 1 ", "type": "ISO14443"}}], 2),
        ("2.0.1", [2, "1", "FirmwareStatusNotification", {"status": "Idle"}], 1),
        ("2.0.1", [2, "1", "MeterValues", {"evseId": 1, "meterValue": []}], 2),
    ):
        assert len(problems(version, json.dumps(frame), None)) == count, frame


# --- well-known CSMSs -------------------------------------------------------------------------------------------------


@octt()
async def test_evcc_boot_sequence(s: Stage) -> None:
    """evcc's first minute: everything answered at once, and what it triggers arrives."""
    await s.ready()
    await asyncio.sleep(5)
    await s.order("TriggerMessage", "Accepted", requestedMessage="BootNotification")
    await s.expect("BootNotification", within=1)
    await s.order("ChangeAvailability", "Accepted", connectorId=0, type="Operative")
    answer = await s.call("GetConfiguration")
    found = {entry["key"]: entry.get("value") for entry in answer["configurationKey"]}
    assert found["SupportedFeatureProfiles"] == "Core,RemoteTrigger,SmartCharging"
    assert found["NumberOfConnectors"] == "2"
    wanted = ["Power.Active.Import", "Energy.Active.Import.Register", "Current.Import", "Voltage", "SoC"]
    for measurand in wanted:
        await s.configure(MeterValuesSampledData=measurand)
    await s.configure(MeterValuesSampledData=",".join(wanted))
    await s.order("TriggerMessage", "Accepted", requestedMessage="MeterValues", connectorId=0)
    for connector in (1, 2):
        await s.expect("MeterValues", connectorId=connector, within=2)
    await s.configure(MeterValueSampleInterval="10", WebSocketPingInterval="30")
    assert await composite(s, 1, 60) == [(0, 32)]
    await s.charging()
    wanted_profile = profile(
        int(found["MaxChargingProfilesInstalled"] or 0),
        "TxDefaultProfile",
        (0, 7.0),
        start=s.csms.clock.now().wall - 60,
        stackLevel=int(found["ChargeProfileMaxStackLevel"] or 0),
    )
    await install(s, 1, wanted_profile)
    assert await composite(s, 1, 60) == [(0, 7)]
    values = await s.expect("MeterValues", transactionId=s.transaction, within=11)
    assert {value["measurand"] for value in values["meterValue"][0]["sampledValue"]} == set(wanted)


UPDATE_16 = {"location": "dummy://dummy", "retrieveDate": "2026-01-01T00:00:00Z"}
UPDATE_201 = {
    "requestId": 1,
    "firmware": {"location": "dummy://dummy", "retrieveDateTime": "2026-01-01T00:00:00Z", "signature": "☺"},
}
SET_201 = {
    "setVariableData": [
        {
            "component": {"name": "SampledDataCtrlr"},
            "variable": {"name": "TxUpdatedInterval"},
            "attributeValue": "60",
        }
    ]
}
HOME_ASSISTANT: dict[str, list[tuple[str, dict[str, Any], str | None]]] = {
    "1.6": [
        ("GetConfiguration", {"key": ["NumberOfConnectors"]}, None),
        ("GetConfiguration", {}, None),
        ("UpdateFirmware", UPDATE_16, "NotSupported"),
        ("GetCompositeSchedule", {"connectorId": 0, "duration": 60}, None),
        ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}, None),
        ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}, None),
    ],
    "2.0.1": [
        ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, None),
        ("UpdateFirmware", UPDATE_201, None),
        ("GetCompositeSchedule", {"duration": 60, "evseId": 0}, None),
        ("SetVariables", SET_201, None),
        ("ChangeAvailability", {"operationalStatus": "Operative"}, None),
    ],
}


@BOTH
def test_home_assistant_asks_before_it_answers_the_boot(version: str) -> None:
    """Inventory, a firmware probe with a bad signature, a schedule of EVSE 0 and settings, all before our boot is answered."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        csms.fault(FaultKind.LATE, "BootNotification", delay_s=8)
        await csms.wait_for(NAME, "BootNotification", since=0)
        for action, payload, code in HOME_ASSISTANT[version]:
            answer = await in_time(csms, action, payload)
            assert (answer.code if isinstance(answer, Refusal) else None) == code, action
        assert [f.action for f in csms.journal.calls(NAME)] == ["BootNotification"]
        await booted(csms)
        if version == "2.0.1":
            await csms.wait_for(NAME, "NotifyReport", lambda p: not p.get("tbc"), since=0)
        lab.plug()
        lab.swipe()
        await asyncio.sleep(60)
        assert lab.view().evse(1).relay_closed
        assert csms.station(NAME).complaints == []

    on_bench(version, work)


async def drive(lab: Lab, csms: EmbeddedCsms) -> None:
    """A whole session of a minute."""
    await booted(csms)
    lab.plug()
    lab.swipe()
    await asyncio.sleep(60)
    assert lab.view().evse(1).relay_closed
    lab.swipe()
    await asyncio.sleep(5)
    lab.unplug()
    await asyncio.sleep(60)


def test_ocpp_go_answers_with_less_than_expected() -> None:
    """TransactionEvent without idTokenInfo: whoever Authorize has accepted goes on, and no event comes twice."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        csms.fault(FaultKind.REPLACE, "TransactionEvent", times=None)
        await drive(lab, csms)
        (transaction,) = csms.station(NAME).transactions.values()
        assert transaction.ended
        assert transaction.seq_numbers == list(range(len(transaction.events)))

    on_bench("2.0.1", work)


def test_ocpp_go_answers_stop_transaction_with_nothing() -> None:
    """The answer `{}` is an answer: StopTransaction is not sent again."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        csms.fault(FaultKind.REPLACE, "StopTransaction", times=None)
        await drive(lab, csms)
        assert len(csms.journal.calls(NAME, "StopTransaction")) == 1

    on_bench("1.6", work)


def test_citrine_answers_concurrent_tx_with_transaction_0() -> None:
    """The transaction that it does not want ends under the id that it gave: 0, with DeAuthorized."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        csms.fault(
            FaultKind.REPLACE,
            "StartTransaction",
            payload={"transactionId": 0, "idTagInfo": {"status": "ConcurrentTx"}},
        )
        await booted(csms)
        lab.plug()
        lab.swipe()
        stop = await csms.wait_for(NAME, "StopTransaction", since=0)
        assert (stop["transactionId"], stop["reason"]) == (0, "DeAuthorized")
        await asyncio.sleep(5)
        assert not lab.view().evse(1).relay_closed

    on_bench("1.6", work)


@BOTH
def test_home_assistant_wants_a_heartbeat_every_ten_seconds(version: str) -> None:
    """An interval of 10 s in the answer to the boot, with a time of six digits and +00:00."""

    async def work(lab: Lab, csms: EmbeddedCsms) -> None:
        told = "2026-01-01T00:00:00.123456+00:00"
        csms.fault(
            FaultKind.REPLACE,
            "BootNotification",
            payload={"status": "Accepted", "interval": 10, "currentTime": told},
        )
        await booted(csms)
        await asyncio.sleep(101)
        beats = [f.mono for f in csms.journal.calls(NAME, "Heartbeat")]
        assert len(beats) == 10
        assert {round(b - a) for a, b in itertools.pairwise(beats)} == {10}

    on_bench(version, work)


def test_remote_commands_are_those_of_the_profiles_offered() -> None:
    """What is not in a table is refused as NotSupported, so a new handler belongs to an offered profile."""
    assert REMOTE_16.keys() == {
        *("ChangeAvailability", "ClearCache", "RemoteStartTransaction", "RemoteStopTransaction", "UnlockConnector")
    }


def test_a_case_of_the_stage_is_judged_too() -> None:
    """Every frame of an ordinary 1.6 session passes the judge."""

    async def case(s: Stage) -> None:
        await s.ready()
        await s.charging()
        await asyncio.sleep(120)
        s.lab.swipe()
        await s.leave()
        await asyncio.sleep(5)
        judge("1.6", s.csms)

    play(case)
