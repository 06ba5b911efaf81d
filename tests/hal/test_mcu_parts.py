"""hal.drivers.mcu_link, mcu_reach and mcu_connector by themselves."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import PilotSignal
from hal.drivers.mcu_boards import BOARDS, TIDA, YETI
from hal.drivers.mcu_connector import REPEATS, Level
from hal.drivers.mcu_link import McuLink
from hal.drivers.mcu_messages import PilotTold, Speech, Told
from hal.drivers.mcu_reach import supervision
from hal.drivers.mcu_settings import read_settings
from hal.drivers.mcu_wire import encode
from hal.emulators.mcu.wire import put
from hal.errors import BusError
from tests.hal.mcu_bench import McuBench, now
from tests.hal.test_openevse_virtual import virtual


class Script:
    """A port with bytes that come, and a record of those that go."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.written: list[bytes] = []

    async def open(self) -> None:
        return

    async def read(self, most: int = 4096) -> bytes:
        await asyncio.sleep(0)
        if not self.chunks:
            raise BusError("script: the end")
        return self.chunks.pop(0)[:most]

    async def write(self, data: bytes) -> None:
        if self.written == [b"broken"]:
            raise BusError("script: cannot be written")
        self.written.append(data)

    async def close(self) -> None:
        return


async def test_a_link_tells_what_is_whole_and_counts_what_is_not() -> None:
    heard: list[Told] = []
    good = encode(put(102, 2))
    port = Script(b"\x07noise\0" + good[:4], good[4:] + encode(put(200, 1)), b"\xff" * 30)
    link = McuLink("/dev/x", port, YETI, heard.append)
    await link.open()
    await link.lost.wait()
    assert [type(told) for told in heard] == [PilotTold]
    assert link.spoilt == 1
    with pytest.raises(BusError, match="the end"):
        await link.send(Speech(YETI).keep_alive())
    assert port.written == []
    await link.close()
    with pytest.raises(BusError):
        link.check()


async def test_what_is_said_twice_is_one_write_and_a_write_that_fails_loses_the_line() -> None:
    port = Script(*[b""] * 1000)
    link = McuLink("/dev/x", port, YETI, lambda told: None)
    await link.open()
    await link.send(put(1, 1), put(2, 1), twice=True)
    assert port.written == [(encode(put(1, 1)) + encode(put(2, 1))) * 2]
    port.written[:] = [b"broken"]
    with pytest.raises(BusError, match="cannot be written"):
        await link.send(put(1, 1))
    assert link.lost.is_set()
    await link.close()


async def test_another_board_of_the_family_is_a_stranger_and_not_heard() -> None:
    heard: list[Told] = []
    link = McuLink("/dev/x", Script(encode(put(1, put(4, 1) + put(6, "x")))), BOARDS["phyverso"], heard.append)
    await link.open()
    await link.lost.wait()
    assert (link.stranger, heard) == (TIDA, [])
    await link.close()


@virtual
async def test_a_level_is_repeated_only_as_long_as_it_may_have_been_missed() -> None:
    bench = await McuBench("tida").start()
    await asyncio.sleep(25.0)
    (connector,) = bench.driver.connectors
    assert connector.level == Level(phases=3)
    await bench.unit.pilot.signal(PilotSignal.PWM, 10.0)
    mark = len(bench.look()["log"])
    began = now()
    while now() - began < REPEATS + 1.5:
        await asyncio.sleep(0.1)
    log = bench.look()["log"][mark:]
    assert 2 <= log.count("pwm 1667") <= REPEATS + 1
    assert log.count("keep_alive 32036e2f61") >= REPEATS
    await bench.close()


def test_supervision_is_told_in_words() -> None:
    port = {"port": "/dev/x"}
    assert "heartbeat_timeout (within 10 s" in supervision(read_settings(BOARDS["phyverso"], port))
    assert 'board.host_loss = "opens"' in supervision(read_settings(YETI, port))
