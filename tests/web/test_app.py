"""REST over a real socket: commands, looks, errors, files, schemas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from station.runtime.control_types import Json
from station.web.app import application
from station.web.bridge import Bridge
from station.web.guard import MAX_BODY, SECURITY_HEADERS, Guard
from tests.web.served import refused, served
from tests.web.small import TABLE, SmallControl

JSON = {"content-type": "application/json"}


async def test_a_command_and_a_look() -> None:
    async with served() as web:
        answer = await web.do("plug", evse=2)
        assert answer.status_code == 200
        assert answer.json() == {"result": {}}
        assert web.control.plugged == [2]
        assert (await web.look("state")).json() == {"result": {"plugged": [2]}}
        assert (await web.http.get("/api/v1/commands")).json() == {"commands": TABLE}


async def test_a_command_without_arguments_needs_no_body() -> None:
    async with served() as web:
        assert (await web.http.post("/api/v1/do/plug")).json() == {"result": {}}
        assert (await web.http.post("/api/v1/do/state", content=b"", headers=JSON)).status_code == 200


async def test_query_values_are_read_as_the_command_wants_them() -> None:
    async with served() as web:
        answer = await web.look("echo", evse="3", keys="a,b", factor="max", on="true", text="007")
        assert answer.json()["result"] == {"evse": 3, "keys": ["a", "b"], "factor": "max", "on": True, "text": "007"}
        refused(await web.http.get("/api/v1/look/echo?evse=1&evse=2"), 400, "invalid", "evse")


async def test_what_is_refused() -> None:
    async with served() as web:
        await web.do("plug")
        refused(await web.do("plug"), 409, "conflict", "")
        refused(await web.do("plug", evse="one"), 400, "invalid", "evse")
        refused(await web.do("fly"), 404, "unknown", "")
        refused(await web.look("fly"), 404, "unknown", "")
        refused(await web.look("plug"), 404, "unknown", "")
        refused(await web.http.get("/api/v2"), 404, "unknown", "")
        answer = await web.http.get("/api/v1/do/plug")
        refused(answer, 405, "method", "")
        assert answer.headers["allow"] == "POST"
        refused(await web.http.delete("/api/v1/look/state"), 405, "method", "")
        assert web.control.plugged == [1]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "invalid"),
        (b"[]", JSON, 400, "invalid"),
        (b'{"evse": NaN}', JSON, 400, "invalid"),
        (b'{"evse": "\xff"}', JSON, 400, "invalid"),
        (b"[" * 100_000, JSON, 400, "invalid"),
        (b"evse=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "media_type"),
        (b"{}", {"content-type": "text/plain"}, 415, "media_type"),
        (b"{}", {}, 415, "media_type"),
        (b'"' + b"x" * MAX_BODY + b'"', JSON, 413, "too_large"),
    ],
)
async def test_a_body_that_is_no_arguments(body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    async with served() as web:
        answer = await web.http.post("/api/v1/do/plug", content=body, headers=headers)
        refused(answer, status, code, "")
        assert web.control.plugged == []


async def test_a_body_that_does_not_say_how_long_it_is() -> None:
    """Chunked: it is counted while it comes."""

    async def chunks():
        for _ in range(20):
            yield b" " * (MAX_BODY // 10)

    async with served() as web:
        answer = await web.http.post("/api/v1/do/plug", content=chunks(), headers=JSON)
        refused(answer, 413, "too_large")
        assert web.control.plugged == []


async def test_a_body_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.web.guard.BODY_WITHIN_S", 0.05)
    async with served() as web:
        reader, writer = await asyncio.open_connection(web.http.base_url.host, web.http.base_url.port)
        writer.write(
            b"POST /api/v1/do/plug HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 10\r\n\r\n{"
        )
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        assert web.control.plugged == []


async def test_a_mistake_of_ours_is_no_secret_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as web:
        with caplog.at_level(logging.ERROR):
            body = refused(await web.do("crash"), 500, "internal", "")
            assert "mistake of ours" not in body["error"], "the words are for the log"
            while "a mistake of ours" not in caplog.text:
                await asyncio.sleep(0.01)
        assert (await web.do("plug")).status_code == 200


async def test_who_goes_away_gives_up_what_takes_time() -> None:
    async with served() as web:
        with pytest.raises(httpx.ReadTimeout):
            await web.http.post("/api/v1/do/wait", timeout=0.2)
        await asyncio.wait_for(web.control.given_up.wait(), 10)


async def test_who_goes_away_does_not_stop_what_was_begun() -> None:
    async with served() as web:
        with pytest.raises(httpx.ReadTimeout):
            await web.http.post("/api/v1/do/stuck", timeout=0.2)
        assert (await web.look("state")).status_code == 200
        assert not web.control.given_up.is_set()


async def test_every_answer_forbids_what_the_pages_do_not_need() -> None:
    async with served() as web:
        for path in ("/", "/api/v1/look/state", "/nowhere", "/openapi.json"):
            answer = await web.http.get(path)
            for name, value in SECURITY_HEADERS.items():
                assert answer.headers[name] == value
            assert "server" not in answer.headers


class Library:
    def actions(self, version: str) -> Sequence[str]:
        return {"1.6": ["Heartbeat", "Authorize"]}[version]

    def request(self, version: str, action: str) -> Json:
        return {("1.6", "Heartbeat"): {"type": "object"}}[version, action]


async def test_schemas_and_files(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>panel</title>")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("export {};")
    bridge = Bridge(SmallControl(), asyncio.get_running_loop())
    async with in_process(Guard(application(bridge, Library(), static=tmp_path), local=True, token=None)) as client:
        assert (await client.get("/api/v1/schemas/1.6")).json() == {"actions": ["Authorize", "Heartbeat"]}
        assert (await client.get("/api/v1/schemas/1.6/Heartbeat")).json() == {"type": "object"}
        refused(await client.get("/api/v1/schemas/1.5"), 404, "unknown", "version")
        refused(await client.get("/api/v1/schemas/1.6/Fly"), 404, "unknown", "action")
        refused(await client.get("/api/v1/schemas/1.5/Fly"), 404, "unknown", "action")
        page = await client.get("/")
        assert "<title>panel</title>" in page.text
        assert page.headers["cache-control"] == "no-cache"
        file = await client.get("/static/js/a.js")
        assert "javascript" in file.headers["content-type"]
        assert file.headers["cache-control"] == "no-cache"
        again = await client.get("/static/js/a.js", headers={"if-none-match": file.headers["etag"]})
        assert again.status_code == 304
        for path in ("/static/no.js", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/js", "/static/"):
            refused(await client.get(path), 404, "unknown")


def in_process(app: Any) -> httpx.AsyncClient:
    """Without a socket: nothing here is about those."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_without_a_panel_and_without_schemas(tmp_path: Path) -> None:
    bridge = Bridge(SmallControl(), asyncio.get_running_loop())
    async with in_process(application(bridge, static=tmp_path / "none")) as client:
        refused(await client.get("/"), 404, "unknown")
        refused(await client.get("/static/a.js"), 404, "unknown")
        refused(await client.get("/api/v1/schemas/1.6"), 404, "unknown", "version")
        refused(await client.get("/api/v1/schemas/1.6/Heartbeat"), 404, "unknown", "action")
