"""Fixtures: the foreign CSMS, and a station in front of it for each version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.interop.bench import BAD_CARD, Bench
from tests.interop.foreign import ForeignCsms, dispose_of_all

VERSIONS = ("1.6", "2.0.1")


class MakeBench(Protocol):
    async def __call__(self, *versions: str, **variables: str) -> Bench: ...


@pytest.fixture(scope="session")
def node_processes() -> Iterator[None]:
    """No process outlives the tests."""
    yield
    dispose_of_all()


@pytest.fixture
async def csms(node_processes: None, require_tool: Callable[[str], str]) -> AsyncIterator[ForeignCsms]:
    """The foreign CSMS, listening; it accepts everybody but BAD_CARD."""
    foreign = ForeignCsms(require_tool("node"))
    await foreign.start(tokens={BAD_CARD: "Invalid"})
    yield foreign
    await foreign.close()


@pytest.fixture
async def make_bench(csms: ForeignCsms, tmp_path: Path) -> AsyncIterator[MakeBench]:
    """`await make_bench("1.6", TxCtrlr__EVConnectionTimeOut="30")`: a station, not yet started."""
    async with AsyncExitStack() as stack:

        async def make(*versions: str, **variables: str) -> Bench:
            bench = Bench(csms, tmp_path, versions, {name.replace("__", "."): v for name, v in variables.items()})
            stack.push_async_callback(bench.stop)
            return bench

        yield make


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version in turn."""
    return str(request.param)


@pytest.fixture
async def bench(version: str, make_bench: MakeBench) -> Bench:
    """A station in each version, online."""
    bench = await make_bench(version)
    await bench.start()
    return bench


@pytest.fixture
async def bench_16(make_bench: MakeBench) -> Bench:
    """A station in 1.6, online."""
    bench = await make_bench("1.6")
    await bench.start()
    return bench


@pytest.fixture
async def bench_201(make_bench: MakeBench) -> Bench:
    """A station in 2.0.1, online."""
    bench = await make_bench("2.0.1")
    await bench.start()
    return bench
