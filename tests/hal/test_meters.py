"""Meters as data: every table, what is refused in one, numbers from registers, and what is not believed."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import MeterReading
from hal.errors import ConfigError, DeviceError
from hal.meters.decode import reading, value_of, words_of
from hal.meters.model import PER_PHASE, QUANTITIES, SHELF, WORDS, MeterModel, Register, load, names, parse
from hal.meters.plausible import FROZEN_WH, MARGIN_WH, Plausibility

# --- the tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_table_is_right(name: str) -> None:
    model = load(name)
    assert model.source
    assert model.phases in {1, 3}
    assert {"energy_import_wh", "energy_export_wh", "power_w"} <= model.quantities.keys()
    assert all(block.function in {3, 4} and block.count <= 125 for block in model.blocks)
    # The energy and the power of most meters are of one moment; nobody needs more than two requests.
    assert len(model.blocks) <= 2


def test_the_meters_that_people_own_are_there() -> None:
    assert {"sdm120", "sdm72d", "sdm72dv2", "sdm630", "abb_b2x", "em24", "em340", "em580", "iem3155"} <= set(names())
    assert {load(name).signing for name in ("wm3m4c", "bsm_ws36a")} == {"iskra", "bsm"}
    bauer = load("bsm_ws36a")
    assert (bauer.unit, bauer.baud, bauer.parity) == (42, 19200, "E")
    assert (load("wm3m4c").unit, load("wm3m4c").baud) == (33, 115200)


def good_table() -> dict[str, Any]:
    return {
        "name": "A",
        "source": "B",
        "line": {"address": 1},
        "block": [{"function": 3, "start": 0, "count": 10}],
        "energy_import_wh": {"address": 0, "type": "u32"},
        "voltage_v": {"address": [2, 4, 6], "type": "u32", "exponent": 8},
    }


def test_a_table_of_your_own(tmp_path: Path) -> None:
    assert parse("mine.toml", good_table()).phases == 3
    path = tmp_path / "mine.toml"
    path.write_text((SHELF.folder / "sdm120.toml").read_text())
    assert load(str(path)).name == "Eastron SDM120"
    path.with_name("bad.toml").write_text("name = ")
    with pytest.raises(ConfigError, match=r"bad\.toml: is not TOML"):
        load(str(path.with_name("bad.toml")))
    with pytest.raises(ConfigError, match=r"meter\.model: .*none\.toml cannot be read: No such file"):
        load(str(path.with_name("none.toml")))
    with pytest.raises(ConfigError, match=r"meter\.model: unknown meter 'sdm999'; known are abb_b2x"):
        load("sdm999")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("name",), 3, "name: must be a text"),
        (("source",), None, "source: is missing"),
        (("energy_import_wh",), None, "energy_import_wh: is missing"),
        (("energy_import_wh",), 5, "energy_import_wh: must be a table"),
        (("energy_import_wh", "type"), "f31", "energy_import_wh.type: must be one of"),
        (("energy_import_wh", "address"), [1, 2], "energy_import_wh.address: must be one address"),
        (
            ("energy_import_wh", "address"),
            0x10000,
            "energy_import_wh.address: must be a whole number, or a list of them,",
        ),
        (("energy_import_wh", "address"), 9, r"energy_import_wh.address: 0x0009 \(words: 2\) lies whole in no block"),
        (("energy_import_wh", "scale"), 0, "energy_import_wh.scale: must not be 0"),
        (("energy_import_wh", "skale"), 1, "energy_import_wh.skale: unknown"),
        (("voltage_v", "address"), [2, 4], "voltage_v.address: must be one address, or a list of three"),
        (("voltage_v", "exponent"), 10, "voltage_v.exponent: 0x000a"),
        (("voltage_v", "word_order"), "middle", "voltage_v.word_order: must be one of high-first, low-first"),
        (
            ("block",),
            [{"function": 5, "start": 0, "count": 10}],
            r"block\[1\].function: must be a whole number of 3 to 4",
        ),
        (("block",), [{"function": 3, "start": 0, "count": 126}], r"block\[1\].count"),
        (("block",), [{"function": 3, "count": 9}], r"block\[1\].start: is missing"),
        (("block",), [{"function": 3, "start": 0xFFFF, "count": 9}], "ends after 0xffff"),
        (
            ("block",),
            [{"function": 3, "start": at, "count": 9} for at in (8, 0)],
            "block: 0x0008 lies in the block before",
        ),
        (("block",), 7, "block: must be a list of tables"),
        (("line",), 7, "line: must be a table"),
        (("line", "parity"), "M", "line.parity: must be one of N, E, O"),
        (("line", "adress"), 1, "line.adress: unknown"),
        (("signing",), "magic", "signing: must be one of bsm, iskra"),
        (("volts",), {}, "volts: unknown"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(path: tuple[str, ...], value: object, words: str) -> None:
    table = good_table()
    place = table
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(ConfigError, match=rf"mine\.toml\.{words}|mine\.toml.*{words}"):
        parse("mine.toml", table)


@given(
    st.dictionaries(
        st.sampled_from([*QUANTITIES, "line", "block", "name", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["address", "type", "start"]), inner)
            ),
            max_leaves=6,
        ),
    )
)
def test_a_table_of_anything_is_refused_in_words(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse("any", table)


# --- numbers ----------------------------------------------------------------------------------------------------------


def number(register: Register, data: str) -> float | None:
    raw = bytes.fromhex(data)
    words = [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
    return value_of(register, words_of(register.address, words))


@pytest.mark.parametrize(
    ("register", "data", "value"),
    [
        (Register(0, "f32"), "43660000", 230.0),
        (Register(0, "f32", 1000.0), "447a2000", 1_000_500.0),
        (Register(0, "f32"), "7fc00000", None),
        (Register(0, "f32"), "ff800000", None),
        (Register(0, "i32", 0.1, low_first=True), "08fc0000", 230.0),  # EM24: 2300, low word first
        (Register(0, "i32", 0.1, low_first=True), "fc18ffff", -100.0),
        (Register(0, "i64", 1.0, low_first=True), "56781234000000000000"[:16], 0x12345678),
        (Register(0, "u64", 10.0, absent=2**64 - 1), "00000000000f4240", 10_000_000.0),
        (Register(0, "u64", 10.0, absent=2**64 - 1), "ffffffffffffffff", None),
        (Register(0, "i32", 0.01, absent=0x7FFFFFFF), "7fffffff", None),
        (Register(0, "i32", 0.01, absent=0x7FFFFFFF), "ffffff9c", -1.0),
        (Register(0, "u16", 0.01), "1388", 50.0),
        (Register(0, "i16"), "8000", -32768.0),
        # Iskra (EVerest RsIskraMeter, tests): exponent i8, then 24 bits.
        (Register(0, "t5"), "000004d2", 1234.0),
        (Register(0, "t5"), "03020000", 131_072_000.0),
        (Register(0, "t5"), "ff0008fc", 230.0),
        (Register(0, "t6"), "fdffffff", -0.001),
        (Register(0, "t5"), "fdffffff", 16777.215),
        (Register(0, "t6"), "7f000001", None),  # 10^127 is nonsense
        # Published: TotWhImp of a Bauer BSM, 10000 with a scale factor of 1 (snapshots.md: "TotWhImp: 100000.0 Wh").
        (Register(0, "u32", exponent=2), "000027100001", 100_000.0),
        # Iskra's counter: i32 x 10^register.
        (Register(0, "i32", exponent=2), "000004d20001", 12_340.0),
        (Register(0, "i16", exponent=1), "08fcffff", 230.0),
        (Register(0, "i16", exponent=1, absent=0x8000), "8000ffff", None),
    ],
)
def test_numbers(register: Register, data: str, value: float | None) -> None:
    found = number(register, data)
    assert found == (None if value is None else pytest.approx(value, rel=1e-12))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_are_those_of_ieee(value: float) -> None:
    assert number(Register(0, "f32"), struct.pack(">f", value).hex()) == value


@given(st.sampled_from(sorted(WORDS)), st.booleans(), st.lists(st.integers(0, 0xFFFF), min_size=5, max_size=5))
def test_any_registers_are_a_finite_number_or_none(kind: str, low_first: bool, words: list[int]) -> None:
    register = Register(0, kind, 1000.0, low_first, exponent=4)
    value = value_of(register, words_of(0, words))
    assert value is None or math.isfinite(value)


@given(st.sampled_from(names()), st.data())
def test_any_registers_are_a_reading_or_a_device_error(name: str, data: st.DataObject) -> None:
    model = load(name)
    words: dict[int, int] = {}
    for block in model.blocks:
        raw = data.draw(st.binary(min_size=2 * block.count, max_size=2 * block.count))
        words |= words_of(block.start, struct.unpack(f">{block.count}H", raw))
    try:
        found = reading(model, words)
    except DeviceError:
        return
    assert math.isfinite(found.energy_import_wh)
    assert found.energy_import_wh >= 0.0
    for field in PER_PHASE:
        assert len(getattr(found, field)) in {0, 1, 3}


def abb(**fields: int) -> MeterReading:
    """A reading of an ABB B23 whose registers say "there is none", but for those given by address."""
    model: MeterModel = load("abb_b2x")
    words = {block.start + at: 0xFFFF for block in model.blocks for at in range(block.count)}
    for address in (0x5B14, 0x5B16, 0x5B18, 0x5B1A):
        words[address] = 0x7FFF
    words |= {int(name[1:], 16): value for name, value in fields.items()}
    return reading(model, words)


def test_what_a_meter_has_not_is_left_out() -> None:
    found = abb(_5000=0, _5001=0, _5002=0, _5003=100, _5b00=0, _5b01=2300)
    assert found == MeterReading(energy_import_wh=1000.0, voltage_v=(230.0,))
    with pytest.raises(DeviceError, match="no energy value"):
        abb()


def test_three_phases_of_an_sdm630() -> None:
    model = load("sdm630")
    floats = {0: 230.0, 2: 231.0, 4: 229.5, 6: 16.0, 8: 15.5, 10: 0.0, 12: 3680.0, 14: 3580.5, 16: 0.0}
    floats |= {0x34: 7260.5, 0x46: 50.0, 0x48: 1234.5, 0x4A: 0.25}
    words = dict.fromkeys(range(76), 0)
    for address, value in floats.items():
        words |= words_of(address, struct.unpack(">2H", struct.pack(">f", value)))
    assert reading(model, words) == MeterReading(
        energy_import_wh=1_234_500.0,
        energy_export_wh=250.0,
        power_w=7260.5,
        current_a=(16.0, 15.5, 0.0),
        voltage_v=(230.0, 231.0, 229.5),
        power_phase_w=(3680.0, 3580.5, 0.0),
        frequency_hz=50.0,
    )


# --- what is not believed ---------------------------------------------------------------------------------------------


def at(energy_wh: float, power_w: float | None = None) -> MeterReading:
    return MeterReading(energy_import_wh=energy_wh, power_w=power_w)


def test_a_charge_is_believed() -> None:
    judge = Plausibility("M", 22_000.0)
    for minute in range(600):
        judge.check(at(1000.0 + minute * 22_000 / 60, 22_000.0), minute * 60.0)


def test_backwards_is_refused_until_it_is_accepted_and_one_wild_value_does_no_harm() -> None:
    judge = Plausibility("M", 22_000.0)
    judge.check(at(1000.0), 0.0)
    for moment in (1.0, 2.0):
        with pytest.raises(DeviceError, match=r"M: runs backwards, from 1000\.0 to 999\.9 Wh; not billed"):
            judge.check(at(999.9), moment)
    judge.check(at(1000.1), 3.0)
    with pytest.raises(DeviceError, match="backwards"):
        judge.check(at(0.0), 4.0)
    judge.accept()
    judge.check(at(0.0), 5.0)


def test_a_jump_is_refused_and_an_outage_is_none() -> None:
    judge = Plausibility("M", 22_000.0)
    judge.check(at(1000.0), 0.0)
    with pytest.raises(DeviceError, match=r"M: jumps by 5000\.0 Wh in 10\.0 s"):
        judge.check(at(6000.0), 10.0)
    judge.check(at(1000.0 + MARGIN_WH), 11.0)
    judge.check(at(1000.0 + MARGIN_WH + 22_000.0), 3611.0)  # nobody could read it for an hour


def test_a_frozen_register_is_told_by_its_own_power() -> None:
    judge = Plausibility("M", 22_000.0)
    moment, told = 0.0, None
    while told is None and moment < 3600.0:
        try:
            judge.check(at(1000.0, 11_000.0), moment)
        except DeviceError as error:
            told = str(error)
        moment += 10.0
    assert told is not None
    assert "M: is frozen at 1000.0 Wh" in told
    assert moment == pytest.approx(FROZEN_WH / 11_000 * 3600, abs=30.0)
    judge.check(at(1300.0, 11_000.0), moment)  # it counts again


def test_a_register_may_stand_still() -> None:
    judge = Plausibility("M", 22_000.0)
    for minute in range(0, 6000, 10):
        judge.check(at(1000.0, 0.0), minute * 60.0)
        judge.check(at(1000.0, -3000.0), minute * 60.0 + 1)  # it feeds back
    judge = Plausibility("M", 22_000.0)
    for hour in range(100):  # 100 W, in steps of 100 Wh
        judge.check(at(1000.0 + hour * 100.0, 100.0), hour * 3600.0)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(-1e6, 1e6), st.floats(0, 1e5)), max_size=30))
def test_what_is_believed_never_runs_backwards_nor_faster_than_it_can(steps: list[tuple[float, float, float]]) -> None:
    judge = Plausibility("M", 22_000.0)
    moment, believed = 0.0, []
    for energy_wh, power_w, wait_s in steps:
        moment += wait_s
        try:
            judge.check(at(energy_wh, power_w), moment)
        except DeviceError:
            continue
        believed.append((moment, energy_wh))
    for (before_s, before_wh), (after_s, after_wh) in zip(believed, believed[1:], strict=False):  # noqa: RUF007 - pairs
        assert 0.0 <= after_wh - before_wh <= 22_000 * 1.25 * (after_s - before_s) / 3600 + MARGIN_WH + 1e-3
