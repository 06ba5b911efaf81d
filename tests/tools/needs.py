"""Programs and packages that a test needs: missing ones skip it on a laptop and fail it in CI, where a skipped proof is no proof."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

OCPP_RPC = Path(__file__).parents[1] / "interop" / "node_modules" / "ocpp-rpc" / "package.json"


def in_ci() -> bool:
    """The environment says so: CI=true."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def missing(what: str, remedy: str) -> NoReturn:
    """End this test: skipped, in CI failed."""
    message = f"{what} is missing: {remedy}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def find_tool(name: str) -> str:
    """Path of a program; without it the test ends."""
    path = shutil.which(name)
    if path is None:
        missing(f"the program {name!r}", f"install {name}, then repeat")
    return path


def find_ocpp_rpc() -> str:
    """Path of node, with the npm package `ocpp-rpc` installed for tests/interop; without them the test ends."""
    node = find_tool("node")
    if not OCPP_RPC.is_file():
        missing("the npm package ocpp-rpc", "npm ci --prefix tests/interop")
    return node
