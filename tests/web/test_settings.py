"""Where to listen, for whom, with which certificate: every mistake is named with its option."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.errors import ConfigError
from station.web.settings import DEFAULT_PORT, TRIES, WebSettings, is_loopback, read_settings
from tests.web.certificates import Pair, make_pair
from tests.web.served import TOKEN


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\nnot this\n")
    return file


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"))


def test_by_default_this_computer_only() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.tries) == ("127.0.0.1", DEFAULT_PORT, TRIES)
    assert settings.token is None
    assert settings.is_local


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("localhost:9000", "localhost", 9000),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_addresses(listen: str, host: str, port: int) -> None:
    settings = read_settings(listen)
    assert (settings.host, settings.port, settings.tries) == (host, port, 1)
    assert settings.is_local


@pytest.mark.parametrize(
    "listen", ["", "8180", "localhost", ":8180", "::1:80", "[::1]", "a b:1", "x:65536", "x:-1", "x:1:2"]
)
def test_no_address(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"^--listen: must be HOST:PORT"):
        read_settings(listen)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_told_so(text: str) -> None:
    """Only digits and dots: other names would be looked up in the network."""
    text = "".join(char for char in text if not char.isalpha())
    problems: list[str] = []
    with contextlib.suppress(ConfigError):
        try:
            assert read_settings(text).is_local
        except ConfigError as error:
            problems = error.problems
            raise
    assert all(problem.startswith(("--listen: ", "--token-file: ")) for problem in problems)


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"])
def test_other_computers_need_a_token(listen: str, token_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--token-file: .* can be reached from other computers.* /dev/urandom"):
        read_settings(listen)
    assert read_settings(listen, token_file).token == TOKEN


def test_a_name_is_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*addresses: str) -> None:
        rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: rows)

    found("127.0.1.1", "::1")
    assert is_loopback("myself")
    found("127.0.1.1", "192.0.2.7")
    assert not is_loopback("myself")

    def nobody(*_a: object, **_k: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert is_loopback("localhost")
    assert not is_loopback("nowhere")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the first line of .* is unfit"),
        (b"short\n", "16 to 1024 visible ASCII characters"),
        (b"fifteen-letters", "is unfit"),
        (b"with a space in the middle", "no spaces"),
        ("ümläutümläutümläut".encode(), "is unfit"),
        (b"\xff" * 20, "it is not text"),
        (None, "No such file"),
    ],
)
def test_a_token_that_is_none(content: bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^--token-file: .*{words}") as caught:
        read_settings("0.0.0.0:80", file)
    assert len(caught.value.problems) == 1
    if content:
        assert content.decode(errors="replace").strip() not in str(caught.value), "a secret is never shown"


def test_the_class_checks_too() -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        WebSettings("0.0.0.0")
    with pytest.raises(ConfigError, match="--token-file"):
        WebSettings(token="short")
    assert TOKEN not in repr(WebSettings(token=TOKEN))


def test_certificates(pair: Pair, tmp_path: Path) -> None:
    settings = read_settings(None, None, pair.certificate, pair.key)
    assert settings.tls is not None
    assert settings.tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    other = make_pair(tmp_path)
    for certificate, key, words in (
        (pair.certificate, None, "--tls-key: is missing"),
        (None, pair.key, "--tls-cert: is missing"),
        (tmp_path / "none", pair.key, "--tls-cert: cannot read .*: No such file"),
        (pair.certificate, other.key, "--tls-cert: .* cannot be used: key values mismatch"),
        (pair.key, pair.key, "--tls-cert: .* cannot be used"),
        (pair.certificate, make_pair(tmp_path, "locked", password=b"secret").key, "the key must have no password"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_settings(None, None, certificate, key)


def test_every_mistake_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings("x", tmp_path / "none", tmp_path / "cert", tmp_path / "key")
    options = [problem.partition(":")[0] for problem in caught.value.problems]
    assert options == ["--listen", "--token-file", "--tls-cert", "--tls-key"]


# --- sockets ----------------------------------------------------------------------------------------------------------


def test_the_next_free_port() -> None:
    with WebSettings(port=0).bind() as first:
        port = first.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"--listen: cannot listen on 127.0.0.1, port {port}: Address already in use"
        ):
            WebSettings(port=port).bind()
        settings = WebSettings(port=port, tries=20)
        with settings.bind() as second:
            assert port < second.getsockname()[1] < port + 20
            assert settings.url(second) == f"http://127.0.0.1:{second.getsockname()[1]}/"


def test_an_address_of_somebody_else() -> None:
    with pytest.raises(ConfigError, match=r"--listen: cannot listen on 192\.0\.2\.1"):
        WebSettings("192.0.2.1", 0, token=TOKEN).bind()
    with pytest.raises(ConfigError, match=r"--listen: no\.such\.name\.invalid is no address"):
        WebSettings("no.such.name.invalid", 0, token=TOKEN).bind()


def test_urls_for_people(pair: Pair) -> None:
    everywhere = WebSettings("0.0.0.0", 0, token=TOKEN)
    with everywhere.bind() as listener:
        assert everywhere.url(listener) == f"http://{socket.gethostname()}:{listener.getsockname()[1]}/"
    secure = read_settings("localhost:0", None, pair.certificate, pair.key)
    with secure.bind() as listener:
        assert secure.url(listener).startswith("https://localhost:")
