"""`station csms` over HTTP: its command table, `POST /call/{station}/{action}`, files that stations upload, and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from station.runtime.control_types import Json
from station.sim.csms_actions import call_paths
from station.sim.csms_control import TOPICS
from station.sim.csms_host import CsmsHost, Upload, Uploads
from station.sim.panel import SchemaLibrary
from station.web.answers import RefusedError, json_answer
from station.web.app import Site, application, read_object
from station.web.bridge import Bridge
from station.web.query import read_query

__all__ = ["application_of"]

ABOUT = "A CSMS for tests: OCPP 1.6 and 2.0.1, honest or misbehaving on demand."
QUERY: Mapping[str, Any] = {"properties": {"check": {"type": "boolean"}, "within": {"type": "number"}}}


class _More:
    """The routes that a station's server has not."""

    def __init__(self, bridge: Bridge, host: CsmsHost, secret: str) -> None:
        self._bridge = bridge
        self._host = host
        self._secret = secret

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/call/{station}/{action}", self.call, methods=["POST"]),
            Route(f"/upload/{self._secret}/{{name}}", self.upload, methods=["PUT", "POST"]),
            Route(f"/upload/{self._secret}/", self.upload, methods=["PUT", "POST"]),
            Route("/file/{name}", self.file, methods=["GET"]),
        ]

    async def call(self, request: Request) -> Response:
        """The answer of the station; 400 and nothing sent when the payload is not valid."""
        options = read_query(QUERY, request.query_params.multi_items())
        place = {"station": request.path_params["station"], "action": request.path_params["action"]}
        arguments: Json = {**options, **place, "payload": await read_object(request)}
        return json_answer({"result": await self._bridge.do("call", arguments)})

    async def upload(self, request: Request) -> Response:
        """A file of a station. Who knows the address may write, nothing is ever run or shown as a page."""
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > Uploads.MOST_BYTES:
                raise RefusedError("too_large", f"the file has more than {Uploads.MOST_BYTES} bytes")
        wall = self._host.csms.clock.now().wall
        name = "".join(char for char in request.path_params.get("name", "upload") if char.isprintable())[:255]
        station = request.headers.get("x-station", "")[:48]
        self._host.uploads.add(Upload(name, station, wall, bytes(content)))
        return json_answer({"result": {"name": name, "bytes": len(content)}}, 201)

    async def file(self, request: Request) -> Response:
        """An uploaded file, to be saved."""
        found = self._host.uploads.find(request.path_params["name"])
        if found is None:
            raise RefusedError("unknown", "no station has uploaded this file", "name")
        saved = f"attachment; filename*=UTF-8''{quote(found.name)}"
        return Response(found.content, 200, {"content-disposition": saved}, "application/octet-stream")


def extended(document: Json) -> Json:
    """The OpenAPI document with what only a CSMS has."""
    paths, schemas = call_paths()
    components = document.get("components", {})
    return {
        **document,
        "info": {**document["info"], "title": "Pilotwire CSMS", "description": ABOUT},
        "paths": {**document["paths"], **paths},
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def application_of(bridge: Bridge, host: CsmsHost, *, secret: str, token_needed: bool) -> Starlette:
    """The whole application, without its guard. secret: part of the address to which stations upload."""
    site = Site("csms.html", TOPICS, _More(bridge, host, secret).routes(), extended)
    return application(bridge, SchemaLibrary(), token_needed=token_needed, site=site)
