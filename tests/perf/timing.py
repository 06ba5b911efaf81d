"""How time is taken: CPU seconds of the process, candidates in turns, medians, the garbage collector out of the way."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

WARM_UP = 0.2  # share of a round that is run once beforehand


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done. `factor` 1 is the full table; a smaller one trades steadiness for time."""

    factor: float = 1.0
    rounds: int = 7

    def times(self, full: int, least: int = 1) -> int:
        return max(least, round(full * self.factor))


QUICK = Effort(0.2, 3)
TINY = Effort(0.01, 1)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Collect before, not in between: a collection belongs to no single candidate."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def in_turns(candidates: Mapping[str, Callable[[int], object]], n: int, rounds: int) -> dict[str, float]:
    """CPU seconds per operation of each `candidate(n)`: median over rounds in which each has its turn."""
    for run in candidates.values():
        run(max(1, int(n * WARM_UP)))
    seen: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            with undisturbed():
                began = time.process_time()
                run(n)
                seen[name].append((time.process_time() - began) / n)
    return {name: statistics.median(values) for name, values in seen.items()}


async def in_turns_async(
    candidates: Mapping[str, Callable[[int], Awaitable[object]]], n: Mapping[str, int], rounds: int
) -> dict[str, float]:
    """The same for coroutines; `n` per candidate, because a slow one needs fewer operations to be measured as well."""
    for name, run in candidates.items():
        await run(max(1, int(n[name] * WARM_UP)))
    seen: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            with undisturbed():
                began = time.process_time()
                await run(n[name])
                seen[name].append((time.process_time() - began) / n[name])
    return {name: statistics.median(values) for name, values in seen.items()}


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0..1) of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
