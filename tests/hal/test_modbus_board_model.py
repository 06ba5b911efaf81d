"""Boards as data: what the tables say, what is told of wrong ones, and what becomes of arbitrary registers."""

from __future__ import annotations

import contextlib
import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import Fault, FaultCode, OnHostLoss, PilotChanged, PilotSignal, PilotState
from hal.boards.model import Condition, Place
from hal.boards.parse import SHELF, load, names, parse
from hal.drivers.modbus_board_settings import read_settings
from hal.drivers.modbus_board_state import Announcer, Contactor, Level, see
from hal.errors import ConfigError
from hal.registry import claims, create_board
from hal.registry import names as driver_names

SHIPPED = ("evse_wb", "heidelberg", "phoenix_ev_ser")


def test_what_is_shipped() -> None:
    assert names() == SHIPPED
    assert {*SHIPPED, "modbus_board"} <= set(driver_names())
    for name in names():
        board = create_board(name, {"port": "/dev/ttyUSB0"})
        assert board.units[0].min_a == 6.0
        assert board.supervision
        assert claims(name, {"port": "/dev/ttyUSB0", "address": 7}) == {("/dev/ttyUSB0", 7)}


@pytest.mark.parametrize(
    ("name", "line", "most_a", "on_host_loss"),
    [
        ("evse_wb", "9600 8N1", 32.0, OnHostLoss.NOTHING),
        ("heidelberg", "19200 8E1", 16.0, OnHostLoss.OPENS),
        ("phoenix_ev_ser", "9600 8N1", 32.0, OnHostLoss.NOTHING),
    ],
)
def test_as_delivered(name: str, line: str, most_a: float, on_host_loss: OnHostLoss) -> None:
    read = read_settings({"port": "/dev/x"}, name)
    assert line in str(read.line)
    assert (read.unit, read.max_a, read.on_host_loss) == (1, most_a, on_host_loss)


def table(name: str = "heidelberg") -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads((SHELF.folder / f"{name}.toml").read_text()))


def drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return change


def put(value: object, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("name"), r"x\.name: is missing"),
        (drop("state"), r"x\.state: is missing"),
        (drop("amps"), r"x\.amps: is missing"),
        (put([], "block"), r"x\.block: at least one is needed"),
        (put(2, "block", 0, "function"), r"x\.block\[1\]\.function: must be 1, 3 or 4"),
        (put(0, "block", 0, "count"), r"x\.block\[1\]\.count"),
        (put(65535, "block", 1, "start"), r"x\.block\[2\]\.count: ends after 65535"),
        (put(True, "block", 0, "optional"), r"x\.state\.address: its block is optional"),
        (put(5.0, "block", 0, "every_s"), r"x\.state\.address: its block is optional, or not read"),
        (put(99, "state", "address"), r"x\.state\.address: 99 lies in no block"),
        (put([2, 4], "state", "A"), r"x\.state\.B: 4 stands for another state too"),
        (put(0x07, "state", "mask"), r"x\.state\.C: 8 has bits that mask leaves out"),
        (drop("state", "C"), r"x\.state\.C: is missing"),
        (put("D", "state", "C"), r"x\.state\.C: must be a whole number"),
        (put(1, "state", "G"), r"x\.state\.G: unknown"),
        (put(5, "amps", "address"), r"x\.amps\.address: input register 5 cannot be written"),
        (put(7, "amps", "write"), r"x\.amps\.write: must be 5, 6 or 16"),
        (put(0, "amps", "scale"), r"x\.amps\.scale"),
        (put(0.01, "amps", "fine_scale"), r"x\.amps\.fine_when: goes with fine_scale"),
        (put(4, "closed", "least"), r"x\.closed: needs one of bit, values"),
        (put({"address": 258, "write": 6, "on": 1, "off": 1}, "enable"), r"x\.enable\.off: must not be the same"),
        (drop("cut", "restore"), r"x\.cut\.restore: is missing"),
        (drop("watchdog", "unit_s"), r"x\.watchdog\.unit_s: is missing"),
        (put(3.0, "watchdog", "default_s"), r"x\.watchdog\.default_s: must be a number of 4 to 60"),
        (put("Nope", "fault", 0, "code"), r"x\.fault\[1\]\.code: must be one of"),
        (drop("meter", "energy_import_wh"), r"x\.meter\.energy_import_wh: is missing"),
        (put(5, "meter"), r"x\.meter"),
        (put({"value": 4, "why": "?", "address": 258, "flag": "ventilated"}, "init", 0), r"x\.init\[1\]\.otherwise"),
        (put({"mask": 3, "value": 4, "why": "?", "address": 258}, "init", 0), r"x\.init\[1\]\.value: has bits"),
        (put("bytes", "identity", 0, "kind"), r"x\.identity\[1\]\.kind"),
        (put(1, "typo"), r"x\.typo: unknown"),
        (put("no", "line"), r"x\.line: must be a table"),
        (put(500, "limits", "max_a"), r"x\.limits\.max_a"),
    ],
)
def test_wrong_tables_name_their_field(change: Callable[[dict[str, Any]], None], words: str) -> None:
    values = table()
    change(values)
    with pytest.raises(ConfigError, match=words):
        parse("x", values)


def test_every_mistake_is_told_at_once() -> None:
    values = table()
    for change in (drop("name"), put(1, "typo"), put(99, "state", "address"), put(9, "amps", "write")):
        change(values)
    with pytest.raises(ConfigError) as caught:
        parse("x", values)
    assert all(field in str(caught.value) for field in ("x.name", "x.typo", "x.state.address", "x.amps.write"))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["address", "A", "bit"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(SHIPPED), st.data())
def test_a_table_is_right_or_a_config_error(name: str, data: st.DataObject) -> None:
    values = table(name)
    key = data.draw(st.sampled_from(sorted(values)))
    inner = values[key]
    if isinstance(inner, list):
        inner = inner[0]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(json_like)
    else:
        values[key] = data.draw(json_like)
    with contextlib.suppress(ConfigError):
        parse("x", values)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((SHELF.folder / "evse_wb.toml").read_text().replace("address = 1\n", "address = 9\n", 1))
    board = create_board("modbus_board", {"port": "/dev/x", "model": str(own)})
    assert board.name == "modbus_board"
    assert claims("modbus_board", {"port": "/dev/x", "model": str(own)}) == {("/dev/x", 9)}
    with pytest.raises(ConfigError, match=r"board\.model: is missing"):
        create_board("modbus_board", {"port": "/dev/x"})
    with pytest.raises(ConfigError, match=r"board\.model: unknown board 'evse'; known are evse_wb, heidelberg"):
        create_board("modbus_board", {"port": "/dev/x", "model": "evse"})
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        create_board("modbus_board", {"port": "/dev/x", "model": str(tmp_path / "none.toml")})
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(ConfigError, match=r"broken\.toml: is not TOML"):
        load(str(broken))


@pytest.mark.parametrize(
    ("driver", "settings", "words"),
    [
        ("evse_wb", {}, r"board\.port: is missing"),
        ("evse_wb", {"port": "tcp://x:1"}, r"board\.port: must be /dev/"),
        (
            "evse_wb",
            {"port": "/dev/x", "host_loss_s": 10},
            r"board\.host_loss_s: the EVSE-WB / EVSE-DIN has no watchdog",
        ),
        ("evse_wb", {"port": "/dev/x", "meter": True}, r"board\.meter: .* has no meter"),
        ("evse_wb", {"port": "/dev/x", "phases": 2}, r"board\.phases: must be 1 or 3"),
        ("evse_wb", {"port": "/dev/x", "boot_a": 3}, r"board\.boot_a: must be 0 or at least 6"),
        ("evse_wb", {"port": "/dev/x", "max_a": 5}, r"board\.max_a: must be a number of 6 to 80"),
        ("evse_wb", {"port": "/dev/x", "min_a": 5}, r"board\.min_a"),
        ("evse_wb", {"port": "/dev/x", "model": "heidelberg"}, r"board\.model: unknown"),
        ("heidelberg", {"port": "/dev/x", "max_a": 20}, r"board\.max_a: must be a number of 6 to 16"),
        ("heidelberg", {"port": "/dev/x", "host_loss_s": 3}, r"board\.host_loss_s: must be 0 or at least 4"),
        ("heidelberg", {"port": "/dev/x", "host_loss_a": 5}, r"board\.host_loss_a: must be 0 or at least 6"),
        ("heidelberg", {"port": "/dev/x", "boot_a": 6}, r"board\.boot_a: .* has no register for it"),
        ("phoenix_ev_ser", {"port": "/dev/x", "address": 0}, r"board\.address: must be a whole number of 1 to 247"),
    ],
)
def test_wrong_settings_name_their_field(driver: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_board(driver, settings)
    if driver == "phoenix_ev_ser":
        assert claims(driver, settings) == set()


# --- arbitrary registers ----------------------------------------------------------------------------------------------


@given(st.sampled_from(SHIPPED), st.data())
def test_arbitrary_registers_are_survived_and_states_told_once(name: str, data: st.DataObject) -> None:
    model = load(name)
    announcer, contactor = Announcer(1, model, fixed_cable=False), Contactor(model)
    places = [place for block in model.blocks for place in block.places()]
    interesting = [value for rule in model.faults for value in rule.test.values]
    word = st.integers(0, 0xFFFF) | st.sampled_from(sorted({*model.state.letters, *interesting, 0x4332, 0x4231}))
    told: dict[FaultCode, bool] = {}
    letter = None
    for step in range(data.draw(st.integers(1, 5))):
        words = {place: data.draw(word) for place in places}
        contactor.look(words, float(step), cut=False)
        if data.draw(st.booleans()):
            announcer.forget()
            letter, told = None, {}
        for event in announcer.see(words, float(step), closed=contactor.closed, own_f=False):
            if isinstance(event, Fault):
                told[event.code] = event.active
            elif isinstance(event, PilotChanged):
                assert event.state is not letter
                letter = event.state
        for code in (code for code, active in told.items() if active):
            unknown = see(model, words).unknown is not None and code is FaultCode.INTERNAL_ERROR
            assert unknown or any(rule.test.holds(words) and rule.code is code for rule in model.faults)


def test_a_test_needs_its_word() -> None:
    place = Place(3, 1)
    assert not Condition(place, negated=True).holds({})
    assert Condition(place, values=frozenset({1}), negated=True).holds({place: 2})
    assert Condition(place, least=17).holds({place: 17})
    assert not Condition(place, least=17).holds({place: 16})


def test_faults_that_have_to_stand_for_a_while() -> None:
    values = table("evse_wb")
    values["fault"][0]["after_s"] = 2.0
    model = parse("x", values)
    announcer = Announcer(1, model, fixed_cable=True)
    failed = {model.state.place: 5}

    def faults(words: dict[Place, int], now: float) -> list[tuple[FaultCode, bool]]:
        events = announcer.see(words, now, closed=False, own_f=False)
        return [(event.code, event.active) for event in events if isinstance(event, Fault)]

    assert faults(failed, 0.0) == []
    assert faults(failed, 1.9) == []
    assert faults(failed, 2.0) == [(FaultCode.PILOT_FAULT, True)]
    assert faults({model.state.place: 2}, 3.0) == [(FaultCode.PILOT_FAULT, False)]
    assert faults(failed, 4.0) == []


def test_the_level() -> None:
    level = Level()
    assert not level.on
    level.offer(PilotSignal.PWM, 16.0)
    assert level.on
    number = level.number
    level.permit(False, asking=True)
    assert not level.on
    assert level.number != number
    level.offer(PilotSignal.PWM, 10.0)
    assert not level.on  # a new current is no permission
    level.offer(PilotSignal.OFF, 0.0)
    level.offer(PilotSignal.PWM, 10.0)
    assert level.on
    assert PilotState.C is not PilotState.D


def test_the_example_of_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text()
    example = text.split("### A board of your own")[1].split("```toml\n")[1].split("```")[0]
    model = parse("docs", tomllib.loads(example))
    assert (model.name, model.baud, model.parity, model.enable is not None) == ("Example 11", 19200, "E", True)
