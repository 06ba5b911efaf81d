"""The server's life: beside a loop, in a loop, with TLS, and ending in every order."""

from __future__ import annotations

import asyncio
import builtins
import importlib.util
import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from station.errors import ConfigError, StationError
from station.sim.loop import VirtualLoop
from station.web.server import serve_app, serve_here, serve_in_thread
from station.web.settings import WebSettings, read_settings
from tests.web.certificates import make_pair
from tests.web.served import TOKEN, Reader, served
from tests.web.small import SmallControl

ANY_PORT = WebSettings(port=0)


async def test_tls(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    settings = read_settings("localhost:0", None, pair.certificate, pair.key)
    trusted = ssl.create_default_context(cafile=str(pair.certificate))
    async with served(settings=settings, verify=trusted) as web:
        assert web.server.url.startswith("https://localhost:")
        assert (await web.do("plug")).status_code == 200
        old = ssl.create_default_context(cafile=str(pair.certificate))
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        for context in (old, ssl.create_default_context()):  # too old; does not know us
            async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(web.server.url)
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.HTTPError):
                await client.get(web.server.url.replace("https", "http"))
        assert (await web.look("state")).status_code == 200


async def test_the_cookie_stays_on_tls(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    settings = read_settings("127.0.0.1:0", tmp_path / "token", pair.certificate, pair.key)
    trusted = ssl.create_default_context(cafile=str(pair.certificate))
    async with served(settings=settings, verify=trusted) as web:
        assert "Secure" in (await web.http.get("/", params={"token": TOKEN})).headers["set-cookie"]


async def test_closing_while_somebody_waits_for_a_command() -> None:
    async with served() as web:
        asking = asyncio.ensure_future(web.http.post("/api/v1/do/stuck"))
        await asyncio.wait_for(web.control.begun.wait(), 10)
        await asyncio.to_thread(web.server.close)
        answer = await asking
        assert answer.status_code == 503
        assert answer.json()["code"] == "unavailable"
        web.server.close()


async def test_closing_before_it_has_started() -> None:
    server = serve_in_thread(SmallControl(), asyncio.get_running_loop(), ANY_PORT)
    server.close()
    assert not server.running
    assert server.failure is None


async def test_closing_with_an_idle_connection() -> None:
    """A browser keeps its connections open."""
    async with served() as web:
        await web.look("state")
        begun = asyncio.get_running_loop().time()
        await asyncio.to_thread(web.server.close)
        assert asyncio.get_running_loop().time() - begun < 2


async def test_a_handler_that_hangs_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody sends half a request and keeps the connection."""
    async with served() as web:
        reader, writer = await asyncio.open_connection(web.http.base_url.host, web.http.base_url.port)
        writer.write(b"POST /api/v1/do/plug HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 10\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.1)
        await asyncio.to_thread(web.server.close)
        assert not web.server.running
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        del reader


def test_beside_a_virtual_loop_that_stands_still_and_ends() -> None:
    """The whole order of `station sim`: the loop pauses, a browser looks on, the simulation ends, the loop is closed."""
    heard: list[Any] = []

    def look_on(url: str) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            heard.append(client.post("/api/v1/do/plug", json={"evse": 1}).status_code)
            heard.append(client.get("/api/v1/look/state").json())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1e5, lambda: None)
        control = SmallControl()
        server = serve_in_thread(control, loop, ANY_PORT)
        try:
            thread = threading.Thread(target=look_on, args=(server.url,))
            thread.start()
            over = asyncio.Event()
            threading.Thread(target=lambda: (thread.join(), loop.call_soon_threadsafe(over.set))).start()
            await over.wait()
        finally:
            server.close()
        assert loop.time() < 1, "nobody moved the time"
        assert not server.running

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(speed=0.0)) as runner:
        runner.run(main())
    assert heard == [200, {"result": {"plugged": [1]}}]


def test_a_loop_that_ends_first() -> None:
    """Nobody closed the server: who asks is told, and it can still be closed."""

    async def main() -> Any:
        return serve_in_thread(SmallControl(), asyncio.get_running_loop(), ANY_PORT)

    server = asyncio.run(main())
    assert server.started.wait(20)
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/api/v1/look/state").status_code == 503
    server.close()
    assert not server.running


async def test_in_the_running_loop() -> None:
    control = SmallControl()
    async with serve_here(control, ANY_PORT) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.post("/api/v1/do/plug", json={})).status_code == 200
        async with http.stream("GET", "/api/v1/events") as answer:
            assert await Reader(answer).next() == ("state", {"event": "state", "plugged": [1]})
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))


async def test_closing_in_the_running_loop_ends_the_streams() -> None:
    control = SmallControl()
    async with httpx.AsyncClient(trust_env=False) as http:
        async with serve_here(control, ANY_PORT) as url:
            request = http.build_request("GET", url + "api/v1/events")
            answer = await http.send(request, stream=True)
            reader = Reader(answer)
            await reader.next()
        assert await reader.next() is None
        await answer.aclose()
    assert control.listeners == []


async def test_any_application() -> None:
    async def hello(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    async with serve_app(hello, ANY_PORT) as url, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
        assert answer.text == "hello"
        assert answer.headers["x-frame-options"] == "DENY", "behind the guard"


async def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    threads = threading.active_count()
    with ANY_PORT.bind() as listener:
        taken = WebSettings(port=listener.getsockname()[1])
        with pytest.raises(ConfigError, match="Address already in use"):
            serve_in_thread(SmallControl(), asyncio.get_running_loop(), taken)
        with pytest.raises(ConfigError, match="Address already in use"):
            async with serve_here(SmallControl(), taken):
                pass
    assert threading.active_count() <= threads


async def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else real(name))
    with pytest.raises(StationError, match=r"pip install 'pilotwire\[sim\]' \(missing: uvicorn\)"):
        serve_in_thread(SmallControl(), asyncio.get_running_loop(), ANY_PORT)
    with pytest.raises(StationError, match="missing: uvicorn"):
        async with serve_here(SmallControl(), ANY_PORT):
            pass


async def test_a_broken_installation_does_not_end_the_simulation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def broken(name: str, *more: Any, **named: Any) -> Any:
        if name == "uvicorn":
            raise ImportError("uvicorn is half there")
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    with caplog.at_level(logging.ERROR):
        server = serve_in_thread(SmallControl(), asyncio.get_running_loop(), ANY_PORT)
        await asyncio.to_thread(server.started.wait, 20)
    assert isinstance(server.failure, ImportError)
    assert "the web server has ended: uvicorn is half there" in caplog.text
    server.close()
    assert not server.running
