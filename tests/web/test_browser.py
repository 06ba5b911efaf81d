"""A browser is opened where somebody would see it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from station.web.browser import has_desktop, open_browser
from tests.web.served import served


@pytest.mark.parametrize(
    ("environ", "platform", "there"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({}, "darwin", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "x"}, "linux", False),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", False),
    ],
)
def test_where_a_person_sits(environ: dict[str, str], platform: str, there: bool) -> None:
    assert has_desktop(environ, platform) == there


async def test_it_opens_the_page_when_the_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """$BROWSER names a program of ours; what it writes is not seen."""
    told = tmp_path / "told"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho noise; echo noise >&2; echo "$1" > {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    async with served() as web:
        await asyncio.to_thread(open_browser(web.server).join, 20)
        async with asyncio.timeout(10):
            while not told.exists() or not told.read_text():
                await asyncio.sleep(0.02)
        assert told.read_text().strip() == web.server.url
    assert capfd.readouterr() == ("", "")


async def test_a_browser_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with served() as web:
        await asyncio.to_thread(open_browser(web.server).join, 20)
        assert (await web.look("state")).status_code == 200
