"""The configuration: what loads, what is refused and how it is told."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import ConfigError as HalConfigError
from station import config, config_check, config_fields, config_own, config_read, config_secret
from station.config import Settings, load, parse
from station.config_doc import TABLES, document, example
from station.config_toml import lines_of, render
from station.errors import ConfigError

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse battery staple"

GOOD = """\
[station]
id = "CS001"

[csms]
url = "wss://csms.example.com/ocpp"

[[board]]
driver = "sim"
evses = [1, 2]
"""


def problems(text: str, tmp_path: Path, **options: Any) -> list[str]:
    path = tmp_path / "station.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, **options)
    return caught.value.problems


def good(text: str, tmp_path: Path, **options: Any) -> Settings:
    path = tmp_path / "station.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, **options)


# --- what loads -------------------------------------------------------------------------------------------------------


def test_the_least_file_takes_defaults(tmp_path: Path) -> None:
    loaded = good(GOOD, tmp_path)
    assert loaded.station.id == "CS001"
    assert loaded.csms.versions == ("2.0.1", "1.6")
    assert loaded.csms.profile == 2
    assert loaded.evse_numbers == (1, 2)
    assert loaded.evse(2).max_a is None
    assert loaded.log.level == "INFO"
    assert loaded.clock.trust_system
    assert loaded.warnings == ()


def test_everything_given(tmp_path: Path) -> None:
    for name in ("root.pem", "station.pem", "station.key"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    text = """
station = { id = "CS-1", vendor = "Acme", model = "Post", serial = "7", firmware = "2" }
variables.TxCtrlr.EVConnectionTimeOut = 90
variables."AuthCtrlr.LocalPreAuthorize" = true
variables."TxCtrlr.TxStartPoint" = ["EVConnected", "Authorized"]

[csms]
url = "wss://csms.example.com:8443/ocpp"
versions = ["1.6"]
ca_file = "root.pem"
cert_file = "station.pem"
key_file = "station.key"
verify_hostname = false
open_timeout_s = 5

[store]
path = "data/station.db"

[log]
level = "DEBUG"
format = "json"

[clock]
trust_system = false

[[board]]
driver = "mybox"
evses = [2]
port = "/dev/ttyUSB0"
[board.meter]
kind = "sdm630"

[[board]]
driver = "mybox"
evses = [1]
port = "/dev/ttyUSB1"

[[evse]]
id = 2
max_a = 16
phases = 1
"""
    loaded = good(text, tmp_path)
    assert loaded.csms.profile == 3
    assert loaded.csms.ca_file == str(tmp_path / "root.pem")
    assert loaded.store.path == str(tmp_path / "data/station.db")
    assert loaded.csms.open_timeout_s == 5.0
    assert dict(loaded.variables) == {
        "TxCtrlr.EVConnectionTimeOut": "90",
        "AuthCtrlr.LocalPreAuthorize": "true",
        "TxCtrlr.TxStartPoint": "EVConnected,Authorized",
    }
    assert dict(loaded.boards[0].settings) == {"port": "/dev/ttyUSB0", "meter": {"kind": "sdm630"}}
    assert loaded.evse_numbers == (1, 2)
    assert loaded.evse(2).max_a == 16.0
    assert loaded.warnings == ()


def test_settings_are_frozen_and_slotted() -> None:
    loaded = parse(tomllib.loads(GOOD))
    with pytest.raises(FrozenInstanceError):
        loaded.station.id = "other"  # type: ignore[misc]  # that is the point
    assert not hasattr(loaded, "__dict__")
    assert hash(loaded) == hash(parse(tomllib.loads(GOOD)))


@pytest.mark.parametrize(
    ("url", "extra", "profile"),
    [
        ("ws://localhost/x", "", 0),
        ("ws://127.0.0.1:80/x", f'password = "{PASSWORD}"', 1),
        ("wss://h/x", f'password = "{PASSWORD}"', 2),
    ],
)
def test_the_security_profile_follows(url: str, extra: str, profile: int, tmp_path: Path) -> None:
    loaded = good(GOOD.replace('url = "wss://csms.example.com/ocpp"', f'url = "{url}"\n{extra}'), tmp_path)
    assert loaded.csms.profile == profile
    assert loaded.warnings == ()


# --- the password -----------------------------------------------------------------------------------------------------


def with_csms(extra: str, url: str = "wss://csms.example.com/ocpp") -> str:
    return GOOD.replace('url = "wss://csms.example.com/ocpp"', f'url = "{url}"\n{extra}')


def test_the_password_is_never_shown(tmp_path: Path) -> None:
    loaded = good(with_csms(f'password = "{PASSWORD}"'), tmp_path)
    assert loaded.csms.read_password() == PASSWORD
    assert PASSWORD not in repr(loaded)
    assert PASSWORD not in str(loaded.csms)
    for text in (
        with_csms(f'password = "{PASSWORD * 3}"'),
        with_csms(f'pasword = "{PASSWORD}"'),
        with_csms(f'password = ["{PASSWORD}"]'),
        with_csms("", url="ws://CS001:correct@csms.example.com/" + "x" * 600),
        with_csms("", url="http://CS001:correct@csms.example.com/"),
    ):
        assert "correct" not in "".join(problems(text, tmp_path))


def test_the_password_from_a_file_or_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\nnot this\n")
    secret.chmod(0o600)
    loaded = good(with_csms('password_file = "secret"'), tmp_path)
    assert loaded.csms.read_password() == PASSWORD
    environ = {"CSMS_PASSWORD": PASSWORD}
    loaded = good(with_csms('password_env = "CSMS_PASSWORD"'), tmp_path, environ=environ)
    assert loaded.csms.read_password(environ) == PASSWORD
    assert good(GOOD, tmp_path).csms.read_password() is None
    (told,) = problems(with_csms('password_env = "CSMS_PASSWORD"'), tmp_path, environ={})
    assert told.startswith("line 6: csms.password_env: the environment variable CSMS_PASSWORD is not set. Remedy: ")
    secret.write_text("\n")
    (told,) = problems(with_csms('password_file = "secret"'), tmp_path)
    assert "is empty" in told
    secret.write_bytes(b"\xff\xfe")
    (told,) = problems(with_csms('password_file = "secret"'), tmp_path)
    assert "it is not text" in told


def test_weak_places_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    (tmp_path / "secret").chmod(0o644)
    (tmp_path / "root.pem").write_text("x")
    text = with_csms('password_file = "secret"\nca_file = "root.pem"', url="ws://csms.example.com/ocpp")
    warnings = good(text.replace("CS001", "CS#1"), tmp_path).warnings
    assert [w.split(". Remedy")[0] for w in warnings] == [
        "line 5: csms.url: the password travels unencrypted",
        "line 7: csms.ca_file: has no effect without TLS",
        f"line 6: csms.password_file: others than its owner may read {tmp_path / 'secret'}",
        "line 6: csms.password_file: the password is shorter than 16 characters",
        "line 2: station.id: has characters that must be encoded in a URL, which some CSMSs get wrong",
    ]


# --- what is refused --------------------------------------------------------------------------------------------------

ONE_MISTAKE = [
    ('id = "CS001"', 'id = ""', "line 2: station.id: must be 1 to 48 letters"),
    ('id = "CS001"', 'id = "CS 001"', "line 2: station.id: must be 1 to 48 letters"),
    ('id = "CS001"', "id = 7", 'got 7). Remedy: put it in quotes: "7".'),
    ('id = "CS001"', "", "line 1: station.id: is missing. Remedy: add id = ..."),
    (
        'id = "CS001"',
        'id = "CS001"\nmodle = "x"',
        'line 3: station.modle: is not a setting. Remedy: did you mean "model"?',
    ),
    ('id = "CS001"', 'id = "CS001"\nzzz = 1', "line 3: station.zzz: is not a setting. Remedy: known here: id, vendor"),
    (
        "wss://csms",
        "http://csms",
        "line 5: csms.url: must start with ws:// or wss:// (got 'http://csms.example.com/ocpp')",
    ),
    ("wss://csms.example.com/ocpp", "wss://", "line 5: csms.url: names no host (got 'wss://')"),
    ("wss://csms.example.com/ocpp", "wss://h:99999/", "line 5: csms.url: is not a URL: Port out of range"),
    ("wss://csms.example.com/ocpp", "wss://[::1/", "line 5: csms.url: is not a URL"),
    ("wss://csms.example.com/ocpp", "wss://u:p@h/", "line 5: csms.url: holds a user or password"),
    ("wss://csms.example.com/ocpp", "wss://h/a b", "line 5: csms.url: has a part that cannot be sent"),
    ('driver = "sim"', "", "line 7: board[1].driver: is missing"),
    ("evses = [1, 2]", "evses = 2", "line 9: board[1].evses: must be a list of one or more whole numbers"),
    ("evses = [1, 2]", "evses = [1, 1]", "line 9: board[1].evses: must be a list"),
    ("evses = [1, 2]", "evses = [1, 3]", "line 9: board[1].evses: EVSE numbers have a gap: no 2"),
    ("evses = [1, 2]", "evses = [0]", "line 9: board[1].evses: must be"),
    ("[[board]]", "[board]", "line 7: board: must be an array of tables (got a table). Remedy: write [[board]]"),
    ("evses = [1, 2]", "evses = [1, 2]\n[log]\nlevel = 3", "line 11: log.level: must be one of"),
    ("evses = [1, 2]", 'evses = [1, 2]\n[log]\nlevel = "debug"', "line 11: log.level: must be one of"),
    ("evses = [1, 2]", "evses = [1, 2]\n[clock]\ntrust_system = 1", "Remedy: write true or false without quotes."),
    (
        "evses = [1, 2]",
        'evses = [1, 2]\n[[evse]]\nid = 1\nmax_a = "63"',
        "(got '63'). Remedy: write it without quotes.",
    ),
    (
        "evses = [1, 2]",
        "evses = [1, 2]\n[[evse]]\nid = 1\nmax_a = nan",
        "line 12: evse[1].max_a: must be a number",
    ),
    ("evses = [1, 2]", "evses = [1, 2]\n[[evse]]\nid = 1\nmax_a = 5", "from 6 to 1000 (A per phase) (got 5)"),
    ("evses = [1, 2]", "evses = [1, 2]\n[[evse]]\nid = 3", "line 11: evse[1].id: no board drives EVSE 3"),
    ("evses = [1, 2]", "evses = [1, 2]\n[[evse]]\nid = 1\nphases = 2", "line 12: evse[1].phases: must be one of 1, 3"),
    (
        "evses = [1, 2]",
        "evses = [1, 2]\n[[evse]]\nid = 1\n[[evse]]\nid = 1",
        "line 13: evse[2].id: EVSE 1 is described twice",
    ),
    (
        "evses = [1, 2]",
        "evses = [1, 2]\n[variabels]",
        'line 10: variabels: is not a setting. Remedy: did you mean "variables"?',
    ),
    (
        "evses = [1, 2]",
        'evses = [1, 2]\n[variables]\n"TxCtrlr.EVConnectionTimeout2" = 3',
        'line 11: variables."TxCtrlr.EVConnectionTimeout2": there is no such variable; did you mean',
    ),
    (
        "evses = [1, 2]",
        'evses = [1, 2]\n[variables]\nTxCtrlr.EVConnectionTimeOut = "soon"',
        'line 11: variables."TxCtrlr.EVConnectionTimeOut": the value does not fit',
    ),
    ("evses = [1, 2]", "evses = [1, 2]\n[variables]\nA.b = [1]", "line 11: variables.A.b: must be a text, a number"),
    ('"CS001"', '"CS:1"\n[csms]\npassword = "0123456789abcdef"', "must not contain ':' when there is a password"),
]


@pytest.mark.parametrize(("old", "new", "told"), ONE_MISTAKE)
def test_one_mistake_one_message(old: str, new: str, told: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new)
    if "password" in new:
        text = text.replace("\n[csms]\nurl", "\nurl", 1)
    (message,) = problems(text, tmp_path)
    assert told in message


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ('versions = ["1.6", "1.5"]', 'csms.versions: must be a list of one or more of "2.0.1", "1.6"'),
        ('versions = ["1.6", "1.6"]', "Remedy: name each only once."),
        ("versions = []", "csms.versions: must be"),
        ('ca_file = "nowhere.pem"', "csms.ca_file: there is no file"),
        ('key_file = "station.toml"', "csms.key_file: is of no use without cert_file"),
        ('local_address = "eth0"', "csms.local_address: must be an IP address (got 'eth0')"),
        ('password_env = "1x"', "csms.password_env: must be the name of an environment variable"),
        (
            f'password = "{PASSWORD}"\npassword_env = "X"',
            "csms.password_env: the password is given by password already",
        ),
        ('password_env = "LONG"', "csms.password_env: the password is longer than 40 characters"),
    ],
)
def test_mistakes_in_csms(extra: str, told: str, tmp_path: Path) -> None:
    (message,) = problems(with_csms(extra), tmp_path, environ={"LONG": "x" * 41})
    assert told in message
    assert message.startswith(("line 6: csms.", "line 7: csms."))


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = """
[station]
id = "?"
[csms]
url = "http://x"
[[board]]
driver = 3
[[board]]
evses = [1]
[log]
level = 1
colour = true
"""
    told = problems(text, tmp_path)
    assert [t.split(": ")[:2] for t in told] == [
        ["line 3", "station.id"],
        ["line 12", "log.colour"],
        ["line 11", "log.level"],
        ["line 7", "board[1].driver"],
        ["line 6", "board[1].evses"],
        ["line 8", "board[2].driver"],
        ["line 5", "csms.url"],
    ]


def test_a_mistake_hides_no_other_even_in_the_same_table(tmp_path: Path) -> None:
    """Values that could be read are checked, whatever is wrong around them."""
    text = """
[station]
id = "CS:1"
colour = "x"
[csms]
url = "http://x"
versions = ["3.0"]
password = "a"
password_env = "B"
key_file = "none"
local_address = "eth0"
[[board]]
driver = "simm"
evses = [1, 1]
port = "/dev/a"
[[board]]
driver = "good"
evses = [1, 3]
port = "/dev/b"
[[board]]
driver = "good"
evses = [3]
port = "/dev/b"
[[evse]]
id = 1
phases = 2
[[evse]]
id = 1
[variables]
"No.Such" = 1
"A.b" = [1]
"""

    def check(driver: str, _settings: Mapping[str, object]) -> int | None:
        if driver == "simm":
            raise HalConfigError(f"unknown driver {driver!r}")
        return 1

    told = problems(text, tmp_path, driver_check=check, claims=claims, environ={})
    assert sorted(t.split(": ")[1] for t in told) == sorted(
        [
            *("station.id", "station.colour", "csms.url", "csms.versions", "csms.password_env", "csms.key_file"),
            *("csms.key_file", "csms.local_address", "board[1].driver", "board[1].evses", "board[2].evses"),
            *("board[3]", "board[3].evses", "evse[1].phases", "evse[2].id", 'variables."No.Such"', 'variables."A.b"'),
        ]
    )
    assert all(re.match(r"line \d+: ", t) for t in told)


def test_what_depends_on_something_unreadable_is_not_guessed(tmp_path: Path) -> None:
    """A list of EVSEs that cannot be read may hold any number, a password that cannot be read is still one."""
    more = '[[board]]\ndriver = "sim"\nevses = "2"\n[[evse]]\nid = 2\n[variables]\n"EVSE#2.Power" = 11000\n'
    (told,) = problems(GOOD.replace("[1, 2]", "[1, 3]") + more, tmp_path)
    assert "board[2].evses: must be" in told
    found = problems(with_csms('password = 5\npassword_env = "X"'), tmp_path, environ={})
    assert [t.split(": ")[1] for t in found] == ["csms.password", "csms.password_env"]


def test_a_wrong_list_is_shown_shortened_and_a_table_is_not() -> None:
    assert config_read.got(["3.0", 1.5]) == '(got ["3.0", 1.5])'
    assert config_read.got([dt.date(2026, 1, 1)]) == '(got ["2026-01-01"])'
    assert config_read.got(["x" * 100]) == f'(got ["{"x" * 58}...)'
    assert config_read.got(["wss://u:correct@h"]) == '(got ["wss://...@h"])'
    assert config_read.got([{"password": "correct"}]) == "(got a list)"
    assert config_read.got({"password": "correct"}) == "(got a table)"


def test_the_settings_of_the_simulated_board_are_those_that_it_knows() -> None:
    from hal.registry import create_board
    from hal.sim.settings import BOARD_KEYS, EVSE_KEYS

    for key in (*BOARD_KEYS, *EVSE_KEYS):
        assert f"| `{key.name}` | " in document()
        create_board("sim", {key.name: key.default})
        with pytest.raises(HalConfigError, match=rf"board\.{key.name}: must be"):
            create_board("sim", {key.name: []})
    block = document().partition("### Driver `sim`")[2].partition("```toml\n")[2].partition("```")[0]
    (board,) = tomllib.loads(block)["board"]
    own = {name: value for name, value in board.items() if name not in {"driver", "evses"}}
    assert len(create_board("sim", own).units) == len(board["evses"])


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"[station\n", "line 1: "),
        (b'[station]\nid = "x"\nid = "y"\n', "is not TOML"),
        (b"[station]\nid = 'abc\n", "at end of document"),
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"a = " + b"[" * 5000, "is "),
    ],
)
def test_files_that_are_no_toml(raw: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"station\.toml") as caught:
        load(path)
    assert told in caught.value.problems[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file\. Remedy: station config example"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_no_boards(tmp_path: Path) -> None:
    (told,) = problems(GOOD[: GOOD.index("[[board]]")], tmp_path)
    assert told.startswith("board: is missing. Remedy: write at least one [[board]]")
    (told,) = problems("board = []\n" + GOOD[: GOOD.index("[[board]]")], tmp_path)
    assert told.startswith("line 1: board: there is no board")


# --- drivers ----------------------------------------------------------------------------------------------------------

TWO_BOARDS = GOOD.replace(
    "evses = [1, 2]\n",
    'evses = [1]\nport = "/dev/a"\naddress = 1\n\n[[board]]\ndriver = "sim"\nevses = [2]\nport = "/dev/a"\naddress = 1\n',
)


def claims(_driver: str, settings: Mapping[str, object]) -> set[tuple[str, int]]:
    port, address = settings.get("port", ""), settings.get("address", 0)
    if not isinstance(address, int):
        raise HalConfigError("board.address: must be a whole number")
    return {(str(port), address)}


def test_two_boards_on_one_port_and_address(tmp_path: Path) -> None:
    (told,) = problems(TWO_BOARDS, tmp_path, claims=claims)
    assert told == (
        "line 13: board[2]: uses port /dev/a, address 1, as board[1] does. Remedy: give each its own port or address."
    )
    different = TWO_BOARDS.removesuffix("address = 1\n") + "address = 2\n"
    assert len(good(different, tmp_path, claims=claims).boards) == 2


def test_an_evse_on_two_boards(tmp_path: Path) -> None:
    (told,) = problems(TWO_BOARDS.replace("evses = [2]", "evses = [1]"), tmp_path)
    assert "board[2].evses: EVSE 1 is on board[1] already" in told


def test_what_drivers_say_is_told_with_the_line(tmp_path: Path) -> None:
    def check(driver: str, _settings: Mapping[str, object]) -> None:
        raise HalConfigError(
            f"board.port: must be a text, is 3; board.evse[2].max_a: too much; board.extra: unknown ({driver})"
        )

    text = GOOD + "port = 3\n[[board.evse]]\nmax_a = 1\n"
    assert problems(text, tmp_path, driver_check=check) == [
        "line 10: board[1].port: must be a text, is 3.",
        "line 11: board[1].evse: [2].max_a: too much.",
        "line 7: board[1].extra: unknown (sim).",
    ]

    def unknown_driver(driver: str, _settings: Mapping[str, object]) -> None:
        raise HalConfigError(f"unknown driver {driver!r}")

    assert problems(GOOD, tmp_path, driver_check=unknown_driver) == ["line 8: board[1].driver: unknown driver 'sim'."]


def test_one_mistake_that_both_checks_find_is_told_once(tmp_path: Path) -> None:
    text = GOOD + 'address = "x"\n'
    told = problems(text, tmp_path, driver_check=claims, claims=claims)
    assert told == ["line 10: board[1].address: must be a whole number."]


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_of_every_way_to_write_a_key() -> None:
    text = '''a = 1
b.c = 2 # comment = 3
"quo.ted" = """
d = 4
"""
[table] # x
key = [
  "x = 1",
]
'single' = 1
[[list]]
x = 1
[[list]]
x = 2
[list.inner]
y = 3
[[list.deep]]
z = 1
'''
    assert lines_of(text) == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 2,
        ("quo.ted",): 3,
        ("table",): 6,
        ("table", "key"): 7,
        ("table", "single"): 10,
        ("list",): 11,
        ("list", 1): 11,
        ("list", 1, "x"): 12,
        ("list", 2): 13,
        ("list", 2, "x"): 14,
        ("list", 2, "inner"): 15,
        ("list", 2, "inner", "y"): 16,
        ("list", 2, "deep"): 17,
        ("list", 2, "deep", 1): 17,
        ("list", 2, "deep", 1, "z"): 18,
    }


def test_keys_are_written_as_toml_writes_them() -> None:
    assert render(("board", 2, "port")) == "board[2].port"
    assert render(("variables", "A.b[c]")) == 'variables."A.b[c]"'
    assert render(("",)) == '""'


# --- generated text ---------------------------------------------------------------------------------------------------


def test_the_example_loads_without_a_word(tmp_path: Path) -> None:
    assert good(example(), tmp_path).warnings == ()


def test_every_line_of_the_example_can_be_switched_on() -> None:
    uncommented = [
        line.removeprefix("# ")
        for line in example().splitlines()
        if not line.startswith("# ") or line.startswith("# [[") or _assigns(line.removeprefix("# "))
    ]
    data = tomllib.loads("\n".join(uncommented))
    shown = {header.strip("[]"): {f.name for f in fields(cls) if "kind" in f.metadata} for header, cls in TABLES}
    for name, keys in shown.items():
        table = data[name][0] if isinstance(data[name], list) else data[name]
        assert set(table) == keys
    for name in ("password", "password_file", "password_env", "ca_file", "cert_file", "key_file"):
        del data["csms"][name]  # they exclude each other, or are no files here
    for name in ("pkcs11_module", "pkcs11_token", "pkcs11_pin_file", "pkcs11_pin_env"):
        del data["security"][name]
    assert parse(data).evse(1).max_a == 16.0


def _assigns(line: str) -> bool:
    try:
        return len(tomllib.loads(line)) == 1
    except tomllib.TOMLDecodeError:
        return False


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m station.config_doc > docs/configuration.md"


def test_every_section_is_documented() -> None:
    assert {header.strip("[]") for header, _ in TABLES} | {"variables"} == set(config.SECTIONS)


def test_every_default_is_a_value_that_could_be_given() -> None:
    for _, cls in TABLES:
        for field in fields(cls):
            if "kind" not in field.metadata:
                continue
            kind = config_fields.kind_of(field.metadata)
            if isinstance(field.default, str | int | float | tuple):
                assert kind.read(field.default) == field.default
            else:
                kind.read(field.metadata["example"])


# --- anything at all --------------------------------------------------------------------------------------------------

scalars = (
    st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["ws://h", "wss://[", "CS1", "sim", "\x00", "~" * 5000, dt.date(2026, 1, 1), dt.time(1)])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = sorted({f.name for _, cls in TABLES for f in fields(cls)} | {"TxCtrlr.EVConnectionTimeOut", "TxCtrlr"})
tables = st.dictionaries(st.sampled_from(names) | st.text(max_size=5), values, max_size=6)
files = st.dictionaries(
    st.sampled_from(config.SECTIONS) | st.text(max_size=5), tables | st.lists(tables, max_size=3) | values, max_size=9
)


def check_any(data: Mapping[str, Any]) -> None:
    try:
        parse(data, base=Path("/nonexistent"), environ={}, claims=claims)
    except ConfigError as error:
        for problem in error.problems:
            key, colon, text = problem.partition(": ")
            assert colon, problem
            assert text, problem
            assert key.startswith('"') or key.split(".")[0].split("[")[0] in {*config.SECTIONS, *data}, problem


@settings(max_examples=150, deadline=None)
@given(files)
def test_any_content_is_settings_or_a_list_of_named_problems(data: dict[str, Any]) -> None:
    check_any(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["station", "csms", "store", "log", "clock", "variables"]), st.sampled_from(names), values)
def test_one_odd_value_in_a_good_file(section: str, name: str, value: object) -> None:
    data = tomllib.loads(GOOD)
    data.setdefault(section, {})[name] = value
    check_any(data)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_finding_lines_never_fails(text: str) -> None:
    for key, line in lines_of(text).items():
        assert key
        assert 1 <= line <= len(text.splitlines())


def test_modules_of_the_configuration_do_not_see_drivers() -> None:
    for module in (config, config_check, config_own, config_read, config_fields, config_secret):
        assert "hal.registry" not in Path(str(module.__file__)).read_text(encoding="utf-8").replace(
            "`hal.registry`", ""
        )
