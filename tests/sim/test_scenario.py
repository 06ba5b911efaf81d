"""Reading scenario files: every mistake at once, and never anything but a ScenarioError."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.config_fields import WrongValueError, kind_of
from station.errors import ScenarioError
from station.runtime.control_kinds import CarTable
from station.sim import scenario_csms, scenario_doc, scenario_expect, steps
from station.sim.scenario import DEEDS, Scenario, load, parse, shipped_files
from station.sim.scenario_kinds import Conditions, Duration, Scalars, Table, Tokens, Words, render_duration

HEAD = 'title = "t"\nteaches = "x"\n'
ALL = {**DEEDS, **scenario_expect.EXPECTATIONS}


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "test")
    return str(caught.value).splitlines()


def test_a_whole_file() -> None:
    scenario = parse(
        HEAD
        + """
        ocpp = ["1.6"]
        seed = "abc"
        [station]
        evses = 3
        [station.variables]
        TxCtrlr.EVConnectionTimeOut = 30
        [csms]
        tokens = { A = "Accepted", B = "Blocked" }
        heartbeat = "10 min"
        [[step]]
        do = "plug"
        evse = 3
        car = { soc_percent = 10 }
        note = "over\\n two lines"
        [[step]]
        expect = "message"
        action = "StopTransaction"
        where = { reason = "Local", meterStop = ">= 10" }
        within = "2 min"
        """,
        "test",
    )
    settings = scenario.lab_settings("1.6")
    assert (settings.seed, settings.evses, settings.versions) == ("abc", 3, ("1.6",))
    assert dict(settings.variables) == {"TxCtrlr.EVConnectionTimeOut": "30"}
    assert [(token.value, token.status) for token in settings.tokens] == [("A", "Accepted"), ("B", "Blocked")]  # type: ignore[union-attr]
    assert scenario.csms.heartbeat == 600
    plug, message = scenario.steps
    assert (plug.name, plug.note, plug.part.evse) == ("plug", "over two lines", 3)  # type: ignore[union-attr]
    assert message.part.within == 120  # type: ignore[union-attr]
    assert scenario.lab_settings("1.6", seed="other").seed == "other"


def test_steps_for_some_versions_only() -> None:
    scenario = parse(
        HEAD + '[[step]]\ndo = "swipe"\nocpp = ["1.6"]\n[[step]]\ndo = "unplug"\n',
        "test",
    )
    assert [step.name for step in scenario.steps_in("1.6")] == ["swipe", "unplug"]
    assert [step.name for step in scenario.steps_in("2.0.1")] == ["unplug"]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('do = "swipe"\ntocken = "A"', 'did you mean "token"?'),
        ('do = "swipe"\nexpect = "state"', "either do or expect"),
        ('note = "nothing"', "either do or expect"),
        ('do = "plug"\nevse = 3', "must be at most 2"),
        ('do = "plug"\nevse = "1"', "write it without quotes"),
        ('do = "plug"\ncar = { wings = 2 }', "wings"),
        ('do = "charge"', "one of until_soc, until_wh and duration"),
        ('do = "charge"\nuntil_soc = 80\nuntil_wh = 5', "only one"),
        ('do = "wait"', "duration: is missing"),
        ('do = "wait"\nduration = "soon"', '"10 min"'),
        ('do = "call"\naction = "Resett"', "did you mean Reset?"),
        ('do = "call"\naction = "Reset"', "is not a valid Reset"),
        ('do = "call"\naction = "RemoteStartTransaction"', "is no message of OCPP 2.0.1"),
        ('do = "fault"\ncode = "Gremlins"', "one of"),
        ('expect = "message"\naction = "Authorize"\nwhere = { "a..b" = 1 }', "single dots"),
        ('expect = "message"\naction = "Authorize"\nwhere = { a = "~ (" }', "regular expression"),
        ('expect = "message"\naction = "Authorize"\nocpp = ["3.0"]', "ocpp"),
    ],
)
def test_mistakes_in_steps(step: str, says: str) -> None:
    found = problems(f'{HEAD}[[step]]\ndo = "swipe"\n[[step]]\n{step}\n')
    assert any(says in line and "step[2]" in line for line in found), found


def test_all_mistakes_at_once() -> None:
    found = "\n".join(
        problems(
            'title = 1\nwrong = 2\n[station]\nevses = 0\n[station.variables]\n"TxCtrlr.X" = 1\n[csms]\nboot = []\n'
            '[[step]]\ndo = "fly"\n[[step]]\nexpect = "message"\naction = "Heartbeet"\nwhere = { a = "> b" }\n'
        )
    )
    for part in (
        "title",
        "teaches",
        "wrong",
        "station.evses",
        "csms.boot",
        "step[1].do",
        "step[2].action",
        "step[2].where",
    ):
        assert part in found, part
    assert "line 10" in found


@pytest.mark.parametrize(
    "text",
    ["", "title", "step = 5", HEAD + "step = []", HEAD + "step = [1]", HEAD + "station = 4\n[[step]]\ndo = 'swipe'"],
)
def test_files_that_are_no_scenario(text: str) -> None:
    assert problems(text)


def test_names_of_files(tmp_path: Path) -> None:
    first = next(iter(shipped_files()))
    assert load(first).name == load(first.partition("-")[0]).name == load(f"{first}.toml").name == first
    with pytest.raises(ScenarioError, match="did you mean"):
        load("nigth-charge")
    with pytest.raises(ScenarioError, match="there is no such file"):
        load(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(ScenarioError, match="UTF-8"):
        load(str(tmp_path / "latin.toml"))
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(str(tmp_path))


def test_secrets_are_not_in_what_is_shown() -> None:
    scenario = parse(HEAD + '[[step]]\ndo = "pin"\ndigits = "40302"\n', "test")
    assert "40302" not in repr(scenario)


SCALARS = st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes())
WORDS = st.sampled_from([*DEEDS, *scenario_expect.EXPECTATIONS, "Authorize", "Reset", "10 min", "> 3", "one of a, b"])
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({field.name for cls in ALL.values() for field in fields(cls)} | {"note", "ocpp", "nonsense"})


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@st.composite
def step_texts(draw: st.DrawFn) -> str:
    word = draw(st.sampled_from(["do", "expect"]))
    table = {word: draw(st.sampled_from(list(DEEDS if word == "do" else scenario_expect.EXPECTATIONS)) | VALUES)}
    table |= draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))
    return "[[step]]\n" + "\n".join(f"{name} = {toml(value)}" for name, value in table.items())


def reads(text: str) -> None:
    with suppress(ScenarioError):
        assert isinstance(parse(text, "test"), Scenario)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    reads(text)


@given(st.lists(step_texts(), max_size=3))
def test_any_steps_are_read_or_refused(texts: list[str]) -> None:
    reads(HEAD + "\n".join(texts))


@given(st.dictionaries(st.sampled_from(["title", "teaches", "ocpp", "seed", "station", "csms", "step", "x"]), VALUES))
def test_any_tables_are_read_or_refused(data: dict[str, Any]) -> None:
    reads("\n".join(f"{name} = {toml(value)}" for name, value in data.items()))


@given(
    st.sampled_from(
        [Duration(), Words(), Words(("a",)), Table(), Scalars("x"), CarTable(), Conditions(), Tokens(("A",))]
    ),
    VALUES,
)
def test_kinds_take_or_refuse_any_value(kind: Any, value: Any) -> None:
    with suppress(WrongValueError):
        assert kind.read(value) is not None


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90), ("10 min", 600), ("1.5 h", 5400), ("2d", 172_800), (7, 7)])
def test_durations(text: object, seconds: float) -> None:
    assert Duration().read(text) == seconds
    assert Duration().read(render_duration(seconds)) == seconds


def test_every_command_has_its_words() -> None:
    assert steps.COMMANDS.keys().isdisjoint(scenario_csms.CSMS_COMMANDS)
    for name, cls in ALL.items():
        assert cls.__doc__, name
        for field in fields(cls):
            assert field.metadata["doc"].endswith((".", "}")), f"{name}.{field.name}"
            if field.default is not MISSING and field.default not in (None, (), "") and not field.metadata["secret"]:
                kind_of(field.metadata).read(field.default)


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "scenarios.md"
    assert page.read_text(encoding="utf-8") == scenario_doc.document(), (
        "python -m station.sim.scenario_doc > docs/scenarios.md"
    )
