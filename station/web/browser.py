"""Opening the panel where a person sits: a terminal, and a desktop to open a browser on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Mapping

from station.web.server import WebServer

__all__ = ["has_desktop", "open_browser", "show_page"]

START_WITHIN_S = 30.0
OPEN_WITHIN_S = 60.0


def has_desktop(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser would appear before the person who started us: not over SSH, and not on a bare console."""
    if "SSH_CONNECTION" in environ or "SSH_TTY" in environ:
        return False
    return platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_browser(server: WebServer) -> threading.Thread:
    """Open the panel as soon as the server answers; nobody waits for it, and a browser that cannot be opened is no error."""
    thread = threading.Thread(target=_open, args=(server,), name="browser", daemon=True)
    thread.start()
    return thread


def _open(server: WebServer) -> None:
    if not server.started.wait(START_WITHIN_S) or not server.running:
        return
    show_page(server.url)


def show_page(url: str) -> None:
    """Open `url`; waits until the browser's launcher has ended."""
    # In a process of its own: what browsers write to standard error would spoil the screen.
    command = [sys.executable, "-m", "webbrowser", "-t", url]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603  # our own interpreter, and an address that we made
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=OPEN_WITHIN_S,
            check=False,
        )
