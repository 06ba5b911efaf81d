"""SIGKILL in the middle of committing: what was acknowledged is there, ids go on, the next start needs no help."""

import random
import subprocess
import sys
from pathlib import Path

from station.store.sqlite import SqliteStore

CHILD = """
import asyncio, sys, time
from station.store.ops import AddRecord, PutRow
from station.store.sqlite import SqliteStore

async def main():
    store = SqliteStore.open(sys.argv[1], threaded=True, now_wall=time.time)
    print("boot", store.boot, flush=True)
    while True:
        told = asyncio.Event()
        for _ in range(5):
            record = store.next_record_id()
            def done(error, record=record):
                assert error is None
                print("saved", record, flush=True)
                told.set()
            store.commit([AddRecord(record, {"n": record}), PutRow("last", "n", {"n": record})], done)
        await told.wait()

asyncio.run(main())
"""


def test_killed_while_committing(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    saved: list[int] = []
    boots: list[int] = []
    for round_ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        boots.append(int(child.stdout.readline().split()[1]))
        lines = random.Random(round_).randint(20, 120)
        saved += [int(child.stdout.readline().split()[1]) for _ in range(lines)]
        child.kill()
        # What it said before it died counts as well; the last line may be torn.
        saved += [
            int(line.split()[1]) for line in child.stdout.read().splitlines(keepends=True)[:-1] if line.endswith("\n")
        ]
        child.stdout.close()
        child.wait()
    assert saved == sorted(set(saved)), "ids rise and never repeat"
    assert boots == sorted(set(boots))
    store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
    found = [record.record for record in store.records()]
    assert set(saved) <= set(found)
    assert store.rows()["last"]["n"]["n"] == found[-1], "both halves of the last commit"
    assert store.boot > boots[-1]
    assert store.next_record_id() > found[-1]
    store.close()
