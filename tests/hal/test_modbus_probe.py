"""Who is on a Modbus line: every meter of hal/meters by what it says of itself, or by its values; relay boards; nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import MeterReading
from hal.bus.modbus_rtu import ModbusBus
from hal.bus.serial import Line
from hal.drivers.modbus_probe import plausible, probe_unit, scan
from hal.emulators.process import EmulatorProcess
from hal.errors import BusError, ConfigError
from hal.found import FoundKind
from hal.meters.identity import FIELDS, Identity, IdentityField
from hal.meters.model import load, names, parse
from tests.hal.relay_bench import CoilBench
from tests.hal.test_meters import good_table
from tests.hal.test_modbus_meter import cabled, on
from tests.hal.test_openevse_virtual import virtual

READING = {1, 2, 3, 4}
SAYS = [name for name in names() if any(field.codes or field.starts for field in load(name).identity)]


@pytest.mark.parametrize("name", names())
@virtual
async def test_every_meter_is_found(name: str) -> None:
    _, cable = cabled(f"{name}@7")
    found = await probe_unit(ModbusBus(cable), 7)
    assert found is not None
    assert (found.kind, found.driver) == (FoundKind.METER, name)
    assert (found.settings["port"], found.settings["address"]) == ("/dev/cable", 7)
    assert dict(found.readout)["import"] == "1.000 kWh"
    assert ("by its values" in found.who) is (name not in SAYS)
    assert {frame[1] for _, frame in cable.sent} <= READING  # nothing is ever written


@pytest.mark.parametrize("name", names())
@virtual
async def test_a_meter_that_does_not_say_who_it_is_is_found_by_its_values(name: str) -> None:
    device, cable = cabled(f"{name}@7")
    device.control({"anonymous": True}, 0.0)
    found = await probe_unit(ModbusBus(cable), 7)
    if not load(name).quantities.keys() & {"voltage_v"}:
        assert found is None or found.driver != "sdm72d"  # it has none: nothing tells it from noise
        return
    assert found is not None
    # Tables that hold the same registers at the same places cannot be told apart by values; the reading is the same.
    same = {"sdm630": {"sdm630", "sdm72dv2"}, "sdm72dv2": {"sdm630", "sdm72dv2"}}
    assert found.driver in same.get(name, {name}), found
    assert "by its values" in found.who


@virtual
async def test_nobody_is_nobody_and_quickly_known() -> None:
    device, cable = cabled("sdm630@1")
    assert await probe_unit(ModbusBus(cable), 2) is None
    assert len(cable.sent) == 3
    device.control({"refuse": 1}, 0.0)
    assert await probe_unit(ModbusBus(cable), 1) is None
    cable.unplug()
    with pytest.raises(BusError):
        await probe_unit(ModbusBus(cable), 1)


@virtual
async def test_a_relay_board_is_no_meter() -> None:
    bench = CoilBench(device={"unit": 5})
    found = await probe_unit(ModbusBus(bench.cable), 5)
    assert found is not None
    assert (found.kind, found.driver) == (FoundKind.BOARD, "relay")
    assert found.settings["contactor"]["address"] == 5  # type: ignore[index]  # a table


async def test_a_line_is_scanned_over_a_pty() -> None:
    async with EmulatorProcess("modbus_meter", meters="sdm630@2,abb_b2x@3") as emulator:
        found = [one async for one in scan(Line(emulator.port, 19200), range(2, 4), 0.2)]
    assert [(one.driver, one.settings["address"], one.settings["baud"]) for one in found] == [
        ("sdm630", 2, 19200),
        ("abb_b2x", 3, 19200),
    ]
    assert found[0].who == "Eastron SDM630 (and SDM630-M V2), says 112, serial number 21070002"
    assert found[1].who.startswith("ABB B21, B23, B24, A series, says A4-EMULATED")
    assert [name for name, _ in found[0].readout] == [name for name, _ in found[1].readout]


# --- identity ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_meter_says_who_it_is() -> None:
    device, cable = cabled("bsm_ws36a@42")
    meter = on(cable, "bsm_ws36a")
    assert await meter.identify() == Identity("BSM-EMULATED", "EM000042", "EM000042")
    device.control({"anonymous": True}, 0.0)
    assert await meter.identify() == Identity()
    device.control({"mute": True}, 0.0)
    with pytest.raises(BusError):
        await meter.identify()


@pytest.mark.parametrize(
    ("field", "words", "value", "verdict"),
    [
        (IdentityField("model", 3, 0, "u16", 1, codes=(0x70,)), (0x70,), 0x70, True),
        (IdentityField("model", 3, 0, "u16", 1, codes=(0x70,)), (0x84,), 0x84, False),
        (IdentityField("serial", 3, 0, "u32", 2), (0x0141, 0x8230), 0x01418230, None),
        (IdentityField("serial", 3, 0, "u32", 2), (0xFFFF, 0xFFFF), None, None),
        (IdentityField("model", 3, 0, "text", 4, starts=("B2",)), (0x4232, 0x3320, 0, 0), "B23", True),
        (IdentityField("model", 3, 0, "text", 2, starts=("B2",)), (0x5858, 0), "XX", False),
        (IdentityField("model", 3, 0, "text", 2, starts=("B2",)), (0, 0), None, None),
        (IdentityField("model", 3, 0, "text", 2, starts=("B2",)), (0xFFFE, 0x0102), None, None),
    ],
)
def test_what_a_field_says(
    field: IdentityField, words: tuple[int, ...], value: str | int | None, verdict: bool | None
) -> None:
    assert field.decode(words) == value
    assert field.speaks_for(value) is verdict


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8))
def test_any_text_is_one_or_none(words: list[int]) -> None:
    value = IdentityField("model", 3, 0, "text", len(words)).decode(words)
    assert value is None or (isinstance(value, str) and value.isprintable())


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (7, "identity: must be a table"),
        ({"colour": {"address": 1}}, "identity.colour: unknown; known are model, serial, firmware"),
        ({"model": {}}, "identity.model.address: is missing"),
        ({"model": {"address": 1, "type": "f32"}}, "identity.model.type: must be one of"),
        ({"model": {"address": 1, "starts": [1]}}, "identity.model.starts: must be a list of texts"),
        ({"model": {"address": 1, "codes": ["a"]}}, "identity.model.codes"),
        ({"model": {"address": 1, "what": 1}}, "identity.model.what: unknown"),
    ],
)
def test_what_is_wrong_in_an_identity_is_named(identity: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse("mine.toml", {**good_table(), "identity": identity})
    assert parse("mine.toml", good_table()).identity == ()
    assert set(FIELDS) == set(Identity.__slots__)


def test_no_two_models_claim_the_same_code() -> None:
    seen: dict[tuple[int, int, object], str] = {}
    for name in names():
        for field in load(name).identity:
            for mark in (*field.codes, *field.starts):
                key = (field.function, field.address, mark)
                assert key not in seen, (name, seen.get(key))
                seen[key] = name


@pytest.mark.parametrize(
    ("volts", "hertz", "score"),
    [
        ((230.0, 231.0, 229.0), 50.0, 4),
        ((230.0, 0.0, 0.0), 50.0, 2),
        ((120.0,), None, 1),
        ((), 50.0, 0),
        ((2.3e9,), 50.0, 0),
        ((230.0,), 0.0, 0),
    ],
)
def test_mains_is_plausible(volts: tuple[float, ...], hertz: float | None, score: int) -> None:
    assert plausible(MeterReading(1.0, voltage_v=volts, frequency_hz=hertz)) == score
