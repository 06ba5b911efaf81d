"""What the command line of `station sim` asks for: security profiles, certificates, and every mistake by its option."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from station.errors import ConfigError
from station.security.testpki import TestPki
from station.sim.lab import LabSettings
from station.sim.options import SimOptions, settings_of
from station.sim.security_options import SecurityOptions

PASSWORD = "correct-horse-battery"
PLAIN, SECURE = "ws://127.0.0.1:9/ocpp", "wss://127.0.0.1:9/ocpp"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    TestPki(time.time(), folder).get("csms/root")
    return folder


Ask = Callable[..., LabSettings]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def asked(csms: str | None, *, password: bool = False, store: Path | None = None, **security: Any) -> LabSettings:
        file = tmp_path / "password"
        file.write_text(PASSWORD + "\n")
        return settings_of(
            SimOptions(
                csms_url=csms,
                identity="CS1",
                password_file=file if password else None,
                folder=store,
                speed=1.0,
                security=SecurityOptions(**security),
            )
        )

    return asked


def wrong(ask: Ask, csms: str | None, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        ask(csms, **options)
    return list(caught.value.problems)


def test_without_options_everything_is_as_it_was(ask: Ask) -> None:
    for csms in (None, PLAIN, SECURE):
        settings = ask(csms)
        assert (settings.security_profile, settings.ca_file, settings.cert_file, settings.secure_url) == (None,) * 4
        assert settings.identity == "CS1"


@pytest.mark.parametrize(("profile", "csms", "password"), [(0, PLAIN, False), (1, PLAIN, True), (2, SECURE, True)])
def test_a_profile_with_what_it_needs(ask: Ask, pki: Path, profile: int, csms: str, password: bool) -> None:
    settings = ask(csms, profile=profile, password=password, pki=pki)
    assert settings.security_profile == profile
    assert settings.ca_file == str(pki / "csms" / "root.pem")
    assert settings.cert_file is None
    assert not list(pki.glob("station/leaf-*")), "nothing is made that is not needed"
    assert PASSWORD not in repr(settings)


def test_profile_3_makes_the_certificate_once(ask: Ask, pki: Path) -> None:
    first = ask(SECURE, profile=3, pki=pki)
    assert first.cert_file is not None
    assert first.key_file is not None
    assert "CS1" in first.cert_file
    assert Path(first.key_file).stat().st_mode & 0o077 == 0
    before = Path(first.cert_file).read_bytes()
    again = ask(SECURE, profile=3, pki=pki)
    assert again.cert_file == first.cert_file
    assert Path(first.cert_file).read_bytes() == before
    by_files = ask(SECURE, profile=3, ca=Path(str(first.ca_file)), cert=Path(first.cert_file), key=Path(first.key_file))
    assert (by_files.ca_file, by_files.cert_file, by_files.key_file) == (
        first.ca_file,
        first.cert_file,
        first.key_file,
    )


def test_a_certificate_that_an_earlier_run_has_got_will_do(ask: Ask, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert wrong(ask, SECURE, profile=3, store=store) == [
        "--cert: is missing; --profile 3 needs --cert and --key, or --pki, or a --store with a certificate"
    ]
    (store / "certificates" / "station").mkdir(parents=True)
    (store / "certificates" / "station" / "own.pem").touch()
    assert ask(SECURE, profile=3, store=store).security_profile == 3


@pytest.mark.parametrize(
    ("csms", "options", "names"),
    [
        (None, {"profile": 2, "password": True}, ["--profile"]),
        (None, {"pki": Path("x"), "secure_url": "wss://x"}, ["--pki", "--secure-url"]),
        (PLAIN, {"profile": 1}, ["--password-file"]),
        (PLAIN, {"profile": 0, "password": True}, ["--password-file"]),
        (PLAIN, {"profile": 2, "password": True}, ["--csms"]),
        (SECURE, {"profile": 1, "password": True}, ["--csms"]),
        (SECURE, {"profile": 3, "password": True}, ["--cert", "--password-file"]),
        (SECURE, {"cert": Path("/missing")}, ["--key"]),
        (SECURE, {"key": Path("/missing")}, ["--cert"]),
        (SECURE, {"cert": Path("/missing"), "key": Path("/missing")}, ["--cert", "--key"]),
        (SECURE, {"ca": Path("/missing")}, ["--ca"]),
        (SECURE, {"pki": Path("/missing")}, ["--pki"]),
        (SECURE, {"pki": Path("/missing"), "ca": Path("/missing")}, ["--ca", "--ca"]),
        (SECURE, {"secure_url": "wss://b"}, ["--secure-url"]),
        (PLAIN, {"secure_url": "ws://b"}, ["--secure-url"]),
        (PLAIN, {"secure_url": "wss://me:secret@b"}, ["--secure-url"]),
        ("http://x", {"profile": 3}, ["--cert", "--csms"]),
    ],
)
def test_mistakes_are_named_by_option(ask: Ask, csms: str | None, options: dict[str, Any], names: list[str]) -> None:
    problems = wrong(ask, csms, **options)
    assert sorted(problem.partition(":")[0] for problem in problems) == names
    assert not any(re.search("secret|battery", problem) for problem in problems)


def test_files_that_are_something_else(ask: Ask, pki: Path, tmp_path: Path) -> None:
    made = TestPki(time.time(), pki)
    one, other = made.station("one"), made.station("other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("hello\n")
    assert wrong(ask, SECURE, ca=nothing) == [f"--ca: {nothing}: it holds no certificates in PEM"]
    pair = {"cert": Path(one.cert_file), "key": Path(other.key_file)}
    assert wrong(ask, SECURE, profile=3, **pair) == [
        f"--cert: {one.cert_file}: no certificate chain in PEM that belongs to {other.key_file}"
    ]
    assert wrong(ask, SECURE, profile=3, pki=tmp_path) == [
        f"--pki: {tmp_path} is no test PKI; make one with: station pki make {tmp_path}"
    ]
    assert list(tmp_path.glob("csms")) == []


def test_the_fuse_of_the_grid_connection() -> None:
    settings = settings_of(SimOptions(station_max_a=20.0))
    assert settings.charging is not None
    assert settings.charging.station_max_a == 20.0
    assert settings_of(SimOptions()).charging is None
