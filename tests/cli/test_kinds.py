"""Kinds of arguments that several subcommands take."""

from __future__ import annotations

import argparse

import pytest

from station.cli.kinds import seconds


@pytest.mark.parametrize(("text", "number"), [("1", 1.0), ("0.25", 0.25), ("1e3", 1000.0)])
def test_seconds(text: str, number: float) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e999", "ten", "1 s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number of seconds above 0"):
        seconds(text)
