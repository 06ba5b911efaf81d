"""A real server over a real socket, for a small Control that lives in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from station.runtime.control_types import Control, Json
from station.web.server import WebServer, serve_in_thread
from station.web.settings import WebSettings
from tests.web.small import SmallControl

TOKEN = "a-token-of-24-characters"


@dataclass
class Served:
    control: Any
    server: WebServer
    http: httpx.AsyncClient
    streams: list[asyncio.Task[None]] = field(default_factory=list)

    async def do(self, name: str, **arguments: object) -> httpx.Response:
        return await self.http.post(f"/api/v1/do/{name}", json=arguments)

    async def look(self, name: str, **arguments: Any) -> httpx.Response:
        return await self.http.get(f"/api/v1/look/{name}", params=arguments)


@asynccontextmanager
async def served(
    control: Control | None = None, settings: WebSettings | None = None, **client: Any
) -> AsyncIterator[Served]:
    control = control or SmallControl()
    server = serve_in_thread(control, asyncio.get_running_loop(), settings or WebSettings(port=0))
    try:
        await asyncio.to_thread(server.started.wait, 20)
        assert server.failure is None
        async with httpx.AsyncClient(base_url=server.url, timeout=20, trust_env=False, **client) as http:
            yield Served(control, server, http)
    finally:
        server.close()
        assert not server.running, "the thread has ended"


def refused(answer: httpx.Response, status: int, code: str, *fields: str) -> Json:
    """The answer is an error as documented; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: Json = answer.json()
    assert body.keys() == {"code", "error", "problems"}
    assert body["code"] == code
    if fields:
        assert [problem["field"] for problem in body["problems"]] == list(fields)
    return body


class Reader:
    """Server-sent events of one response, one after the other."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        self._lines = answer.aiter_lines()
        self.last_id: str | None = None
        self.comments = 0

    async def next(self) -> tuple[str, Any] | None:
        """(topic, data); None at the end."""
        topic = data = None
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("event: "):
                topic = line[7:]
            elif line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and topic is not None:
                return topic, data
        return None
