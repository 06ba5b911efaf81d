"""The firmware's program over its restarts: by order, by its own wish, and when a restart does not come about."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hal.api import CardPresented, TokenKind
from hal.registry import create_board
from station.app import EvseSetup, StationApp, StationSetup, Surroundings, file_store
from station.errors import ControlError, StoreError
from station.firmware_host import FirmwareHost
from station.runtime.control import Controller
from station.runtime.supervise import Notifier
from station.sim.csms import EmbeddedCsms


class Rig:
    """A host whose database may be made impossible."""

    def __init__(self, folder: Path, url: str) -> None:
        self.broken = False
        board = {"b": create_board("sim", {"evses": 1})}
        store = file_store(folder / "station.db", lambda: 1_767_225_600.0)
        setup = StationSetup("CS001", url, ("2.0.1",), (EvseSetup(1, "b"),))

        def opened():  # type: ignore[no-untyped-def]
            if self.broken:
                raise StoreError("the database is gone")
            return store()

        notifier = Notifier({}, 0)
        self.host = FirmwareHost(
            setup,
            notifier,
            lambda: StationApp(
                setup, Surroundings(boards=lambda: board, open_store=opened, link=self.host.link), notifier=notifier
            ),
        )


async def test_it_is_started_stopped_and_restarted(tmp_path: Path) -> None:
    async with EmbeddedCsms(websocket=True) as csms:
        rig = Rig(tmp_path, csms.url)
        host, control = rig.host, Controller(rig.host)
        frames: list[object] = []
        control.subscribe(frozenset({"frame"}), frames.append)
        assert (await control.do("state", {}))["station"]["powered"]
        assert not host.inject(CardPresented(1, "04A1B2C3", TokenKind.ISO14443))
        await host.start()
        await csms.wait_for("CS001", "BootNotification", since=0, timeout=20)
        with pytest.raises(ControlError, match="runs already"):
            await host.start()
        assert host.inject(CardPresented(1, "04A1B2C3", TokenKind.ISO14443))
        assert host.trouble is None
        assert host.about.seed is None
        mark = csms.mark()
        assert (await control.do("restart", {}))["boots"] == 2
        await csms.wait_for("CS001", "BootNotification", since=mark, timeout=20)
        await control.do("stop", {})
        assert host.program is None
        await host.stop()
        await control.do("start", {})
        assert host.boots == 3
        assert frames
        await host.close()
        assert host.program is None


async def test_a_restart_by_its_own_wish_that_fails_ends_the_process(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "ws://127.0.0.1:9")
    await rig.host.start()
    rig.broken = True
    assert rig.host.app is not None
    rig.host.app.rebooting.set_result("RemoteReset")
    with pytest.raises(StoreError, match="the database is gone"):
        await asyncio.wait_for(rig.host.failed, 20)
    await rig.host.close()


async def test_a_restart_by_order_that_fails_is_told_and_ends_the_process(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "ws://127.0.0.1:9")
    control = Controller(rig.host)
    await rig.host.start()
    async with asyncio.timeout(20):
        while rig.host.trouble is None:
            await asyncio.sleep(0.01)
    assert "refused" in rig.host.trouble.lower()
    rig.broken = True
    with pytest.raises(ControlError, match="the database is gone"):
        await control.do("restart", {})
    with pytest.raises(StoreError):
        await asyncio.wait_for(rig.host.failed, 20)
    await rig.host.close()


async def test_two_orders_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "ws://127.0.0.1:9")
    await rig.host.start()
    await asyncio.gather(rig.host.restart(), rig.host.restart(), rig.host.restart())
    assert rig.host.boots == 4
    assert rig.host.program is not None
    await rig.host.close()
