"""hal.drivers.mcu_probe on virtual time: who is there, with nothing sent."""

from __future__ import annotations

import asyncio

import pytest

from hal.drivers.mcu_probe import listen
from hal.emulators.mcu.device import McuEmulator
from hal.emulators.openevse.device import OpenEvseEmulator
from hal.found import Found, FoundKind
from tests.hal.mcu_bench import McuPort
from tests.hal.test_openevse_virtual import virtual


async def probed(port: McuPort, timeout_s: float = 6.0) -> Found | None:
    port.device.tick(asyncio.get_running_loop().time())  # what it said while nobody listened is gone
    await port.open()
    try:
        return await listen("/dev/memory", port, timeout_s)
    finally:
        await port.close()
        assert port.written == b""


@pytest.mark.parametrize("name", ["yeti", "adkit", "tida", "phyverso"])
@virtual
async def test_each_board_is_found_and_nothing_is_sent(name: str) -> None:
    port = McuPort(McuEmulator({"board": name, "software": "9.1"}))
    port.device.tick(0.0)
    await asyncio.sleep(20.3)
    found = await probed(port)
    assert found is not None
    assert (found.kind, found.driver) == (FoundKind.BOARD, name)
    assert found.who.endswith("hardware 1.2, firmware 9.1") or name == "phyverso"
    assert (found.settings["port"], found.evses) == ("/dev/memory", 2 if name == "phyverso" else 1)
    assert found.settings.get("max_a") == (None if name == "phyverso" else 32.0)


@virtual
async def test_the_readout_has_the_same_names_each_time() -> None:
    port = McuPort(McuEmulator({"board": "yeti", "max_a": 16.0, "max_phases": 1}))
    port.device.tick(0.0)
    await asyncio.sleep(5.0)
    quiet = await probed(port)
    assert quiet is not None
    assert quiet.settings == {"port": "/dev/memory", "max_a": 16.0, "phases": 1}
    await port.open()
    task = asyncio.ensure_future(listen("/dev/memory", port, 6.0))
    await asyncio.sleep(0.01)
    port.order(car="plugged", pp="20", fault="diode", total_wh=1234.0)
    busy = await task
    await port.close()
    assert busy is not None
    assert [name for name, _ in quiet.readout] == [name for name, _ in busy.readout]
    shown = dict(busy.readout)
    assert (shown["pilot"], shown["cable"], shown["errors"], shown["energy"]) == ("B", "20 A", "diode", "1234 Wh")
    assert shown["cp_high"] == "9000"
    assert dict(quiet.readout)["contactor"] == "?"  # it is told when it changes


@virtual
async def test_a_board_that_charges_by_itself_goes_on() -> None:
    port = McuPort(McuEmulator({"board": "adkit"}))
    port.device.tick(0.0)
    await asyncio.sleep(1.0)
    port.order(car="asks")
    await asyncio.sleep(3.0)
    assert port.order(look=True)["relay"] is True
    assert await probed(port) is not None
    facts = port.order(look=True)
    assert (facts["relay"], facts["alone"]) == (True, True)


@virtual
async def test_whoever_else_is_there_is_none() -> None:
    assert await probed(McuPort(OpenEvseEmulator({}))) is None  # type: ignore[arg-type]
    mute = McuPort(McuEmulator({}))
    mute.order(mute=True)
    assert await probed(mute) is None
