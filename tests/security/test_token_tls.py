"""`station.security.token_tls`: TLS with keys in a real token (SoftHSM), a whole station with one, and the guards."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from station.errors import SecurityError
from station.security import token_tls
from station.security.tls import server_context
from station.sim.csms import EmbeddedCsms
from station.sim.csms_serve import signer_of
from tests.security.bench import pki
from tests.security.softhsm import LABEL, PIN, SoftToken, find_engine, make_token
from tests.security.token_bench import CASES, der

ROOT = Path(__file__).parents[2]
ID = "CS001"


@pytest.fixture
def token(tmp_path: Path) -> SoftToken:
    """A token of its own for every test; programs use it, this process does not."""
    find_engine()
    folder = tmp_path / "softhsm"
    folder.mkdir()
    return make_token(folder)


# --- handshakes, in a program of their own ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_handshakes(case: str, token: SoftToken, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "tests.security.token_bench"]
    done = subprocess.run(
        [*command, case, token.module, str(tmp_path)], cwd=ROOT, env=token.environ, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert PIN.encode() not in done.stdout + done.stderr


# --- a whole station ----------------------------------------------------------------------------------------------------


def config(folder: Path, url: str, token: SoftToken, *, bootstrap: bool) -> Path:
    """Profile 3. bootstrap: with the certificate that the installer has brought, as files."""
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    first = pki().station(ID)
    brought = f'cert_file = "{first.cert_file}"\nkey_file = "{first.key_file}"\n' if bootstrap else ""
    file = folder / "station.toml"
    file.write_text(
        f'[station]\nid = "{ID}"\n[csms]\nurl = "{url}"\nsecurity_profile = 3\nca_file = "{pki().csms_root.pem_file}"\n{brought}'
        f'[store]\npath = "station.db"\n[[board]]\ndriver = "sim"\nevses = [1]\n[log]\nlevel = "DEBUG"\n'
        f'[security]\npkcs11_module = "{token.module}"\npkcs11_token = "{LABEL}"\npkcs11_pin_file = "pin"\n'
        '[variables]\n"SecurityCtrlr.OrganizationName" = "Pilotwire Test"\n'
    )
    return file


@asynccontextmanager
async def running(file: Path, token: SoftToken) -> AsyncIterator[list[str]]:
    """`station run`; what it wrote is in the list when it has ended as it should."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-W", "error", "-m", "station", "run", "--config", str(file)),
        cwd=ROOT,
        env=token.environ,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stderr is not None
    reading = asyncio.get_running_loop().create_task(program.stderr.read())  # or it would stop when the pipe is full
    written: list[str] = []
    try:
        yield written
        program.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(program.wait(), 20) == 0, (await reading).decode()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        written.append((await reading).decode())


def seeing(peers: list[bytes | None]) -> ssl.SSLContext:
    """A CSMS's context that remembers the certificates it is shown."""

    class Seeing(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            peers.append(self.getpeercert(binary_form=True))

    context = server_context(pki().server.cert_file, pki().server.key_file, client_ca_file=pki().csms_root.pem_file)
    context.sslobject_class = Seeing
    return context


async def test_a_station_with_its_key_in_a_token(token: SoftToken, tmp_path: Path) -> None:
    """From the installer's certificate to one whose key was made in the token: asked for, signed, used at once (A02.FR.08), and used
    after a restart, when there is no other.
    """
    peers: list[bytes | None] = []
    signer = signer_of(pki())
    async with EmbeddedCsms(websocket=True, ssl=seeing(peers), signer=signer, host="localhost") as csms:
        async with running(config(tmp_path, csms.url, token, bootstrap=True), token) as log:
            await csms.wait_for(ID, "BootNotification", since=0, timeout=30)
            assert peers == [der(pki().station(ID).cert_file)]
            root = {"certificateType": "CSMSRootCertificate", "certificate": pki().csms_root.pem}
            assert await csms.call(ID, "InstallCertificate", root) == {"status": "Accepted"}
            mark = csms.mark()
            trigger = {"requestedMessage": "SignChargingStationCertificate"}
            assert await csms.call(ID, "TriggerMessage", trigger) == {"status": "Accepted"}
            await csms.wait_for(ID, "SignCertificate", since=mark, timeout=30)
            while len(peers) < 2:
                await asyncio.sleep(0.02)
        (chain,) = (tmp_path / "certificates" / "station").glob("*.pem")
        assert peers[1] == der(str(chain))
        assert not list((tmp_path / "certificates").rglob("*.key"))
        mark = csms.mark()
        async with running(config(tmp_path, csms.url, token, bootstrap=False), token) as later:
            await csms.wait_for(ID, "BootNotification", since=mark, timeout=30)
        assert peers[2:] == [der(str(chain))]
    for text in log + later:
        assert "Traceback" not in text
        assert PIN not in text


def check(file: Path, token: SoftToken, **environ: str) -> str:
    """What `station check` says of a file that it finds good."""
    command = [sys.executable, "-W", "error", "-m", "station", "check", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env={**token.environ, **environ}, capture_output=True, text=True, timeout=30, check=True
    )
    assert PIN not in done.stdout + done.stderr
    return done.stdout


def test_station_check_opens_the_token(token: SoftToken, tmp_path: Path) -> None:
    file = config(tmp_path, "wss://localhost:1", token, bootstrap=True)
    assert "pkcs11" not in check(file, token)
    told = check(file, token, OPENSSL_ENGINES=str(tmp_path))
    assert "warning: security.pkcs11_module: " in told
    assert "libengine-pkcs11-openssl" in told
    (tmp_path / "pin").write_text("000000-wrong\n")
    told = check(file, token)
    assert "warning: security.pkcs11_token: the token 'station' refuses the PIN" in told
    assert "000000" not in told
    file.write_text(file.read_text().replace(f'pkcs11_token = "{LABEL}"', 'pkcs11_token = "other"'))
    assert "there is no token 'other'" in check(file, token)


# --- guards -------------------------------------------------------------------------------------------------------------


def test_the_pointer_is_proved() -> None:
    openssl = token_tls._openssl()
    one = ssl.create_default_context()
    options = one.options
    pointer = token_tls.pointer_of(one)
    assert one.options == options
    assert token_tls.pointer_of(one) == pointer
    for change in ("options", "minimum_version", "verify_mode"):
        other = ssl.create_default_context()
        other.check_hostname = False
        assert token_tls.pointer_of(other) != pointer
        one.check_hostname = False
        assert token_tls._same(openssl, pointer, other)
        wanted = {"options": ssl.OP_ALL, "minimum_version": ssl.TLSVersion.TLSv1_3, "verify_mode": ssl.CERT_OPTIONAL}
        setattr(other, change, wanted[change])
        assert not token_tls._same(openssl, pointer, other), change


def test_every_context_of_ours_is_known() -> None:
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        assert token_tls.pointer_of(ssl.SSLContext(protocol))


class NoContext:
    """What another library's context might look like."""

    options = ssl.OP_ALL
    minimum_version = ssl.TLSVersion.TLSv1_2
    verify_mode = ssl.CERT_REQUIRED


def test_what_is_no_context_is_refused() -> None:
    with pytest.raises(SecurityError, match="no SSLContext"):
        token_tls.pointer_of(NoContext())  # type: ignore[arg-type]  # that is the point


def test_a_context_that_does_not_follow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for verdicts, words in (([False], "not where it is expected"), ([True, False], "does not follow")):
        monkeypatch.setattr(token_tls, "_same", lambda *_, left=verdicts: left.pop(0))
        with pytest.raises(SecurityError, match=words):
            token_tls.pointer_of(ssl.create_default_context())


@pytest.fixture
def anew() -> None:
    """What was found out about this Python is forgotten."""
    token_tls._openssl.cache_clear()


@pytest.mark.usefixtures("anew")
def test_other_interpreters_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(token_tls, "PYTHONS", ((2, 6), (2, 7)))
        told = token_tls.hindrance() or ""
        assert "CPython 2.6 to 2.7 only" in told
        assert "libengine-pkcs11-openssl" in told, "the remedy"
    with monkeypatch.context() as patch:
        patch.setattr(ssl, "OPENSSL_VERSION", "LibreSSL 2.8.3")
        assert "cannot be told from another one" in (token_tls.hindrance() or "")
    with monkeypatch.context() as patch:
        patch.setitem(token_tls._FUNCTIONS, "ENGINE_of_the_future", (None, ()))
        assert "has no engines" in (token_tls.hindrance() or "")
    with monkeypatch.context() as patch:
        patch.delattr("_ssl.__file__")
        assert "built in" in (token_tls.hindrance() or "")


def test_without_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENSSL_ENGINES", str(tmp_path))
    assert f"there is no engine {tmp_path / 'pkcs11.so'}" in (token_tls.hindrance() or "")
    monkeypatch.delenv("OPENSSL_ENGINES")
    if os.environ.get("CI"):
        find_engine()
        assert token_tls.hindrance() is None


def test_nothing_of_the_token_is_shown() -> None:
    place = token_tls.TokenPlace("/lib/driver.so", "station", lambda: PIN)
    key = token_tls.TokenTlsKey(place, "a", lambda: b"\x01")
    assert PIN not in repr(key)
    assert token_tls._uri("st;at", b"\x00\xff") == b"pkcs11:token=%73%74%3b%61%74;id=%00%ff;type=private"
