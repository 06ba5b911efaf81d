"""The front panel of a bench: the web server beside it, its address for people, and a browser where somebody sits."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from station.errors import ConfigError, StationError
from station.ocpp.schemas import Schemas, schema_folder
from station.runtime.control_types import Control, Json
from station.web.browser import has_desktop, open_browser
from station.web.server import check_installed, serve_in_thread
from station.web.settings import WebSettings, read_settings

__all__ = ["PanelOptions", "SchemaLibrary", "front_panel", "panel_settings", "together"]

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class PanelOptions:
    """What the command line says about the panel. browser: None opens one when a person sits at a terminal on a desktop."""

    listen: str | None = None
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    browser: bool | None = None


def panel_settings(options: PanelOptions | None, *, hurried: bool) -> WebSettings | None:
    """Settings of the server, None for no panel. Raises ConfigError with every mistake.

    hurried: the run will be over before a browser has opened; then only whoever names an address gets a panel.
    """
    if options is None:
        return None
    settings = read_settings(options.listen, options.token_file, options.tls_cert, options.tls_key)
    return None if hurried and options.listen is None else settings


def together(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results. Raises ConfigError with the mistakes of both."""
    try:
        found = first()
    except ConfigError as error:
        try:
            second()
        except ConfigError as another:
            raise ConfigError([*error.problems, *another.problems]) from error
        raise
    return found, second()


class SchemaLibrary:
    """The schemas of OCPP with their prose, for people and for forms."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], Json] = {}

    def actions(self, version: str) -> Sequence[str]:
        """Raises KeyError."""
        schemas = Schemas.for_version(version)
        return sorted(schemas.actions | schemas.sends)

    def request(self, version: str, action: str) -> Json:
        """Raises KeyError."""
        if action not in self.actions(version):
            raise KeyError(action)
        if (version, action) not in self._read:
            folder = schema_folder(version)
            file = next(
                path for path in (folder / f"{action}Request.json", folder / f"{action}.json") if path.is_file()
            )
            self._read[version, action] = json.loads(file.read_text(encoding="utf-8-sig"), parse_float=_number)
        return self._read[version, action]


def _number(text: str) -> float:
    """`minItems: 1.0` is not valid everywhere."""
    value = float(text)
    return int(value) if value.is_integer() else value


@contextmanager
def front_panel(
    make_control: Callable[[], Control], settings: WebSettings | None, *, browser: bool | None, person: bool
) -> Iterator[str]:
    """While open, the panel is served beside the running loop. Gives words for people: where it is, or why it is not there.

    settings: None for no panel. person: somebody sits at a terminal. Raises ConfigError when the port cannot be had.
    """
    if settings is None:
        yield ""
        return
    try:
        check_installed()
    except StationError as error:
        yield f"no front panel: {error}"
        return
    server = serve_in_thread(make_control(), asyncio.get_running_loop(), settings, SchemaLibrary())
    try:
        if browser or (browser is None and person and has_desktop(os.environ)):
            open_browser(server)
        yield f"front panel: {server.url}"
    finally:
        server.close()
