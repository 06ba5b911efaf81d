"""Fixtures: one Chromium per worker, one station per test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.panel.chromium import Browser
from tests.panel.running import RunningStation, running
from tests.tools.needs import find_tool


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium as Debian ships it. What it complains of (scripts, content security policy) fails the test that looks."""
    browser = Browser(find_tool("chromium"), find_tool("chromedriver"), tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def station() -> Iterator[RunningStation]:
    """`station sim` with its embedded CSMS, ten times as fast as real time."""
    with running("--speed", "10") as station:
        yield station
