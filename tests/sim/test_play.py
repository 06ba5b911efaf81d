"""Playing scenarios: every shipped one passes, the output repeats, failures explain themselves, exit codes are right."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest

from station.sim import play as player
from station.sim import scenarios
from station.sim.lab import Lab
from station.sim.scenario import load, parse, shipped_files
from station.sim.scenario_show import PlainScreen

HEAD = 'title = "t"\nteaches = "x"\nocpp = ["2.0.1"]\n'
PLAYS = [(name, version) for name in shipped_files() for version in load(name).head.ocpp]


def play(text: str, version: str = "2.0.1", **options: str) -> tuple[player.Outcome, list[str]]:
    lines: list[str] = []
    outcome = player.play(parse(HEAD + text, "test"), version, PlainScreen(lines.append), **options)
    return outcome, lines


@pytest.mark.parametrize(("name", "version"), PLAYS, ids=str)
def test_shipped_scenarios_pass(name: str, version: str) -> None:
    lines: list[str] = []
    outcome = player.play(load(name), version, PlainScreen(lines.append))
    assert outcome.passed, "\n".join(lines[-40:])
    assert lines[-1].startswith("PASSED")


def test_ten_scenarios_ship_and_explain_themselves() -> None:
    shipped = player.shipped()
    assert [name for name, _ in shipped] == sorted(path.stem for path in Path(scenarios.__path__[0]).glob("*.toml"))
    assert len(shipped) >= 10
    for name, title in shipped:
        head = load(name).head
        assert head.title == title
        assert 2 <= head.teaches.count(". ") + 1 <= 5, name
        text = shipped_files()[name].read_text(encoding="utf-8")
        assert text.count("\n# ") + text.count("\nnote = ") >= 2, f"{name} does not say why"


def test_most_scenarios_run_in_both_versions() -> None:
    assert sum(len(load(name).head.ocpp) == 2 for name in shipped_files()) >= 10


def test_the_same_seed_gives_the_same_output(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for seed in ("7", "7", "8"):
        assert player.main("05-power-cut", seed=seed, ocpp="2.0.1", plain=True) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "seed 7" in outputs[0]
    assert "seed 8" in outputs[2]


def test_a_play_can_be_watched() -> None:
    lines: list[str] = []
    began = time.monotonic()
    assert player.play(load("02"), "1.6", PlainScreen(lines.append), speed=2000).passed
    assert time.monotonic() - began >= 0.2  # seven minutes and ten seconds of station time


def test_every_claimed_version_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    assert player.main("1", plain=True) == 0
    out = capsys.readouterr().out
    assert "PASSED  01-first-charge in OCPP 1.6" in out
    assert "PASSED  01-first-charge in OCPP 2.0.1" in out


def test_a_message_that_does_not_come_says_what_came_instead() -> None:
    outcome, lines = play(
        """
        [[step]]
        do = "plug"
        [[step]]
        expect = "message"
        action = "TransactionEvent"
        where = { eventType = "Started", triggerReason = "Authorized" }
        within = 5
        """
    )
    assert not outcome.passed
    text = "\n".join(outcome.reasons)
    assert (
        'expected: TransactionEvent from the station with eventType = "Started", triggerReason = "Authorized"' in text
    )
    assert 'triggerReason is "CablePluggedIn" (wanted: triggerReason = "Authorized")' in text
    assert any("the last frames" in line for line in lines)
    assert any('"TransactionEvent"' in line and '"CablePluggedIn"' in line for line in lines[-8:])


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('expect = "message"\naction = "Heartbeat"\nwithin = 5', "came instead: BootNotification"),
        ('expect = "message"\naction = "StatusNotification"\ntimes = 9\nwithin = 5', "came: 2 times"),
        ('expect = "no_message"\naction = "BootNotification"\nduring = 1', "expected: no BootNotification"),
        ('expect = "state"\nwhere = { pilot = "C" }\nwithin = 5', 'pilot is "A" (wanted: pilot = "C")'),
        ('expect = "energy"\nat_least_wh = 5\nwithin = 1', "expected at least 5 Wh"),
        ('do = "charge"\nuntil_soc = 50', "no car is plugged in"),
        ('do = "remote_stop"', "knows of no running transaction at EVSE 1"),
        ('do = "plug"\nagain = true', "no car was at EVSE 1"),
        ('do = "unplug"', "nothing is plugged in at EVSE 1"),
        ('do = "call"\naction = "Reset"\npayload = { type = "OnIdle" }\nanswer = { status = "Rejected" }', "Accepted"),
        (
            'do = "call"\naction = "Reset"\npayload = { type = "OnIdle" }\nerror = "NotSupported"',
            "CALLERROR NotSupported",
        ),
        ('do = "call"\naction = "RequestStopTransaction"\npayload = { transactionId = "$tx.1" }', "no transaction"),
        ('do = "remote_start"\nstatus = "Rejected"', 'answered "Rejected"'),
        ('do = "set"\nvariables = { "TxCtrlr.Nonsense" = 1 }', "TxCtrlr.Nonsense: the component has no such variable"),
    ],
)
def test_failures_explain_themselves(step: str, says: str) -> None:
    outcome, _ = play(f'[[step]]\ndo = "wait"\nduration = 1\n[[step]]\n{step}\n')
    text = "\n".join(outcome.reasons)
    assert says in text
    assert "step 2" in text


def test_a_plug_that_should_have_been_held() -> None:
    outcome, _ = play('[[step]]\ndo = "plug"\n[[step]]\ndo = "unplug"\nheld = true\n')
    assert "should have held it" in "\n".join(outcome.reasons)


def test_what_cannot_be_done_without_power_fails_the_step() -> None:
    for deed in ('do = "swipe"', 'do = "pin"\ndigits = "1234"', 'do = "button"', 'do = "restart"'):
        outcome, _ = play(f'[[step]]\ndo = "power_cut"\n[[step]]\n{deed}\n')
        assert "power" in "\n".join(outcome.reasons), deed


def test_a_car_that_gets_nothing_says_why() -> None:
    outcome, _ = play('[[step]]\ndo = "plug"\n[[step]]\ndo = "charge"\nuntil_soc = 50\nwithin = "1 h"\n')
    assert "not authorised" in "\n".join(outcome.reasons)


def test_records_that_do_not_arrive_fail_delivered() -> None:
    text = '[[step]]\ndo = "offline"\n[[step]]\ndo = "plug"\n[[step]]\nexpect = "delivered"\nwithin = 5\n'
    outcome, _ = play(text)
    assert "1 of 1 records did not arrive" in "\n".join(outcome.reasons)


def test_a_delivery_that_repeats_itself_must_be_allowed() -> None:
    text = """
        [[step]]
        do = "csms_fault"
        kind = "never"
        action = "TransactionEvent"
        [[step]]
        do = "plug"
        [[step]]
        expect = "delivered"
        within = "5 min"
        duplicates = {}
        """
    # The first answer never comes, so the event is sent again, unchanged.
    wait = '[[step]]\ndo = "wait"\nduration = "5 min"\n[[step]]\nexpect = "delivered"\n'
    assert play(text.format("true"))[0].passed
    outcome, _ = play(text.format("true") + wait)
    assert "came 2 times" in "\n".join(outcome.reasons)


def test_energy_that_is_not_told_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = Lab.plug

    def leaky(lab: Lab, *args: object, **kwargs: object) -> object:
        lab.board.evse(1).meter.jump(50.0)  # the meter counts what never reached a car
        return plug(lab, *args, **kwargs)  # type: ignore[arg-type]  # passed through as it came

    monkeypatch.setattr(Lab, "plug", leaky)
    text = '[[step]]\ndo = "plug"\n[[step]]\ndo = "swipe"\n[[step]]\ndo = "charge"\nuntil_wh = 200\n'
    outcome, _ = play(text + '[[step]]\ndo = "swipe"\n[[step]]\nexpect = "energy"\nwithin = 5\n')
    assert "the cars took" in "\n".join(outcome.reasons)


def test_complaints_of_the_csms_fail_the_play() -> None:
    step = (
        '[[step]]\ndo = "csms_fault"\nkind = "garbage"\n[[step]]\ndo = "plug"\n[[step]]\ndo = "wait"\nduration = 60\n'
    )
    outcome, _ = play(step)
    assert "the CSMS complains" in "\n".join(outcome.reasons)
    outcome, lines = play("[csms]\nmay_complain = true\n" + step)
    assert outcome.passed
    assert any("   !  received garbage" in line for line in lines), "warnings of the station belong to the play"


def test_pins_are_not_shown() -> None:
    outcome, lines = play('[[step]]\ndo = "pin"\ndigits = "40302"\n[[step]]\ndo = "wait"\nduration = 5\n')
    assert outcome.passed
    assert "40302" not in "\n".join(lines)


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.toml"
    good.write_text(HEAD + '[[step]]\nexpect = "message"\naction = "BootNotification"\n')
    failing = tmp_path / "failing.toml"
    failing.write_text(HEAD + '[[step]]\nexpect = "message"\naction = "Authorize"\nwithin = 1\n')
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        'titel = 5\n[[step]]\ndo = "plugg"\n[[step]]\nexpect = "state"\nwhere = { pilot = "A" }\nevse = 9\n'
    )
    assert player.main(str(good), plain=True) == 0
    assert player.main(str(failing), plain=True) == 1
    assert player.main(str(wrong), plain=True) == 2
    error = capsys.readouterr().err
    for part in ("titel", "title: is missing", "step[1].do", '"plug"', "step[2].evse", "line 3"):
        assert part in error
    assert player.main(str(tmp_path / "none.toml")) == 2
    assert player.main("13-migration", ocpp="2.0.1") == 2


def test_a_board_that_cannot_be_built_is_a_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "board.toml"
    path.write_text(HEAD + '[station.board]\nmax_a = 1000\n[[step]]\ndo = "wait"\nduration = 1\n')
    assert player.main(str(path), plain=True) == 2
    assert "max_a" in capsys.readouterr().err


def test_long_plays_stay_short_and_show_progress() -> None:
    step = '[[step]]\ndo = "plug"\n[[step]]\ndo = "swipe"\n[[step]]\ndo = "charge"\nduration = "3 h"\n'
    outcome, lines = play(step)
    assert outcome.frames > 350
    assert len(lines) < 40
    assert sum("more TransactionEvent" in line for line in lines) >= 3


def test_every_file_names_its_steps_as_the_reader_counts_them() -> None:
    for path in shipped_files().values():
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        assert [step.number for step in load(path.stem).steps] == list(range(1, len(data["step"]) + 1))
