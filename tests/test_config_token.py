"""[security] pkcs11_*: what of it is checked before a token is opened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from station import config_token
from station.config import Settings, parse
from station.errors import ConfigError
from station.firmware import setup_of, token_of
from station.runtime.archive import public

ROOT = Path(__file__).parents[1]
PIN = "4711-secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "driver.so").write_text("")
    (tmp_path / "pin").write_text(f"{PIN}\nwhat follows is of no interest\n")
    (tmp_path / "pin").chmod(0o600)
    return tmp_path


def read(folder: Path, environ: Mapping[str, str] | None = None, **security: object) -> Settings:
    data: dict[str, Any] = {
        "station": {"id": "CS1"},
        "csms": {"url": "ws://localhost:9000"},
        "board": [{"driver": "sim", "evses": [1]}],
        "security": {f"pkcs11_{name}": value for name, value in security.items()},
    }
    return parse(data, base=folder, environ=environ or {})


def problems(folder: Path, environ: Mapping[str, str] | None = None, **security: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, environ, **security)
    assert PIN not in str(caught.value)
    return caught.value.problems


GOOD = {"module": "driver.so", "token": "station"}


def test_a_token_with_its_pin_in_a_file(folder: Path) -> None:
    settings = read(folder, **GOOD, pin_file="pin")
    assert settings.warnings == ()
    token = token_of(settings)
    assert token is not None
    assert (token.module, token.token, token.pin()) == (str(folder / "driver.so"), "station", PIN)
    setup = setup_of(settings)
    assert setup.token == token
    assert PIN not in repr(settings) + repr(setup) + str(public(setup)), "neither in logs nor in the archive"


def test_a_token_with_its_pin_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_of(read(folder, {"TOKEN_PIN": PIN}, **GOOD, pin_env="TOKEN_PIN"))
    monkeypatch.setenv("TOKEN_PIN", PIN)
    assert token is not None
    assert token.pin() == PIN


def test_without_a_token_keys_are_files(folder: Path) -> None:
    assert token_of(read(folder)) is None
    assert setup_of(read(folder)).token is None


def test_without_a_token_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys; from station.config import parse; from station.firmware import setup_of\n"
        "setup_of(parse({'station': {'id': 'CS1'}, 'csms': {'url': 'ws://localhost:9000'},"
        " 'board': [{'driver': 'sim', 'evses': [1]}]}))\n"
        "print({'pkcs11', 'station.security.pkcs11', 'station.security.token_tls'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"token": "station"}, "security.pkcs11_token: is of no use without pkcs11_module"),
        ({"pin_file": "pin"}, "security.pkcs11_pin_file: is of no use without pkcs11_module"),
        ({"pin_env": "A"}, "security.pkcs11_pin_env: is of no use without pkcs11_module"),
        ({**GOOD, "module": "none.so", "pin_file": "pin"}, "security.pkcs11_module: there is no file"),
        ({"module": "driver.so", "pin_file": "pin"}, "security.pkcs11_token: is missing"),
        (GOOD, "security.pkcs11_pin_file: is missing"),
        ({**GOOD, "pin_file": "pin", "pin_env": "A"}, "security.pkcs11_pin_env: the PIN is given by pkcs11_pin_file"),
        ({**GOOD, "pin_env": "UNSET_PIN"}, "security.pkcs11_pin_env: the environment variable UNSET_PIN is not set"),
        ({**GOOD, "pin_env": "a b"}, "security.pkcs11_pin_env: must be the name of an environment variable"),
        ({**GOOD, "pin_file": "none"}, "security.pkcs11_pin_file: there is no file"),
        ({**GOOD, "pin_file": "empty"}, "security.pkcs11_pin_file: the first line of"),
        ({**GOOD, "pin_file": "bytes"}, "security.pkcs11_pin_file: cannot read"),
        ({**GOOD, "token": "", "pin_file": "pin"}, "security.pkcs11_token: must be"),
        ({**GOOD, "token": "x" * 33, "pin_file": "pin"}, "security.pkcs11_token: must be"),  # CK_TOKEN_INFO.label
    ],
)
def test_what_cannot_be(folder: Path, security: dict[str, object], words: str) -> None:
    (folder / "empty").write_text("\n")
    (folder / "bytes").write_bytes(b"\xff\xfe\n")
    (problem,) = problems(folder, **security)
    assert problem.startswith(words), problem


def test_a_pin_that_others_can_read(folder: Path) -> None:
    (folder / "pin").chmod(0o644)
    (warning,) = read(folder, **GOOD, pin_file="pin").warnings
    assert warning.startswith("security.pkcs11_pin_file: others than its owner may read")
    assert "chmod 600" in warning
    assert config_token.PIN_FILE in warning
