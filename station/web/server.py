"""The server: uvicorn in a thread of its own beside the station's loop, or in the loop that runs already.

The socket is bound at once, so that a taken port is told before anything starts; starlette and uvicorn are imported in the thread.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from station.errors import StationError
from station.runtime.control_types import Control
from station.runtime.fence import Fence
from station.web.settings import WebSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from station.web.app import Library
    from station.web.bridge import Bridge

__all__ = ["WebServer", "check_installed", "serve_app", "serve_here", "serve_in_thread"]

log = logging.getLogger("station.web")

GRACE_S = 1
"""How long an answer under way may still take when the server is closed."""
CLOSE_WITHIN_S = 5.0
MAX_CONNECTIONS = 256
NEEDED = ("starlette", "uvicorn")


def check_installed() -> None:
    """Raises StationError, with what to do, when the packages of the web server are missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise StationError(f"it needs the extra `sim`, pip install 'pilotwire[sim]' (missing: {', '.join(missing)})")


class WebServer:
    """A server in its thread. `started` is set when it answers, or when it has failed: then `failure` says why."""

    def __init__(self, control: Control, loop: asyncio.AbstractEventLoop, settings: WebSettings, library: Any) -> None:
        self._settings = settings
        self._listener = settings.bind()
        self.url = settings.url(self._listener)
        self.started = threading.Event()
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._server: Any = None
        self._bridge: Bridge | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, args=(control, loop, library), name="web", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self, control: Control, loop: asyncio.AbstractEventLoop, library: Library | None) -> None:
        fence = Fence()  # a panel that cannot be shown is no reason to end the simulation
        with fence, self._listener:
            asyncio.run(self._serve(control, loop, library))
        if fence.error is not None:
            self.failure = fence.error
            log.error("the web server has ended: %s", fence.error, exc_info=fence.error)
        self.started.set()

    async def _serve(self, control: Control, loop: asyncio.AbstractEventLoop, library: Library | None) -> None:
        from station.web.app import application
        from station.web.bridge import Bridge

        bridge = Bridge(control, loop)
        app = application(bridge, library, token_needed=self._settings.token is not None)
        server = _server(app, self._settings, self._listener, self.started.set)
        with self._lock:
            if self._closing:
                return
            self._bridge, self._server = bridge, server
        await server.serve(sockets=[self._listener])

    def close(self) -> None:
        """Stop: streams end, commands under way are given up, the thread ends. Call it in the station's loop; twice is fine."""
        with self._lock:
            self._closing = True
            bridge, server = self._bridge, self._server
        if bridge is not None:
            bridge.close()
        if server is not None:
            server.should_exit = True
        self._thread.join(CLOSE_WITHIN_S)


def serve_in_thread(
    control: Control, loop: asyncio.AbstractEventLoop, settings: WebSettings, library: Library | None = None
) -> WebServer:
    """Serve `control`, which lives in `loop`, until `close`. Raises StationError without the packages, ConfigError for the port."""
    check_installed()
    return WebServer(control, loop, settings, library)


@asynccontextmanager
async def serve_here(
    control: Control, settings: WebSettings, library: Library | None = None, **more: Any
) -> AsyncIterator[str]:
    """Serve `control` in the running loop, in which it lives too; gives the URL. Not for a virtual loop.

    more: see `station.web.app.application`. Raises StationError without the packages, ConfigError for the port.
    """
    check_installed()
    from station.web.app import application
    from station.web.bridge import Bridge

    bridge = Bridge(control, asyncio.get_running_loop())
    app = application(bridge, library, token_needed=settings.token is not None, **more)
    async with serve_app(app, settings, closing=bridge.close) as url:
        yield url


@asynccontextmanager
async def serve_app(
    app: ASGIApp, settings: WebSettings, *, closing: Callable[[], object] = lambda: None, free: str | None = None
) -> AsyncIterator[str]:
    """Serve any ASGI application, behind the guard, in the running loop; gives the URL.

    free: see `Guard`. closing: called before the server waits for the answers under way. Raises as `serve_here`.
    """
    check_installed()
    started = asyncio.Event()
    with settings.bind() as listener:
        server = _server(app, settings, listener, started.set, free)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        waiting = asyncio.ensure_future(started.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield settings.url(listener)
        finally:
            waiting.cancel()
            closing()
            server.should_exit = True
            await task


def _is_news(record: logging.LogRecord) -> bool:
    """Not that an answer was cut off when the server was closed: we did that."""
    cut = record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
    return not cut and "graceful shutdown exceeded" not in record.getMessage()


def _server(
    app: ASGIApp,
    settings: WebSettings,
    listener: socket.socket,
    started: Callable[[], object],
    free: str | None = None,
) -> Any:
    import uvicorn

    from station.web.guard import Guard

    class Server(uvicorn.Server):
        """Signals stay the program's own business."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    config = uvicorn.Config(
        Guard(app, local=settings.is_local, token=settings.token, port=listener.getsockname()[1], free=free),
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,  # what goes wrong goes to our own log
        access_log=False,  # a request line may hold a token
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config.load()
    config.ssl = settings.tls
    return Server(config)
