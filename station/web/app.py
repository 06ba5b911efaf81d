"""The routes: the command table as REST, events as a stream, the schemas of OCPP, the document about all that, and the panel.

Nothing here knows a command by name, and nothing checks what a command's own kinds check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from station.errors import ControlError, Problem
from station.runtime.control_types import ON_REQUEST, TOPICS, Json
from station.web.answers import RefusedError, error_body, json_answer, refusal
from station.web.bridge import Bridge
from station.web.events import EventStream, left
from station.web.guard import read_body
from station.web.openapi import document
from station.web.query import read_query

__all__ = ["Library", "Site", "application"]

STATIC = Path(__file__).parent / "static"


class Library(Protocol):
    """The schemas of OCPP. (The web does not know OCPP; who composes the program does.)"""

    def actions(self, version: str) -> Sequence[str]:
        """The messages that `version` has. Raises KeyError for an unknown version."""

    def request(self, version: str, action: str) -> Json:
        """JSON Schema of a CALL's payload. Raises KeyError."""


@dataclass(frozen=True, slots=True)
class Site:
    """What one kind of server has of its own.

    page: of `static`, served at /. topics: that can be subscribed to. more: further routes, asked after the table's and before the
    files. extend: completes the OpenAPI document.
    """

    page: str = "index.html"
    topics: Mapping[str, str] = field(default_factory=lambda: TOPICS)
    more: Sequence[BaseRoute] = ()
    extend: Callable[[Json], Json] = lambda document: document


STATION_SITE = Site()


class Api:
    """The handlers of one station."""

    def __init__(
        self, bridge: Bridge, library: Library | None, *, token_needed: bool, site: Site = STATION_SITE
    ) -> None:
        self._bridge = bridge
        self._library = library
        self._token_needed = token_needed
        self._site = site

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/openapi.json", self.document),
            Route("/api/v1/commands", self.commands),
            Route("/api/v1/look/{name}", self.look),
            Route("/api/v1/do/{name}", self.do, methods=["POST"]),
            Route("/api/v1/events", self.events),
            Route("/api/v1/schemas/{version}", self.schemas),
            Route("/api/v1/schemas/{version}/{action}", self.schema),
        ]

    async def document(self, _request: Request) -> Response:
        table = await self._bridge.describe()
        plain = document(table, token_needed=self._token_needed, topics=self._site.topics)
        return json_answer(self._site.extend(plain))

    async def commands(self, _request: Request) -> Response:
        return json_answer({"commands": await self._bridge.describe()})

    async def look(self, request: Request) -> Response:
        name = request.path_params["name"]
        row = await self._row(name)
        if row is not None and not row["reads"]:
            raise RefusedError("unknown", f"{name} does not only look: POST /api/v1/do/{name}")
        arguments = read_query(row["parameters"] if row else {}, request.query_params.multi_items())
        return json_answer({"result": await self._carry_out(request, name, arguments, row)})

    async def do(self, request: Request) -> Response:
        name = request.path_params["name"]
        row = await self._row(name)
        if row is None:
            await self._bridge.do(name, {})  # says what is known, in the words of every other way in
        arguments = await read_object(request)
        return json_answer({"result": await self._carry_out(request, name, arguments, row)})

    async def _row(self, name: str) -> Json | None:
        return next((row for row in await self._bridge.describe() if row["name"] == name), None)

    async def _carry_out(self, request: Request, name: str, arguments: Json, row: Json | None) -> Json:
        """A command that takes its time is given up when whoever asked has gone; any other is carried out to its end."""
        work = asyncio.ensure_future(self._bridge.do(name, arguments))
        if row is None or not row["passes_time"]:
            return await work
        leaving = asyncio.ensure_future(left(request.receive))
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return await work
        finally:
            work.cancel()
            leaving.cancel()
            await asyncio.gather(work, leaving, return_exceptions=True)

    async def events(self, request: Request) -> ASGIApp:
        arguments = read_query(_TOPICS, request.query_params.multi_items())
        unknown = sorted(arguments.keys() - {"topics"})
        if unknown:
            raise ControlError(
                "invalid", [Problem(name, "is no parameter of this; there is topics") for name in unknown]
            )
        topics = frozenset(arguments.get("topics", self._site.topics.keys() - ON_REQUEST))
        mailbox = await self._bridge.subscribe(topics)
        first: list[Json] = []
        try:
            if "state" in topics:
                first.append({"event": "state", **await self._bridge.do("state", {})})
        except BaseException:
            self._bridge.unsubscribe(mailbox)
            raise
        return EventStream(mailbox, first, lambda: self._bridge.unsubscribe(mailbox))

    async def schemas(self, request: Request) -> Response:
        version = request.path_params["version"]
        try:
            actions = sorted(self._library.actions(version)) if self._library else None
        except KeyError:
            actions = None
        if actions is None:
            raise RefusedError("unknown", "there are no schemas of this version of OCPP", "version")
        return json_answer({"actions": actions})

    async def schema(self, request: Request) -> Response:
        version, action = request.path_params["version"], request.path_params["action"]
        try:
            schema = self._library.request(version, action) if self._library else None
        except KeyError:
            schema = None
        if schema is None:
            raise RefusedError("unknown", "this version of OCPP has no such message", "action")
        return json_answer(schema)


_TOPICS: Mapping[str, Any] = {"properties": {"topics": {"type": "array", "items": {"type": "string"}}}}


async def read_object(request: Request) -> Json:
    """The arguments in a body. No body at all is no arguments. Raises RefusedError."""
    body = await read_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and (body or kind):
        raise RefusedError("media_type", "the arguments must be sent as application/json")
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError("invalid", f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError("invalid", "the body must be a JSON object with the command's arguments")
    return value


async def _refused(_request: Request, error: Exception) -> Response:
    refused = cast(ControlError, error)
    # What is still on its way is not read: the connection ends with this answer.
    headers = {"connection": "close"} if refused.code in {"too_large", "timeout"} else {}
    return refusal(refused, headers)


_CODES = {404: "unknown", 405: "method"}


async def _http_error(request: Request, error: Exception) -> Response:
    wrong = cast(HTTPException, error)
    words = {
        404: f"there is nothing at {request.url.path[:200]}; see /openapi.json",
        405: f"{request.method} is not possible here; see /openapi.json",
    }
    problem = Problem("", words.get(wrong.status_code, wrong.detail))
    body = error_body(_CODES.get(wrong.status_code, "invalid"), [problem])
    return json_answer(body, wrong.status_code, wrong.headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    body = error_body("internal", [Problem("", "a mistake of the program; its log says more")])
    return json_answer(body, 500)


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # whoever asked has gone


class _Files(StaticFiles):
    """Files that a browser asks for again after an update, but does not load again without one."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        answer = super().file_response(*arguments, **more)
        answer.headers["cache-control"] = "no-cache"
        return answer


class _Page:
    """The panel itself."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._file.is_file():
            answer: Response = refusal(
                RefusedError("unknown", "this installation has no front panel; see /openapi.json")
            )
        else:
            answer = FileResponse(self._file, headers={"cache-control": "no-cache"})
        await answer(scope, receive, send)


def application(
    bridge: Bridge,
    library: Library | None = None,
    *,
    static: Path = STATIC,
    token_needed: bool = False,
    site: Site = STATION_SITE,
) -> Starlette:
    """The application for one station (or, with another `site`, one CSMS), without its guard.

    static: folder with the pages, served below /static.
    """
    routes = Api(bridge, library, token_needed=token_needed, site=site).routes()
    routes += site.more
    routes.append(Route("/", _Page(static / site.page), methods=["GET"]))
    if static.is_dir():
        routes.append(Mount("/static", _Files(directory=static)))
    return Starlette(
        routes=routes,
        exception_handlers={
            ControlError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _nobody,
            Exception: _broken,
        },
    )
