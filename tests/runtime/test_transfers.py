"""Files to and from real servers on localhost: every protocol, every way in which it can fail."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.runtime import transfers as transfers_module
from station.runtime import transfers_ftp, transfers_http, transfers_sftp
from station.runtime.transfers import (
    BadMessageError,
    FullError,
    NotSupportedError,
    PermissionDeniedError,
    TransferError,
    Transfers,
    parse_place,
    protocols,
)
from station.security.testpki import TestPki
from tests.runtime.file_servers import LOGIN, PASSWORD, Web, serve_ftp, serve_sftp, serve_web

QUICK = {"connect_timeout_s": 5.0, "stall_timeout_s": 5.0}
CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source.bin"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(time.time(), tmp_path_factory.mktemp("pki"))


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The server's folder."""
    folder = tmp_path / "server"
    folder.mkdir()
    return folder


def transfers(tmp_path: Path | None = None, **more: Any) -> Transfers:
    known = None if tmp_path is None else tmp_path / "known_hosts"
    return Transfers(**{"limits": QUICK, "known_hosts": known, **more})


def trusting(pki: TestPki, **more: Any) -> Transfers:
    async def roots() -> str:
        return pki.csms_root.pem

    return Transfers(roots, limits=QUICK, **more)


async def upload(url: str, source: Path, by: Transfers | None = None) -> None:
    await (by or transfers()).upload(url, source, "CS-1_log.zip")


# --- http -------------------------------------------------------------------------------------------------------------


async def test_put_into_a_folder(source: Path) -> None:
    with serve_web(Web()) as web:
        await upload(web.url("/logs/"), source)
    ((method, path, headers, body),) = web.requests
    assert (method, path, body) == ("PUT", "/logs/CS-1_log.zip", CONTENT)
    assert headers["Content-Type"] == "application/octet-stream"
    assert "CS-1_log.zip" in headers["Content-Disposition"]
    assert "Authorization" not in headers


async def test_put_to_an_address_as_it_is(source: Path) -> None:
    """Signed addresses of object stores must not be touched."""
    with serve_web(Web()) as web:
        await upload(web.url("/bucket/a%20b?sig=x%2F%3D&n=1"), source)
    assert web.requests[0][1] == "/bucket/a%20b?sig=x%2F%3D&n=1"


@pytest.mark.parametrize("status", [405, 501])
async def test_post_where_there_is_no_put(source: Path, status: int) -> None:
    """N01.FR.19."""
    with serve_web(Web(statuses={"PUT": status})) as web:
        await upload(web.url("/logs"), source)
    method, path, headers, body = web.requests[-1]
    assert (method, path) == ("POST", "/logs")
    boundary = headers["Content-Type"].partition("boundary=")[2].encode()
    head, _, rest = body.partition(b"\r\n\r\n")
    assert b'Content-Disposition: form-data; name="uploadfile"; filename="CS-1_log.zip"' in head
    assert b"Content-Type: application/octet-stream" in head
    assert rest == CONTENT + b"\r\n--" + boundary + b"--\r\n"


async def test_the_password_of_the_address(source: Path) -> None:
    with serve_web(Web(password=True)) as web:
        await upload(web.url(login=LOGIN), source)
        with pytest.raises(PermissionDeniedError, match="401"):
            await upload(web.url(), source)
    assert len(web.requests) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, PermissionDeniedError),
        (403, PermissionDeniedError),
        (400, BadMessageError),
        (413, BadMessageError),
        (404, TransferError),
        (302, TransferError),
        (500, TransferError),
        (507, TransferError),
    ],
)
async def test_refusals(source: Path, status: int, error: type[TransferError]) -> None:
    with serve_web(Web(statuses={"PUT": status})) as web:
        with pytest.raises(error, match=str(status)) as raised:
            await upload(web.url(login="user:secret"), source)
        assert type(raised.value) is error
        assert "secret" not in str(raised.value)


async def test_neither_put_nor_post(source: Path) -> None:
    with serve_web(Web(statuses={"PUT": 501, "POST": 501})) as web, pytest.raises(NotSupportedError):
        await upload(web.url(), source)


def _closed_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
async def test_nobody_listens(source: Path, scheme: str) -> None:
    with pytest.raises(TransferError) as raised:
        await upload(f"{scheme}://user:secret@127.0.0.1:{_closed_port()}/x", source)
    assert raised.value.status == "UploadFailure"
    assert not raised.value.final
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.fixture
def mute() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
async def test_a_server_that_says_nothing(source: Path, scheme: str, mute: int) -> None:
    by = transfers(limits={"connect_timeout_s": 0.3, "stall_timeout_s": 0.3})
    with pytest.raises(TransferError):
        await upload(f"{scheme}://127.0.0.1:{mute}/x", source, by)


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
async def test_cancelling_cuts_the_connection(source: Path, scheme: str, mute: int) -> None:
    by = transfers(limits={"connect_timeout_s": 20.0, "stall_timeout_s": 20.0})
    task = asyncio.create_task(upload(f"{scheme}://127.0.0.1:{mute}/x", source, by))
    await asyncio.sleep(0.4)
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begin < 1.9  # in less than CUT_WAIT_S: the thread has ended


@pytest.mark.parametrize("ends_well", [True, False])
async def test_a_thread_that_outlives_its_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_well: bool
) -> None:
    """A name look-up cannot be cut. What comes of it later is no file, and no complaint of the loop."""
    begun, go_on = threading.Event(), threading.Event()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    def slow(_place: Any, sink: Any, _tools: Any) -> None:
        begun.set()
        assert go_on.wait(10)
        sink.write(CONTENT)
        if not ends_well:
            raise TransferError("no")

    monkeypatch.setattr(transfers_module, "CUT_WAIT_S", 0.01)
    monkeypatch.setattr(transfers_http, "download", slow)
    task = asyncio.create_task(transfers().download("http://localhost/x", tmp_path / "x"))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    del task
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert complaints == []


async def test_a_cancelled_transfer_dials_nobody_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its way to the address that a server has redirected it to, say."""
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("dialled"))
    stop = transfers_module.Stop()
    stop.cut()
    with pytest.raises(transfers_module.StoppedError):
        transfers_module.connect("localhost", 80, transfers_module.Tools(stop, ssl.create_default_context, None))


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"220 hello\r\n", b"\x00" * 100, b""])
@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
async def test_a_server_of_another_kind(source: Path, scheme: str, answer: bytes) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with suppress(OSError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransferError):
            await upload(f"{scheme}://127.0.0.1:{port}/x", source)


# --- https ------------------------------------------------------------------------------------------------------------


async def test_https_with_the_roots_of_the_csms(pki: TestPki, source: Path) -> None:
    """N01.FR.15."""
    with serve_web(Web(), pki.server) as web:
        await upload(web.url(), source, trusting(pki))
        await upload(web.url(), source, Transfers(ca_file=pki.csms_root.pem_file))
    assert web.uploaded == [CONTENT, CONTENT]


async def test_https_to_a_stranger(pki: TestPki, source: Path) -> None:
    with serve_web(Web(), pki.server) as web, pytest.raises(PermissionDeniedError, match="not trusted"):
        await upload(web.url(), source)
    assert web.requests == []


async def test_https_to_another_host(pki: TestPki, source: Path) -> None:
    with (
        serve_web(Web(), pki.get("bad/server-wrong-host")) as web,
        pytest.raises(PermissionDeniedError, match="not trusted"),
    ):
        await upload(web.url(), source, trusting(pki))


# --- downloads over http ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [True, False])
async def test_download(tmp_path: Path, chunked: bool) -> None:
    file = tmp_path / "fw.bin"
    with serve_web(Web(files={"/fw": CONTENT}, chunked=chunked)) as web:
        assert await transfers().download(web.url("/fw"), file) == len(CONTENT)
    assert file.read_bytes() == CONTENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["fw.bin"]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_file_that_is_too_long(tmp_path: Path, chunked: bool) -> None:
    """Announced or not, no more than the limit is taken, and nothing is left of it."""
    with serve_web(Web(files={"/fw": CONTENT}, chunked=chunked)) as web, pytest.raises(FullError, match="1000"):
        await transfers(most_bytes=1000).download(web.url("/fw"), tmp_path / "fw.bin")
    assert os.listdir(tmp_path) == []


async def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    with serve_web(Web(files={"/fw": CONTENT}, cut_short=True)) as web, pytest.raises(TransferError, match="too early"):
        await transfers().download(web.url("/fw"), tmp_path / "fw.bin")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, the disk that is full")
async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def open_full(name: Any, flags: int, mode: int = 0o777) -> int:
        return real("/dev/full", os.O_WRONLY) if str(name).endswith(".part") else real(name, flags, mode)

    with serve_web(Web(files={"/fw": CONTENT}, chunked=True)) as web:
        monkeypatch.setattr(os, "open", open_full)
        with pytest.raises(FullError, match="disk is full"):
            await transfers().download(web.url("/fw"), tmp_path / "fw.bin")


async def test_redirects(tmp_path: Path) -> None:
    """The password stays with the host that it is for."""
    with serve_web(Web(files={"/fw": b"new"})) as far, serve_web(Web()) as near:
        near.redirects = {"/a": "b", "/b": far.url("/fw"), "/loop": "/loop"}
        await transfers().download(near.url("/a", login="user:secret"), tmp_path / "fw.bin")
        assert (tmp_path / "fw.bin").read_bytes() == b"new"
        assert "Authorization" in near.requests[0][2]
        assert "Authorization" not in far.requests[0][2]
        with pytest.raises(TransferError, match="redirects"):
            await transfers().download(near.url("/loop"), tmp_path / "no.bin")


async def test_no_redirect_away_from_tls(pki: TestPki, tmp_path: Path) -> None:
    with serve_web(Web(files={"/fw": b"new"})) as plain, serve_web(Web(), pki.server) as web:
        web.redirects = {"/fw": plain.url("/fw")}
        with pytest.raises(PermissionDeniedError, match="less safe"):
            await trusting(pki).download(web.url("/fw"), tmp_path / "fw.bin")
    assert plain.requests == []


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with serve_web(Web()) as web, pytest.raises(TransferError, match="404"):
        await transfers().download(web.url("/fw"), tmp_path / "fw.bin")


# --- ftp, ftps, sftp --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/logs", "/logs/"])
async def test_ftp_into_a_folder(source: Path, room: Path, path: str) -> None:
    (room / "logs").mkdir()
    with serve_ftp(room) as port:
        await upload(f"ftp://{LOGIN}@localhost:{port}{path}", source)
    assert (room / path.strip("/") / "CS-1_log.zip").read_bytes() == CONTENT


async def test_ftp_under_a_name(source: Path, room: Path) -> None:
    (room / "logs").mkdir()
    with serve_ftp(room) as port:
        await upload(f"ftp://{LOGIN}@localhost:{port}/logs/mine.zip", source)
    assert (room / "logs" / "mine.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
async def test_ftp_refusals(pki: TestPki, source: Path, room: Path, scheme: str) -> None:
    by = trusting(pki)
    secure = pki.server if scheme == "ftps" else None
    with serve_ftp(room, secure) as port:
        with pytest.raises(PermissionDeniedError, match="login"):
            await upload(f"{scheme}://user:secret@localhost:{port}/", source, by)
        with pytest.raises(PermissionDeniedError, match="550"):
            await upload(f"{scheme}://{LOGIN}@localhost:{port}/nowhere/x", source, by)
    with serve_ftp(room, secure, may="el") as port, pytest.raises(PermissionDeniedError) as raised:
        await upload(f"{scheme}://{LOGIN}@localhost:{port}/x", source, by)
    assert PASSWORD not in str(raised.value)


async def test_ftps_both_ways(pki: TestPki, source: Path, room: Path, tmp_path: Path) -> None:
    with serve_ftp(room, pki.server) as port:
        url = f"ftps://{LOGIN}@localhost:{port}/"
        await upload(url, source, trusting(pki))
        assert (room / "CS-1_log.zip").read_bytes() == CONTENT
        assert await trusting(pki).download(f"{url}CS-1_log.zip", tmp_path / "back.bin") == len(CONTENT)
        with pytest.raises(PermissionDeniedError, match="not trusted"):
            await upload(url, source)
    assert (tmp_path / "back.bin").read_bytes() == CONTENT


async def test_ftp_download(room: Path, tmp_path: Path) -> None:
    (room / "fw.bin").write_bytes(CONTENT)
    with serve_ftp(room) as port:
        url = f"ftp://{LOGIN}@localhost:{port}/fw.bin"
        assert await transfers().download(url, tmp_path / "fw.bin") == len(CONTENT)
        with pytest.raises(FullError):
            await transfers(most_bytes=10).download(url, tmp_path / "no.bin")
        with pytest.raises(TransferError, match="550"):
            await transfers().download(url + "x", tmp_path / "no.bin")
    assert (tmp_path / "fw.bin").read_bytes() == CONTENT
    assert not (tmp_path / "no.bin").exists()


async def test_no_command_hides_in_a_path(source: Path, room: Path) -> None:
    with serve_ftp(room) as port, pytest.raises(BadMessageError, match="line break"):
        await upload(f"ftp://{LOGIN}@localhost:{port}/x%0D%0ADELE%20y", source)


@pytest.mark.parametrize("path", ["", "/", "/logs", "/logs/", "/logs/mine.zip"])
async def test_sftp_both_ways(source: Path, room: Path, tmp_path: Path, path: str) -> None:
    (room / "logs").mkdir()
    by = transfers(tmp_path)
    with serve_sftp(room) as port:
        await upload(f"sftp://{LOGIN}@127.0.0.1:{port}{path}", source, by)
        name = path.strip("/") if path.endswith("zip") else f"{path.strip('/')}/CS-1_log.zip".strip("/")
        assert (room / name).read_bytes() == CONTENT
        await by.download(f"sftp://{LOGIN}@127.0.0.1:{port}/{name}", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == CONTENT


async def test_sftp_refusals(source: Path, room: Path, tmp_path: Path) -> None:
    by = transfers(tmp_path, most_bytes=10)
    (room / "fw.bin").write_bytes(CONTENT)
    with serve_sftp(room) as port:
        with pytest.raises(PermissionDeniedError, match="login"):
            await upload(f"sftp://user:secret@127.0.0.1:{port}/", source, by)
        with pytest.raises(BadMessageError, match="no such"):
            await upload(f"sftp://{LOGIN}@127.0.0.1:{port}/nowhere/x", source, by)
        with pytest.raises(FullError):
            await by.download(f"sftp://{LOGIN}@127.0.0.1:{port}/fw.bin", tmp_path / "no.bin")


async def test_sftp_to_a_server_with_another_key(source: Path, room: Path, tmp_path: Path) -> None:
    """The first key is remembered; another one is refused before the password is told."""
    by = transfers(tmp_path)
    with serve_sftp(room) as port:
        await upload(f"sftp://{LOGIN}@127.0.0.1:{port}/", source, by)
        await upload(f"sftp://{LOGIN}@127.0.0.1:{port}/", source, by)
    assert stat.S_IMODE((tmp_path / "known_hosts").stat().st_mode) == 0o600
    with serve_sftp(room, port), pytest.raises(PermissionDeniedError, match="another key"):
        await upload(f"sftp://{LOGIN}@127.0.0.1:{port}/", source, by)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", BadMessageError),
        ("not an address", BadMessageError),
        ("/logs", BadMessageError),
        ("http:///logs", BadMessageError),
        ("http://", BadMessageError),
        ("http://a:99999/", BadMessageError),
        ("http://a:0/", BadMessageError),
        ("http://[::1/", BadMessageError),
        ("http://a b/", BadMessageError),
        ("http://" + "a" * 80 + ".com/", BadMessageError),
        ("dummy://dummy", NotSupportedError),
        ("file:///etc/passwd", NotSupportedError),
        ("gopher://user:secret@x/", NotSupportedError),
    ],
)
def test_addresses_that_are_none(url: str, error: type[TransferError]) -> None:
    with pytest.raises(error) as raised:
        parse_place(url)
    assert "secret" not in str(raised.value)


def test_an_address_in_parts() -> None:
    place = parse_place(f"ftp://{LOGIN}@[::1]:2121/a%20b/c")
    assert (place.scheme, place.host, place.port, place.path) == ("ftp", "::1", 2121, "/a b/c")
    assert place.password == PASSWORD
    assert place.named == "ftp://[::1]:2121"
    assert PASSWORD not in repr(place)
    assert parse_place("HTTPS://Example.COM").port == 443
    assert parse_place("http://host?x=1").target == "/?x=1"


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(TEXT)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"sftp://host/{text}", f"ftp://{text}@host/"):
        try:
            place = parse_place(url)
        except TransferError as error:
            assert error.final  # noqa: PT017 - it need not be raised
        else:
            assert place.host
            assert 1 <= place.port <= 65535


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20))
def test_no_word_about_an_address_holds_its_password(password: str) -> None:
    for url in (
        f"http://u:{password}@h:0/",
        f"http://u:{password}@h/",
        f"x://u:{password}@h/",
        f"http://u:{password}@ h/",
    ):
        try:
            shown = repr(parse_place(url)) + parse_place(url).named
        except TransferError as error:
            shown = str(error)
        assert password not in shown


def test_what_is_announced() -> None:
    """OCPPCommCtrlr.FileTransferProtocols; each of them has a module."""
    assert protocols() == ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")
    for module in (transfers_ftp, transfers_http, transfers_sftp):
        assert callable(module.upload)
        assert callable(module.download)


async def test_what_a_protocol_needs_is_imported_in_the_thread(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncssh takes long to import, and the loop has a charging session to look after."""
    imported: list[threading.Thread] = []

    def note(name: str) -> object:
        imported.append(threading.current_thread())
        return importlib.import_module(name)

    monkeypatch.setattr(transfers_module, "import_module", note)
    with suppress(TransferError):
        await transfers(tmp_path).upload("sftp://127.0.0.1:1/", source, "a.log")
    with suppress(TransferError):
        await transfers(tmp_path).download("sftp://127.0.0.1:1/", tmp_path / "b.bin")
    assert len(imported) == 2
    assert threading.main_thread() not in imported
