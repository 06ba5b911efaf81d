"""The composition root: starts and their reasons, the clock, ids, the model's facts, the password. Board, store and CSMS are real."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from station.app import StationApp
from station.app_setup import EvseSetup, StationSetup, Surroundings, file_store, host_boot_id
from station.clock import parse_iso
from station.core import live
from station.core.device_model import VariableKey
from station.core.types import ConnectorState
from station.errors import ConfigError
from station.ocpp.link import Link, LinkHooks
from station.ocpp.link_settings import LinkSettings
from station.ocpp.pump import STUMBLES_MOST
from station.runtime.supervise import Notifier
from station.sim.csms import EmbeddedCsms, SeenStation
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings, run_lab
from station.sim.loop import DEFAULT_WALL, run
from station.store.ops import PutRow
from station.store.sqlite import SqliteStore

ID = "PILOT-1"
FAST: dict[str, Any] = {"csms_fast": True}
OLD, NEW = "0123456789abcdef", "fedcba9876543210"


def play(work: Callable[[Lab], Coroutine[Any, Any, None]], **settings: Any) -> None:
    run_lab(LabSettings(**FAST, **settings), work)


def seen(lab: Lab) -> SeenStation:
    assert lab.csms is not None
    return lab.csms.station(ID)


async def accepted(lab: Lab, boots: int = 1) -> str:
    """Until so many BootNotifications were answered; the reason of the last."""
    while len(seen(lab).boots) < boots or not (lab.powered and lab.running.client.online):
        await asyncio.sleep(0.5)
    return str(seen(lab).boots[-1]["reason"])


async def charge(lab: Lab, evse: int = 1) -> None:
    lab.plug(evse, {"soc_percent": 20.0})
    await asyncio.sleep(2)
    lab.swipe(KNOWN_TOKENS[0], evse)
    await asyncio.sleep(60)
    assert lab.view().evse(evse).relay_closed


async def reset(lab: Lab, kind: str) -> Any:
    assert lab.csms is not None
    return await lab.csms.call(ID, "Reset", {"type": kind})


def ended(lab: Lab) -> dict[str, Any]:
    """The Ended event of the first transaction, and nothing wrong in between."""
    assert seen(lab).complaints == []
    tx = next(iter(seen(lab).transactions.values()))  # a car that stays plugged begins another one
    assert tx.ended
    assert tx.seq_numbers == list(range(len(tx.events)))
    return tx.events[-1]


# --- why it starts, and what became of the session --------------------------------------------------------------------


def test_power_cut() -> None:
    async def work(lab: Lab) -> None:
        assert await accepted(lab) == "PowerUp"
        await charge(lab)
        await lab.power_cut()
        await asyncio.sleep(60)
        await lab.power_on()
        assert await accepted(lab, 2) == "PowerUp"
        await asyncio.sleep(60)
        assert ended(lab)["transactionInfo"]["stoppedReason"] == "PowerLoss"

    play(work)


def test_the_program_crashes() -> None:
    async def work(lab: Lab) -> None:
        await accepted(lab)
        await charge(lab)
        await lab.restart()
        assert await accepted(lab, 2) == "Watchdog"
        await asyncio.sleep(60)
        assert ended(lab)["transactionInfo"]["stoppedReason"] == "Reboot"

    play(work)


def test_the_program_is_stopped_and_started(tmp_path: Path) -> None:
    """systemctl restart: the shutdown was orderly, the machine is the same."""

    async def first(lab: Lab) -> None:
        await accepted(lab)
        await charge(lab)

    async def second(lab: Lab) -> None:
        assert await accepted(lab) == "ApplicationReset"
        await asyncio.sleep(60)
        (tx,) = seen(lab).transactions.values()
        assert tx.events[-1]["transactionInfo"]["stoppedReason"] == "Reboot"

    play(first, folder=tmp_path)
    play(second, folder=tmp_path)


def test_reset_at_once() -> None:
    """B12: the answer and what had to be told leave before the restart, which says who asked for it."""

    async def work(lab: Lab) -> None:
        await accepted(lab)
        await charge(lab)
        assert await reset(lab, "Immediate") == {"status": "Accepted"}
        assert await accepted(lab, 2) == "RemoteReset"
        assert ended(lab)["transactionInfo"]["stoppedReason"] == "ImmediateReset"
        assert lab.csms is not None
        calls = [(f.action, f.payload) for f in lab.csms.journal.frames if f.is_call and not f.sent]
        second = [i for i, (action, _) in enumerate(calls) if action == "BootNotification"][1]
        assert any(payload.get("eventType") == "Ended" for action, payload in calls[:second])
        assert lab.boots == 2

    play(work)


def test_reset_when_idle() -> None:
    async def work(lab: Lab) -> None:
        await accepted(lab)
        await charge(lab)
        assert await reset(lab, "OnIdle") == {"status": "Scheduled"}
        await asyncio.sleep(60)
        assert lab.boots == 1
        lab.swipe(KNOWN_TOKENS[0], 1)
        await asyncio.sleep(10)
        lab.unplug(1)
        assert await accepted(lab, 2) == "ScheduledReset"

    play(work)


@pytest.mark.parametrize("kind", ["Hard", "Soft"])
def test_reset_in_16(kind: str) -> None:
    async def work(lab: Lab) -> None:
        while not lab.running.client.online:
            await asyncio.sleep(0.5)
        await charge(lab)
        assert await reset(lab, kind) == {"status": "Accepted"}
        while lab.boots == 1 or not (lab.powered and lab.running.client.online):
            await asyncio.sleep(0.5)
        (tx,) = seen(lab).transactions.values()
        assert [stop["reason"] for stop in tx.stops] == [f"{kind}Reset"]
        assert len(seen(lab).boots) == 2

    play(work, versions=("1.6",))


def test_a_machine_without_a_boot_id_powers_up() -> None:
    """macOS tells none: then nobody can say that it was only the program."""

    async def work(lab: Lab) -> None:
        await accepted(lab)
        await lab.restart()
        assert await accepted(lab, 2) == "PowerUp"

    class Silent(Lab):
        def _around(self) -> Surroundings:
            around = super()._around()
            return Surroundings(
                around.boards, around.open_store, around.link, around.scheduler, around.wall, "1", lambda: ""
            )

    async def main() -> None:
        async with Silent(LabSettings(**FAST)) as lab:
            await work(lab)

    run(main())


def test_this_machine_has_a_boot_id_or_an_empty_one() -> None:
    assert host_boot_id() == host_boot_id()
    assert len(host_boot_id()) in (0, 36)


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_repeat_with_the_seed_and_never_after_a_restart() -> None:
    def ids(seed: str) -> list[str]:
        found: list[str] = []

        async def work(lab: Lab) -> None:
            await accepted(lab)
            await charge(lab)
            await lab.power_cut()
            await lab.power_on()
            await accepted(lab, 2)
            await asyncio.sleep(60)
            assert lab.csms is not None
            found.extend(str(f.id) for f in lab.csms.journal.frames if f.is_call and not f.sent)
            found.extend(seen(lab).transactions)

        play(work, seed=seed)
        return found

    one = ids("7")
    assert one == ids("7")
    assert len(set(one)) == len(one)
    assert not set(one) & set(ids("8"))


# --- the clock --------------------------------------------------------------------------------------------------------


class LateClock(Lab):
    """A station whose clock woke up in the year 1998."""

    def _wall(self) -> float:
        return super()._wall() - 28 * 365 * 86_400.0


def test_what_happened_before_the_clock_was_known_is_corrected() -> None:
    """B01.FR.06, E04: the session began offline with a wrong clock; the CSMS hears when it really was."""

    async def main() -> None:
        async with LateClock(LabSettings(**FAST, trust_clock=False)) as lab:
            lab.network.refuse()
            plugged = lab.clock.now().wall
            lab.plug(1)
            await asyncio.sleep(100)
            assert lab.running.clock.now().wall < DEFAULT_WALL - 1e8
            assert not lab.running.clock.trusted
            assert lab.csms is not None
            await lab.csms.go_online()
            await accepted(lab)
            await asyncio.sleep(30)
            assert lab.running.clock.trusted
            (tx,) = seen(lab).transactions.values()
            assert parse_iso(tx.events[0]["timestamp"]) == pytest.approx(plugged, abs=1.0)

    run(main())


# --- facts of the model -----------------------------------------------------------------------------------------------


async def get(lab: Lab, component: str, variable: str, **evse: int) -> str:
    assert lab.csms is not None
    where: dict[str, Any] = {"name": component, **({"evse": evse} if evse else {})}
    answer = await lab.csms.call(
        ID, "GetVariables", {"getVariableData": [{"component": where, "variable": {"name": variable}}]}
    )
    assert isinstance(answer, dict)
    result = answer["getVariableResult"][0]
    assert result["attributeStatus"] == "Accepted", result
    return str(result["attributeValue"])


def test_what_the_csms_is_told_of_the_moment() -> None:
    async def work(lab: Lab) -> None:
        await accepted(lab)
        await charge(lab)
        told = parse_iso(await get(lab, "ClockCtrlr", "DateTime"))
        assert told == pytest.approx(lab.clock.now().wall, abs=1.0)
        assert await get(lab, "ChargingStation", "Model") == "Simulator"
        assert await get(lab, "SecurityCtrlr", "Identity") == ID
        assert await get(lab, "SecurityCtrlr", "SecurityProfile") == "0"
        assert await get(lab, "ChargingStation", "AvailabilityState") == "Available"
        assert await get(lab, "EVSE", "AvailabilityState", id=1) == "Occupied"
        assert await get(lab, "Connector", "AvailabilityState", id=1, connectorId=1) == "Occupied"
        assert await get(lab, "EVSE", "AvailabilityState", id=2) == "Available"
        assert float(await get(lab, "EVSE", "Power", id=1)) == pytest.approx(10_900, rel=0.05)
        assert float(await get(lab, "EVSE", "Power", id=2)) == 0
        assert lab.csms is not None
        answer = await lab.csms.call(ID, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        assert answer == {"status": "Accepted"}
        await asyncio.sleep(10)
        assert seen(lab).complaints == []

    play(work)


def test_one_word_for_the_whole_station() -> None:
    async def work(lab: Lab) -> None:
        def word() -> ConnectorState:
            return live.station_state(lab.view())

        await accepted(lab)
        assert word() is ConnectorState.AVAILABLE
        lab.plug(1)
        assert word() is ConnectorState.AVAILABLE
        lab.plug(2)
        await asyncio.sleep(1)
        assert word() is ConnectorState.OCCUPIED
        assert lab.csms is not None
        lab.unplug(1)
        lab.unplug(2)
        await lab.csms.call(ID, "ChangeAvailability", {"operationalStatus": "Inoperative"})
        await asyncio.sleep(1)
        assert word() is ConnectorState.UNAVAILABLE

    play(work)


@pytest.mark.parametrize(
    ("more", "profile"),
    [
        ({"url": "ws://csms"}, 0),
        ({"url": "ws://csms", "password": OLD}, 1),
        ({"url": "wss://csms", "password": OLD}, 2),
        ({"url": "WSS://csms", "cert_file": "c.pem"}, 3),
    ],
)
def test_security_profile(tmp_path: Path, more: Mapping[str, Any], profile: int) -> None:
    async def work() -> None:
        app = StationApp(setup(**more), around(tmp_path))
        assert app.model.integer("SecurityCtrlr", "SecurityProfile") == profile
        await app.kill()

    asyncio.run(work())


# --- password ---------------------------------------------------------------------------------------------------------


async def test_a_password_from_the_csms_outlives_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A01: the new one is used at once and after a restart, although the old one is still in the file; neither is logged."""
    caplog.set_level(logging.DEBUG)
    async with EmbeddedCsms(KNOWN_TOKENS, websocket=True, password=OLD) as csms:
        settings = LabSettings(csms_url=csms.url, password=OLD, folder=tmp_path, evses=1)
        async with Lab(settings) as lab:
            await asyncio.wait_for(csms.wait_connected(ID), 10)
            await csms.wait_for(ID, "BootNotification", since=0, timeout=10)
            listener = csms._listener
            assert listener is not None
            listener._password = NEW
            mark = csms.mark()
            write = {
                "attributeValue": NEW,
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "BasicAuthPassword"},
            }
            answer = await csms.call(ID, "SetVariables", {"setVariableData": [write]})
            assert isinstance(answer, dict)
            assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
            while csms.station(ID).connections < 2:
                await asyncio.sleep(0.05)
            assert await csms.call(ID, "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
            boot = await csms.wait_for(ID, "BootNotification", since=mark, timeout=10)
            assert boot["reason"] == "RemoteReset"
            assert lab.running.security_profile == 1
            assert lab.running.setup.password == OLD
    assert OLD not in caplog.text
    assert NEW not in caplog.text


# --- building ---------------------------------------------------------------------------------------------------------


def setup(**more: Any) -> StationSetup:
    values: dict[str, Any] = {"url": "ws://127.0.0.1:9", "versions": ("2.0.1",), "evses": (EvseSetup(1, "b"),)}
    return StationSetup(ID, **{**values, **more})


def around(folder: Path) -> Surroundings:
    from hal.registry import create_board

    return Surroundings(
        boards=lambda: {"b": create_board("sim", {})},
        open_store=file_store(folder / "station.db", lambda: DEFAULT_WALL),
        seed="1",
    )


def test_a_station_that_cannot_be_built_lets_go_of_its_database(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(ConfigError, match="ws://"):
            StationApp(setup(url="http://csms"), around(tmp_path))
        await StationApp(setup(), around(tmp_path)).kill()

    asyncio.run(work())


def test_saved_variables_that_no_longer_fit_are_told_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore.open(tmp_path / "station.db", threaded=False, now_wall=lambda: DEFAULT_WALL)
    rows = {"TxCtrlr.EVConnectionTimeOut": "77", "Gone.Variable": "1"}
    store.commit([PutRow("variable", key, {"value": value}) for key, value in rows.items()], lambda _error: None)
    store.close()

    async def work() -> None:
        app = StationApp(setup(variables={"TxCtrlr.EVConnectionTimeOut": "33"}), around(tmp_path))
        assert app.model.integer("TxCtrlr", "EVConnectionTimeOut") == 77
        await app.kill()

    asyncio.run(work())
    assert "Gone.Variable" in caplog.text


def test_a_damaged_database_is_kept_and_the_station_starts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "station.db").write_bytes(b"no database" * 500)

    async def work() -> None:
        app = StationApp(setup(), around(tmp_path))
        await app.start()
        await app.stop()

    asyncio.run(work())
    assert list(tmp_path.glob("station.db.corrupt-*"))
    assert "was damaged" in caplog.text


def test_a_computed_variable_is_read_when_asked(tmp_path: Path) -> None:
    async def work() -> None:
        app = StationApp(setup(), around(tmp_path))
        first = app.model.text("ClockCtrlr", "DateTime")
        app.clock.set_wall(parse_iso(first) + 100)
        assert parse_iso(app.model.text("ClockCtrlr", "DateTime")) == pytest.approx(parse_iso(first) + 100, abs=5)
        with pytest.raises(KeyError):
            app.model.compute(VariableKey("No", "Such"), lambda: "")
        await app.kill()

    asyncio.run(work())


# --- mistakes ---------------------------------------------------------------------------------------------------------


class Clumsy:
    """Hooks of a link that stumble over the first text."""

    def __init__(self, hooks: LinkHooks) -> None:
        self._hooks = hooks
        self.on_open, self.on_closed = hooks.on_open, hooks.on_closed
        self.mistakes = 0

    def on_text(self, text: str) -> None:
        self.mistakes += 1
        if self.mistakes == 1:
            raise RuntimeError("one bug")
        self._hooks.on_text(text)


async def test_a_mistake_in_a_hook_does_not_end_ocpp(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The supervisor runs the link again, and the log says why."""
    async with EmbeddedCsms(KNOWN_TOKENS, websocket=True) as csms:

        def link(settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> Link:
            return Link(settings, Clumsy(hooks), rng)

        app = StationApp(setup(url=csms.url), replace(around(tmp_path), link=link))
        await app.start()
        async with asyncio.timeout(10):
            while not app.client.online:
                await asyncio.sleep(0.01)
        assert "one bug" in caplog.text
        assert "task link crashed" in caplog.text
        assert csms.station(ID).connections == 2
        await app.stop()
        assert "should run for ever" not in caplog.text


async def test_the_watchdog_looks_at_ocpp_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}, 1)
        app = StationApp(setup(), around(tmp_path), notifier=notifier)
        await app.start()
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(manager, 99), 10) == b"WATCHDOG=1"
        app.client._pump._stumbles = STUMBLES_MOST
        async with asyncio.timeout(10):
            while "no sign of life from ocpp" not in caplog.text:
                await asyncio.sleep(0.01)
        await app.stop()
        notifier.close()
