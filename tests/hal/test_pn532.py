"""The PN532 driver against the emulated chip: over pseudo terminals, with bad wires and pulled plugs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hal.api import CardPresented, FaultCode, TokenKind
from hal.drivers.card_token import Presence, TokenOptions
from hal.drivers.pn532 import Pn532, claims, create
from hal.emulators.pn532 import create as emulate
from hal.emulators.process import EmulatorProcess
from hal.emulators.serve import PtyPlug, Server
from hal.errors import BusError, ConfigError, DeviceError
from tests.hal.openevse_bench import Listener

CARD = CardPresented(None, "04A1B2C3D4E5F6")
QUICK = {"poll_s": 0.15, "debounce_s": 0.4, "timeout_s": 0.3}


class Bench:
    """A chip behind a pseudo terminal in this process, a reader, and somebody who listens."""

    def __init__(self, link: Path, **settings: object) -> None:
        self.chip = emulate({})
        self.server = Server(self.chip, PtyPlug(link), random.Random(1))
        self.server.start()
        self.listener = Listener()
        self.reader: Pn532 = create({"port": self.server.port, **QUICK, **settings})

    async def start(self) -> Bench:
        await self.reader.start(self.listener)
        return self

    async def card(self, event: CardPresented = CARD) -> None:
        await self.listener.until(event)

    def heard(self, kind: type = CardPresented) -> list[object]:
        return [event for event in self.listener.heard if isinstance(event, kind)]

    async def end(self) -> None:
        await self.reader.close()
        self.server.stop()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = await Bench(tmp_path / "reader").start()
    yield found
    await found.end()


async def test_a_card_counts_once_until_it_was_away(bench: Bench) -> None:
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    await asyncio.sleep(1.0)
    assert bench.heard() == [CARD]
    bench.server.obey({"card": "none"})
    await asyncio.sleep(0.8)
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    assert bench.heard() == [CARD, CARD]


async def test_it_is_silent_while_nobody_comes_and_its_field_is_off_in_the_end(bench: Bench) -> None:
    await asyncio.sleep(0.7)
    before = bench.chip.commands
    await asyncio.sleep(1.0)
    assert bench.chip.commands == before
    assert bench.chip.last.startswith("60")
    await bench.reader.close()
    await bench.reader.close()
    await asyncio.sleep(0.05)
    assert bench.chip.last == "320100"
    assert not bench.chip.field


@pytest.mark.parametrize("uid", ["DEADBEEF", "04A1B2C3D4E5F6", "0102030405060708090A"])
async def test_uids_of_every_size(bench: Bench, uid: str) -> None:
    bench.server.obey({"card": uid})
    await bench.card(CardPresented(None, uid))


async def test_another_card_at_once_and_a_wallet(bench: Bench) -> None:
    bench.server.obey({"card": "DEADBEEF"})
    await bench.card(CardPresented(None, "DEADBEEF"))
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    bench.server.obey({"card": ["04A1B2C3D4E5F6", "CAFEBABE"]})
    await asyncio.sleep(0.6)
    assert len(bench.heard()) == 2


async def test_a_phone_is_flagged_and_counts_once(bench: Bench) -> None:
    bench.server.obey({"phone": True})
    found = await bench.listener.until(lambda event: isinstance(event, CardPresented))
    assert isinstance(found, CardPresented)
    assert (found.random, found.value[:2], len(found.value)) == (True, "08", 8)
    await asyncio.sleep(0.7)
    assert len(bench.heard()) == 1


async def test_a_phone_may_be_ignored(tmp_path: Path) -> None:
    bench = await Bench(tmp_path / "reader", random="ignore").start()
    bench.server.obey({"phone": True})
    await asyncio.sleep(0.4)
    bench.server.obey({"phone": False, "card": "04A1B2C3D4E5F6"})
    await bench.card()
    assert bench.heard() == [CARD]
    await bench.end()


async def test_the_options_of_a_token(tmp_path: Path) -> None:
    options = {"evse": 2, "reverse": True, "case": "lower", "prefix": "DE-", "kind": "Local", "max_bytes": 6}
    bench = await Bench(tmp_path / "reader", **options).start()
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card(CardPresented(2, "DE-e5d4c3b2a104", TokenKind.LOCAL))
    await bench.end()


@pytest.mark.parametrize("mode", ["list", "auto"])
async def test_chips_that_do_not_look_by_themselves(tmp_path: Path, mode: str) -> None:
    bench = Bench(tmp_path / "reader", mode=mode)
    bench.server.obey({"auto_poll": False})
    await bench.start()
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    bench.server.obey({"card": "none"})
    await asyncio.sleep(0.7)
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    assert bench.heard() == [CARD, CARD]
    assert not bench.reader._auto
    await bench.end()


@pytest.mark.parametrize(
    "knobs",
    [
        {"wrong_checksum": 1},
        {"lose": 1},
        {"truncate": 0.1},
        {"flip": 0.1},
        {"noise": 0.3},
        {"duplicate": 0.3},
        {"delay_s": 0.05},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
async def test_a_bad_wire_loses_no_card(tmp_path: Path, knobs: dict[str, object]) -> None:
    bench = await Bench(tmp_path / "reader", mode="list").start()
    bench.server.obey(knobs)
    for uid in ("04A1B2C3D4E5F6", "DEADBEEF", "0102030405060708090A"):
        bench.server.obey({"card": uid})
        await bench.card(CardPresented(None, uid))
    values = {event.value for event in bench.heard() if isinstance(event, CardPresented)}
    assert values == {"04A1B2C3D4E5F6", "DEADBEEF", "0102030405060708090A"}
    await bench.end()


async def test_pulled_out_and_plugged_in_again(bench: Bench) -> None:
    bench.server.obey({"hang_up": 0.3})
    fault = await bench.listener.fault(FaultCode.READER_FAILURE, True)
    assert fault.evse == 0
    assert "plug" in fault.info
    await bench.listener.fault(FaultCode.READER_FAILURE, False)
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()


async def test_a_brown_out_is_made_good(bench: Bench) -> None:
    """It sleeps again and has forgotten its settings: the next look notices, and wakes it up."""
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    bench.server.obey({"brown_out": 0.05})
    await asyncio.sleep(0.1)
    bench.server.obey({"card": "DEADBEEF"})
    await bench.card(CardPresented(None, "DEADBEEF"))


async def test_silence_is_a_fault_that_ends(bench: Bench) -> None:
    bench.server.obey({"card": "04A1B2C3D4E5F6"})
    await bench.card()
    bench.server.obey({"deaf": True})
    fault = await bench.listener.fault(FaultCode.READER_FAILURE, True)
    assert "does not answer" in fault.info
    bench.server.obey({"deaf": False})
    await bench.listener.fault(FaultCode.READER_FAILURE, False)


async def test_no_reader_another_chip_no_port(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "reader", timeout_s=0.1)
    bench.server.obey({"deaf": True})
    with pytest.raises(BusError, match="does not answer"):
        await bench.start()
    bench.server.obey({"deaf": False, "chip": 7})
    with pytest.raises(DeviceError, match="no PN532"):
        await bench.start()
    await bench.end()
    with pytest.raises(BusError, match="plugged in"):
        await create({"port": str(tmp_path / "nothing")}).start(bench.listener)


async def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    async with EmulatorProcess("pn532", link=tmp_path / "reader", card="DEADBEEF") as emulator:
        listener = Listener()
        reader = create({"port": emulator.port})
        await reader.start(listener)
        assert reader.version == "1.6"
        await listener.until(CardPresented(None, "DEADBEEF"))
        assert (await emulator.tell(look=True))["awake"]
        with pytest.raises(ConfigError, match="card"):
            await emulator.tell(card="12")
        with pytest.raises(ConfigError, match="nonsense"):
            await emulator.tell(nonsense=1)
        await reader.close()


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        create({"poll_s": 9, "mode": "x", "kind": "KeyCode", "bauds": 1, "prefix": "x" * 30})
    for field in ("port", "poll_s", "mode", "kind", "bauds", "prefix"):
        assert f"reader.{field}" in str(caught.value)
    with pytest.raises(ConfigError, match=r"reader\.port"):
        create({"port": "http://x"})
    with pytest.raises(ConfigError, match="pn532"):
        emulate({"cards": "x"})
    assert claims({"port": "/dev/ttyUSB0"}) == {("/dev/ttyUSB0", 0)}
    assert claims({}) == set()


def test_presence() -> None:
    presence = Presence(2.0)
    a, b = b"aaaa", b"bbbb"
    assert presence.look([a, b], 0.0) == a
    assert presence.look([b], 1.0) is None
    assert presence.look([b], 2.9) is None
    assert presence.look([a], 2.95) == a  # away since 0.0
    assert presence.anybody(4.9)
    assert not presence.anybody(5.0)
    presence.forget()
    assert presence.look([a], 3.0) == a


def test_random_uids_have_four_bytes() -> None:
    options = TokenOptions()
    assert options.event(bytes.fromhex("08010203")) == CardPresented(None, "08010203", random=True)
    assert options.event(bytes.fromhex("08010203040506")) == CardPresented(None, "08010203040506")
