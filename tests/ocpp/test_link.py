"""`station.ocpp.link` against real servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
import logging
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from station.errors import ConfigError
from station.ocpp.link import BackOff, Link, LinkSettings, LinkState
from station.ocpp.link_settings import tls_context
from station.ocpp.trouble import Trouble

OFFERED = ("ocpp2.0.1", "ocpp1.6")
FAST = BackOff(0.01, 0.005, 2)
Handler = Callable[[ServerConnection], Awaitable[None]]


class Hooks:
    """Collects what the link tells. `link` is set by `running`."""

    def __init__(self) -> None:
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.log: list[str] = []
        self.failed: list[Trouble] = []

    def on_open(self, subprotocol: str) -> None:
        self.log.append("open")
        self.opened.put_nowait(subprotocol)

    def on_text(self, text: str) -> None:
        self.texts.put_nowait(text)

    def on_failed(self, trouble: Trouble) -> None:
        self.failed.append(trouble)

    def on_closed(self, reason: str) -> None:
        self.log.append("closed")
        self.closed.put_nowait(reason)


async def get(queue: asyncio.Queue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 5)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def settings(port: int, **changes: Any) -> LinkSettings:
    options: dict[str, Any] = {
        "url": f"ws://127.0.0.1:{port}/ocpp",
        "identity": "CS 1",
        "subprotocols": lambda: OFFERED,
        "back_off": lambda: FAST,
        "ping_interval": lambda: 0.0,
        "close_timeout_s": 0.3,
    }
    return LinkSettings(**{**options, **changes})


def port_of(server: Server | asyncio.Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


@asynccontextmanager
async def csms(handler: Handler, **options: Any) -> AsyncIterator[int]:
    options.setdefault("subprotocols", [Subprotocol("ocpp1.6")])
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.3, **options) as server:
        yield port_of(server)


@asynccontextmanager
async def running(what: LinkSettings, seed: int = 1) -> AsyncIterator[tuple[Link, Hooks]]:
    hooks = Hooks()
    link = Link(what, hooks, random.Random(seed))
    link.start()
    try:
        yield link, hooks
    finally:
        await link.close()
        assert link.state is LinkState.CLOSED


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


# -- the good case ---------------------------------------------------------------------------------------------------


async def test_texts_go_both_ways_in_order() -> None:
    async with csms(echo) as port, running(settings(port)) as (link, hooks):
        assert await get(hooks.opened) == "ocpp1.6"
        assert link.state is LinkState.OPEN
        sent = [f"text {n}" for n in range(200)]
        assert all(link.send(text) for text in sent)
        assert [await get(hooks.texts) for _ in sent] == sent
    assert hooks.log == ["open", "closed"]
    assert not link.send("too late")


async def test_the_upgrade_request() -> None:
    seen: list[Request] = []

    def look(ws: ServerConnection, request: Request) -> None:
        seen.append(request)

    async with csms(echo, process_request=look) as port:
        what = settings(port, url=f"ws://127.0.0.1:{port}/ocpp//?k=v", password="s3cret")
        async with running(what) as (_, hooks):
            await get(hooks.opened)
    request = seen[0]
    assert request.path == "/ocpp/CS%201?k=v"
    assert request.headers["Sec-WebSocket-Protocol"] == "ocpp2.0.1, ocpp1.6"
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"CS 1:s3cret"
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_binary_frames_are_understood_as_text() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send(b"[3,\xff]")
        await ws.wait_closed()

    async with csms(handler) as port, running(settings(port)) as (_, hooks):
        assert await get(hooks.texts) == "[3,\ufffd]"


# -- refusals and ends -----------------------------------------------------------------------------------------------


async def until_second_attempt(handler: Handler, **options: Any) -> tuple[Hooks, Link, list[Any]]:
    """Run against a server until it has seen two connections."""
    seen: list[Any] = []
    twice = asyncio.Event()

    def look(ws: ServerConnection, request: Request) -> Response | None:
        seen.append(request)
        if len(seen) >= 2:
            twice.set()
        refuse: HTTPStatus | None = options.get("refuse")
        return ws.respond(refuse, "no") if refuse is not None else None

    server_options = {key: value for key, value in options.items() if key != "refuse"}
    async with csms(handler, process_request=look, **server_options) as port, running(settings(port)) as (link, hooks):
        await asyncio.wait_for(twice.wait(), 5)
    return hooks, link, seen


async def test_no_subprotocol_is_not_accepted() -> None:
    hooks, link, _ = await until_second_attempt(echo, subprotocols=None)
    assert hooks.log == []
    assert "none of the subprotocols" in (link.last_error or "")


async def test_a_subprotocol_that_was_not_offered_is_not_accepted() -> None:
    def wrong(ws: ServerConnection, request: Request, response: Response) -> None:
        response.headers["Sec-WebSocket-Protocol"] = "ocpp1.5"

    hooks, link, _ = await until_second_attempt(echo, subprotocols=None, process_response=wrong)
    assert hooks.log == []
    assert "ocpp1.5" in (link.last_error or "")


@pytest.mark.parametrize("status", [401, 404, 500, 503])
async def test_refusals_are_retried(status: int) -> None:
    hooks, link, _ = await until_second_attempt(echo, refuse=HTTPStatus(status))
    assert hooks.log == []
    assert f"HTTP {status}" in (link.last_error or "")


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000])
async def test_close_frames_are_retried(code: int) -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.close(code, "go away")

    hooks, _, _ = await until_second_attempt(handler)
    assert hooks.log[:2] == ["open", "closed"]
    assert hooks.closed.get_nowait() == f"closed by the CSMS: {code} go away"


async def test_a_bare_end_of_tcp_is_retried() -> None:
    async def handler(ws: ServerConnection) -> None:
        ws.transport.abort()

    hooks, _, _ = await until_second_attempt(handler)
    assert hooks.closed.get_nowait() == "the connection was lost"


async def test_a_message_that_is_too_long_ends_the_connection() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send("x" * 2000)
        await ws.wait_closed()

    async with csms(handler) as port, running(settings(port, max_bytes=1000)) as (_, hooks):
        assert "1009" in await get(hooks.closed)
        await get(hooks.opened)
        await get(hooks.opened)  # and again
        assert hooks.texts.empty()


async def raw_server(first: bytes | None) -> tuple[asyncio.Server, asyncio.Queue[str]]:
    """TCP that answers everything with `first` (None: nothing), and tells of every connection."""
    attempts: asyncio.Queue[str] = asyncio.Queue()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.put_nowait("connected")
        if first is not None:
            writer.write(first)
        with suppress(ConnectionError):
            while await reader.read(1000):
                pass
        writer.close()

    return await asyncio.start_server(serve_one, "127.0.0.1", 0), attempts


@pytest.mark.parametrize("first", [None, b"", b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_server_that_is_no_csms(first: bytes | None) -> None:
    server, attempts = await raw_server(first)
    async with server:
        async with running(settings(port_of(server), open_timeout_s=0.05)) as (link, hooks):
            for _ in range(3):
                await get(attempts)
        assert hooks.log == []
        assert link.last_error


async def test_nobody_listens_then_somebody_does() -> None:
    server, _ = await raw_server(None)
    port = port_of(server)
    server.close()
    await server.wait_closed()
    async with running(settings(port)) as (link, hooks):
        await until(lambda: link.last_error is not None)
        async with serve(echo, "127.0.0.1", port, subprotocols=[Subprotocol("ocpp2.0.1")], close_timeout=0.3):
            assert await get(hooks.opened) == "ocpp2.0.1"
            await link.close()


async def test_two_sockets_never_stand_at_once() -> None:
    open_now = most = total = 0
    many = asyncio.Event()

    async def handler(ws: ServerConnection) -> None:
        nonlocal open_now, most, total
        open_now, total = open_now + 1, total + 1
        most = max(most, open_now)
        await ws.send("hello")
        await ws.wait_closed()
        open_now -= 1
        if total >= 10:
            many.set()

    async with csms(handler) as port, running(settings(port)) as (link, hooks):

        async def churn() -> None:
            while True:
                await hooks.opened.get()
                link.reconnect("because", at_once=True)
                link.reconnect("because", at_once=True)
                await hooks.closed.get()

        task = asyncio.get_running_loop().create_task(churn())
        await asyncio.wait_for(many.wait(), 5)
        task.cancel()
        await asyncio.wait([task])
    assert most == 1
    assert open_now == 0
    assert hooks.log == ["open", "closed"] * (len(hooks.log) // 2)


async def test_what_was_queued_for_a_lost_connection_is_not_sent_on_the_next() -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def handler(ws: ServerConnection) -> None:
        async for message in ws:
            seen.put_nowait(str(message))

    async with csms(handler) as port, running(settings(port)) as (link, hooks):
        await get(hooks.opened)
        link.reconnect("test")
        await get(hooks.closed)
        assert not link.send("old")
        await get(hooks.opened)
        link.send("new")
        assert await get(seen) == "new"


async def test_a_peer_that_does_not_read_is_left() -> None:
    stop = asyncio.Event()

    async def handler(ws: ServerConnection) -> None:
        ws.transport.pause_reading()
        await stop.wait()

    async with csms(handler) as port, running(settings(port)) as (link, hooks):
        await get(hooks.opened)
        await until(lambda: not link.send("x" * 100_000))
        assert await get(hooks.closed) == "the CSMS does not read what we send"
        stop.set()


# -- ping ------------------------------------------------------------------------------------------------------------


async def test_pings_are_answered_and_go_on() -> None:
    async with csms(echo) as port:
        interval = 0.01
        async with running(settings(port, ping_interval=lambda: interval)) as (link, hooks):
            await get(hooks.opened)
            await until(lambda: link.pings >= 5)
            assert link.state is LinkState.OPEN
            assert hooks.closed.empty()


async def test_without_a_pong_it_reconnects() -> None:
    class Mute(ServerConnection):
        def data_received(self, data: bytes) -> None:
            if self.response is None:  # after the upgrade nothing arrives here
                super().data_received(data)

    async with csms(echo, create_connection=Mute) as port:
        quick = settings(port, ping_interval=lambda: 0.01, pong_timeout_s=0.05)
        async with running(quick) as (_, hooks):
            await get(hooks.opened)
            assert await get(hooks.closed) == "no pong from the CSMS"
            await get(hooks.opened)


async def test_the_ping_interval_can_be_changed_while_connected() -> None:
    interval = 0.0
    async with csms(echo) as port, running(settings(port, ping_interval=lambda: interval)) as (link, hooks):
        await get(hooks.opened)
        link.send("a")
        await get(hooks.texts)
        assert link.pings == 0
        interval = 0.01
        link.ping_interval_changed()
        await until(lambda: link.pings > 0)


# -- back-off --------------------------------------------------------------------------------------------------------


def waits(back_off: BackOff, count: int, seed: int = 7) -> list[float]:
    link = Link(settings(1), Hooks(), random.Random(seed))
    return [link.next_wait(back_off) for _ in range(count)]


def test_back_off_doubles_and_then_stays() -> None:
    assert waits(BackOff(10, 0, 3), 7) == [10, 20, 40, 80, 80, 80, 80]
    assert waits(BackOff(5, 0, 0), 3) == [5, 5, 5]
    assert waits(BackOff(1, 0, 10**9), 40)[-1] == 86_400
    assert waits(BackOff(2**31 - 1, 2**31 - 1, 30), 2) == [86_400, 86_400]  # no CSMS can send a station away for good
    assert min(waits(BackOff(0, 0, 5), 3)) > 0  # never a busy loop


def test_back_off_has_a_random_part_every_time() -> None:
    extra = [wait - base for wait, base in zip(waits(BackOff(10, 8, 2), 50), [10, 20, *[40] * 48], strict=True)]
    assert all(0 <= part <= 8 for part in extra)
    assert len({round(part, 6) for part in extra}) == 50
    assert max(extra) > 6
    assert min(extra) < 2
    assert waits(BackOff(10, 8, 2), 5) == waits(BackOff(10, 8, 2), 5)
    assert waits(BackOff(10, 8, 2), 5) != waits(BackOff(10, 8, 2), 5, seed=8)


class Slow(Link):
    """Records the waits."""

    __slots__ = ("waited",)

    def next_wait(self, back_off: BackOff) -> float:
        wait = super().next_wait(BackOff(1, 0, 5))
        self.waited.append(wait)
        return 0.001


async def waited_until(handler: Handler, count: int, **options: Any) -> list[float]:
    async with csms(handler, **options) as port:
        link = Slow(settings(port), Hooks(), random.Random(1))
        link.waited = []
        link.start()
        await until(lambda: len(link.waited) >= count)
        await link.close()
        return list(link.waited[:count])


async def test_only_a_message_from_the_csms_resets_the_back_off() -> None:
    async def silent(ws: ServerConnection) -> None:
        await ws.close(1008)

    async def talking(ws: ServerConnection) -> None:
        await ws.send("hello")
        await ws.close(1001)

    assert await waited_until(silent, 4) == [1, 2, 4, 8]
    assert await waited_until(talking, 4) == [1, 1, 1, 1]


async def test_reconnect_at_once_ends_a_wait() -> None:
    async with csms(echo) as port:
        server, attempts = await raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        async with server, running(settings(port_of(server), back_off=lambda: BackOff(3600, 0, 0))) as (link, hooks):
            await get(attempts)
            await until(lambda: link.state is LinkState.WAITING)
            link.reconnect("patience")
            assert link.state is LinkState.WAITING
            link.configure(settings(port))
            link.reconnect("other settings", at_once=True)
            await get(hooks.opened)


async def test_settings_that_change_during_an_attempt_are_used() -> None:
    mute, attempts = await raw_server(None)
    async with mute, csms(echo) as port, running(settings(port_of(mute), open_timeout_s=0.05)) as (link, hooks):
        await get(attempts)
        assert link.state is LinkState.CONNECTING
        link.configure(settings(port))
        link.reconnect("other settings")
        await get(hooks.opened)


async def test_close_ends_an_attempt_a_wait_and_a_session() -> None:
    mute, attempts = await raw_server(None)
    port = port_of(mute)
    async with mute, running(settings(port, open_timeout_s=3600)):
        await get(attempts)
    async with running(settings(port, back_off=lambda: BackOff(3600, 0, 0))) as (link, _):
        await until(lambda: link.state is LinkState.WAITING)
    unused = Link(settings(1), Hooks(), random.Random(1))
    await unused.close()
    assert unused.state is LinkState.CLOSED


async def test_cancelling_run_closes_the_socket() -> None:
    gone = asyncio.Event()

    async def handler(ws: ServerConnection) -> None:
        await ws.wait_closed()
        gone.set()

    async with csms(handler) as port:
        hooks = Hooks()
        task = asyncio.get_running_loop().create_task(Link(settings(port), hooks, random.Random(1)).run())
        await get(hooks.opened)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 5)
    assert hooks.log == ["open", "closed"]


async def test_a_failing_hook_ends_the_run_with_the_socket_closed() -> None:
    class Broken(Hooks):
        def on_text(self, text: str) -> None:
            raise RuntimeError("a bug")

    async with csms(echo) as port:
        hooks = Broken()
        link = Link(settings(port), hooks, random.Random(1))
        task = asyncio.get_running_loop().create_task(link.run())
        await get(hooks.opened)
        link.send("x")
        with pytest.raises(RuntimeError, match="a bug"):
            await task
    assert hooks.log == ["open", "closed"]


async def test_subprotocols_are_asked_at_every_attempt() -> None:
    offers: list[Sequence[str]] = [["ocpp2.0.1"], [], ["ocpp1.6"]]

    async with csms(echo) as port, running(settings(port, subprotocols=lambda: offers.pop(0))) as (_, hooks):
        assert await get(hooks.opened) == "ocpp1.6"
        assert offers == []


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with csms(echo) as port:
        what = settings(port, url=f"ws://127.0.0.1:{port}/x?token=tok3n", password="pa55word")
        async with running(what) as (link, hooks):
            await get(hooks.opened)
            link.send("pa55word")
            await get(hooks.texts)
    ours = [record for record in caplog.records if record.name.startswith("station.link")]
    assert ours
    text = "\n".join(record.getMessage() for record in ours) + repr(what)
    encoded = base64.b64encode(b"CS 1:pa55word").decode()
    assert not any(word in text for word in ("pa55word", "tok3n", encoded))
    assert ours[0].__dict__["station"] == "CS 1"


async def test_a_refusal_is_told_and_the_next_attempt_uses_what_is_configured_then() -> None:
    server, attempts = await raw_server(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    class Second(Hooks):
        def on_failed(self, trouble: Trouble) -> None:
            super().on_failed(trouble)
            link.configure(settings(good))

    async with server, csms(echo) as good:
        hooks = Second()
        link = Link(settings(port_of(server)), hooks, random.Random(1))
        link.start()
        await get(hooks.opened)
        await link.close()
        assert attempts.qsize() == 1
        assert [(trouble.status, trouble.event) for trouble in hooks.failed] == [(401, "FailedToAuthenticateAtCsms")]


async def test_what_cannot_be_tried_is_not() -> None:
    server, attempts = await raw_server(None)
    async with server, running(settings(port_of(server), refusal="no password is set")) as (link, hooks):
        await until(lambda: len(hooks.failed) >= 2)
        assert link.last_error == "no password is set"
        assert attempts.empty()


def test_a_password_of_bytes() -> None:
    header = settings(1, identity="CS", password=b"\x00\xff").headers()["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"CS:\x00\xff"


# -- TLS -------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, *, host: str = "127.0.0.1") -> tuple[str, str]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_file), str(key_file)


def server_context(cert: str, key: str, client_ca: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "csms")
    own_cert, own_key = certificate(tmp_path, "station")
    async with csms(echo, ssl=server_context(cert, key, own_cert)) as port:
        what = settings(
            port, url=f"wss://127.0.0.1:{port}", ca_file=cert, cert_file=own_cert, key_file=own_key, close_timeout_s=2
        )
        async with running(what) as (link, hooks):
            await get(hooks.opened)
            link.send("over TLS")
            assert await get(hooks.texts) == "over TLS"
        assert tls_context(what) is tls_context(what)


async def test_tls_is_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "other", host="127.0.0.9")
    async with csms(echo, ssl=server_context(cert, key)) as port:
        base = {"url": f"wss://127.0.0.1:{port}", "close_timeout_s": 2}
        for changes, expected in (
            ({}, "self-signed certificate"),
            ({"ca_file": cert}, "IP address mismatch"),
            ({"ca_file": str(tmp_path / "missing.pem")}, "FileNotFoundError"),
        ):
            async with running(settings(port, **base, **changes)) as (link, hooks):
                await until(lambda: link.last_error is not None)
                assert expected in link.last_error
                assert hooks.log == []
        async with running(settings(port, **base, ca_file=cert, verify_hostname=False)) as (_, hooks):
            await get(hooks.opened)


def test_a_new_certificate_file_makes_a_new_context(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "a")
    what = settings(1, url="wss://host", ca_file=cert, cert_file=cert, key_file=key)
    before = tls_context(what)
    certificate(tmp_path, "a")
    assert tls_context(what) is not before
    assert tls_context(settings(1)) is None


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "identity", "expected"),
    [
        ("ws://h", "CS1", "ws://h/CS1"),
        ("ws://h/", "CS1", "ws://h/CS1"),
        ("wss://h:9/a/b///", "CS1", "wss://h:9/a/b/CS1"),
        ("ws://h/a%20b", "C S/%1#?", "ws://h/a%20b/C%20S%2F%251%23%3F"),
        ("ws://h/?t=1", "a:b", "ws://h/a:b?t=1"),
        ("ws://[::1]:8/x", "é", "ws://[::1]:8/x/%C3%A9"),
    ],
)
def test_the_url_is_joined_once(url: str, identity: str, expected: str) -> None:
    assert settings(1, url=url, identity=identity).endpoint() == expected


def test_settings_that_cannot_work_tell_everything_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(1, url="http://user:pw@/x#f", identity="", password="x" * 41, key_file="k")
    problems = caught.value.problems
    assert len(problems) == 7
    assert all("pw" not in problem and "xxx" not in problem for problem in problems)
    with pytest.raises(ConfigError, match="Port"):
        settings(1, url="ws://h:notaport/")
    with pytest.raises(ConfigError, match="RFC 7617"):
        settings(1, identity="a:b", password="x")


async def test_what_the_csms_gives_as_reason_cannot_command_a_terminal() -> None:
    async def rude(ws: ServerConnection) -> None:
        await ws.recv()
        await ws.close(4000, "\x1b[31mred\nFORGED line\u202e")

    async with csms(rude) as port, running(settings(port)) as (link, hooks):
        await get(hooks.opened)
        link.send("hello")
        await until(lambda: "closed" in hooks.log)
        assert link.last_error == "closed by the CSMS: 4000 \\x1b[31mred\\nFORGED line\\u202e"
