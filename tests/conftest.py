"""What every test shares: hypothesis profiles, one seed, measurements only on demand, and tools that CI must have."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable

import anyio
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.tools.needs import find_ocpp_rpc, find_tool, in_ci

SEED = "PILOTWIRE_SEED"
CI_SEED = "20160601"

# A machine that is busy with something else is no bug: no deadlines, and slow generation is not reported. CI has a quarter of an hour.
PATIENT = hypothesis_settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("ci", PATIENT, derandomize=True, database=None, max_examples=60)
hypothesis_settings.register_profile("dev", PATIENT, derandomize=False)

# anyio imports its parts when they are first used, and pytest rewrites them then. In the middle of a busy test that has ended with
# CPython's "AST constructor recursion depth mismatch"; here nothing else is going on.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    for part in dir(anyio):
        getattr(anyio, part)


def pytest_configure(config: pytest.Config) -> None:
    # The workers of xdist inherit the environment, and with it the seed. `--hypothesis-profile` on the command line wins.
    os.environ.setdefault(SEED, CI_SEED if in_ci() else str(random.SystemRandom().randrange(2**31)))
    if not config.getoption("--hypothesis-profile", None):
        hypothesis_settings.load_profile("ci" if in_ci() else "dev")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    profile = hypothesis_settings.get_current_profile_name()
    terminalreporter.write_line(
        f"seed {os.environ[SEED]}, hypothesis profile {profile!r}; to repeat: {SEED}={os.environ[SEED]}"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measurements need an idle machine: they run only when asked for (`-m perf`)."""
    if "perf" in str(config.getoption("-m") or ""):
        return
    measurements = [item for item in items if item.get_closest_marker("perf")]
    if measurements:
        config.hook.pytest_deselected(items=measurements)
        items[:] = [item for item in items if not item.get_closest_marker("perf")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("npm") is not None:
        find_ocpp_rpc()


@pytest.fixture
def require_tool() -> Callable[[str], str]:
    """`require_tool("gcc")` is the path of a program, or the end of the test: skipped, in CI failed."""
    return find_tool


@pytest.fixture
def seed() -> int:
    """Seed of this run for tests that throw dice themselves; the summary prints it, `PILOTWIRE_SEED` sets it."""
    return int(os.environ[SEED])
