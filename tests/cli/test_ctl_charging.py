"""`station.cli.ctl_charging`: profiles and plans as tables."""

from __future__ import annotations

import io
from typing import Any

from station.cli.ctl_block import Block
from station.cli.ctl_charging import CHARGING_BLOCKS
from station.cli.ctl_show import PlainShow, blocks_of

STEPS = [{"start": 1800 * n, "limit": 6.0 + n, "phases": 3 if n else None} for n in range(6)]
PROFILE: dict[str, Any] = {
    "id": 7,
    "evse": 1,
    "purpose": "TxProfile",
    "kind": "Recurring",
    "recurrency": "Daily",
    "stack_level": 2,
    "valid_from": None,
    "valid_to": 1_767_225_600,
    "transaction": "tx\x1b[2J",
    "source": "CSO",
    "schedules": [{"unit": "A", "start": 1_767_139_200, "duration": 7200, "periods": STEPS}],
}
STATION = {
    **PROFILE,
    "evse": 0,
    "recurrency": None,
    "kind": "Absolute",
    "valid_to": None,
    "transaction": None,
    "schedules": [
        {"unit": "W", "start": None, "duration": None, "periods": [{"start": 0, "limit": None, "phases": None}]}
    ],
}
SOURCE = {"name": "TxProfile 7", "limit": 16.0, "given": 11040.0, "given_unit": "W", "binding": True}
CHANGE = {"at": 0, "local": "2026-01-01T01:00:00+01:00", "limit": 16.0, "unit": "A", "phases": 1}
LONG = "At first 16 A on 1 phase: TxProfile 7 (stack level 2) binds; hardware would allow 32 A."


def test_a_profile_is_a_row() -> None:
    (block,) = CHARGING_BLOCKS["profiles"]({"profiles": [PROFILE, STATION]})
    first, second = block.rows
    assert first[:4] == ("7", "EVSE 1", "TxProfile", "2")
    assert first[4] == "Recurring Daily from 2025-12-31T00:00:00Z for 2:00"
    assert first[5] == "0:00 6 A, 0:30 7 A (3 phases), 1:00 8 A (3 phases), 1:30 9 A (3 phases), and 2 more"
    assert first[6] == "until 2026-01-01T00:00:00Z"
    assert second[1:2] + second[4:] == ("station", "Absolute", "0:00 no limit", "always", "CSO", "-")
    assert CHARGING_BLOCKS["profiles"]({"profiles": []}) == [Block("", (), (("no charging profiles",),))]


def test_a_plan_is_its_sentences_in_full() -> None:
    period = {"start": 0, "until": 3600, "sources": [SOURCE, {**SOURCE, "binding": False, "given_unit": "A"}]}
    plan = {
        "evse": 0,
        "start": 1_767_225_600,
        "duration": 3600,
        "unit": "A",
        "periods": [period],
        "changes": [{**CHANGE, "sentence": LONG}],
    }
    stream = io.StringIO()
    PlainShow(stream).result("plan", plan)
    text = stream.getvalue()
    assert "of     grid connection\n" in text
    assert "until  2026-01-01T01:00:00Z\n" in text
    assert f"2026-01-01T01:00:00+01:00  16 A (1 phase)  {LONG}\n" in text
    assert "TxProfile 7  16 A    11040 W  binds\n" in text
    assert len(blocks_of("plan", {**plan, "periods": []})) == 2


def test_smart_charging_that_is_switched_off_is_said_first() -> None:
    first, second = CHARGING_BLOCKS["profiles"]({"enabled": False, "profiles": [PROFILE]})
    assert first.rows == (("smart charging is switched off: these limit nothing",),)
    assert second.title == "profiles"
    plan = {"enabled": False, "evse": 1, "start": 0, "duration": 60, "unit": "A", "periods": [], "changes": []}
    assert "switched off" in CHARGING_BLOCKS["plan"](plan)[0].rows[0][0]


def test_what_a_csms_says_moves_no_cursor() -> None:
    (block,) = blocks_of("profiles", {"profiles": [PROFILE]})
    assert block.rows[0][-1] == "tx\\x1b[2J"
