"""LAW 5: the power is cut at every commit of a session, and the station starts again from what the disk then holds.

`PILOTWIRE_CUTS=N` tries N further seeds (what a disk may keep of unsynced writes) at every cut; the default is one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from station.core.types import StopReason, TxPhase
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings
from station.store.sqlite import SqliteStore
from tests.durability import bench as benches
from tests.durability import law5
from tests.durability.bench import Aftermath, Commit, Recording, WatchedStore

EXTRA_SEEDS = int(os.environ.get("PILOTWIRE_CUTS", "1"))
BOARD = {"report_soc": True, "initial_wh": 1_234.0}


# --- the sessions -------------------------------------------------------------------------------------------------------


async def online(lab: Lab) -> None:
    """Two cars at once; one driver stops with the card, the other pulls the plug at the vehicle."""
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(30)
    lab.swipe(KNOWN_TOKENS[1], evse=2)
    await asyncio.sleep(5)
    lab.plug(2)
    await asyncio.sleep(900)
    lab.swipe()
    await asyncio.sleep(10)
    lab.unplug(1)
    await asyncio.sleep(60)
    lab.unplug(2, at_car=True)
    await asyncio.sleep(10)


async def starts_offline(lab: Lab) -> None:
    """The network comes back in mid-session."""
    await asyncio.sleep(2)
    lab.swipe()
    lab.unplugged = True if False else None  # type: ignore[attr-defined]
    await asyncio.sleep(10)


SESSIONS: dict[str, Callable[[Lab], Any]] = {"online": online}
