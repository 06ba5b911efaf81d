"""Mistakes of guests stay theirs."""

from __future__ import annotations

import asyncio

import pytest

from station.runtime.fence import Fence


def test_what_goes_well_leaves_nothing() -> None:
    with Fence() as fence:
        done = True
    assert done
    assert fence.error is None


@pytest.mark.parametrize("error", [ValueError("x"), BrokenPipeError(), AssertionError("y"), ImportError("z")])
def test_a_mistake_is_kept(error: Exception) -> None:
    with Fence() as fence:
        raise error
    assert fence.error is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(1)])
def test_an_order_to_stop_is_no_mistake(error: BaseException) -> None:
    with pytest.raises(type(error)), Fence():
        raise error
