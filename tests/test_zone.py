"""`station.zone`: local time of the site."""

from __future__ import annotations

import pytest

from station.zone import find_zone


def test_daylight_saving_is_followed() -> None:
    zone = find_zone("Europe/Amsterdam")
    assert zone is not None
    assert zone.offset_s(1_705_492_800) == 3600  # 2024-01-17
    assert zone.offset_s(1_719_792_000) == 7200  # 2024-07-01


def test_utc_needs_no_zone() -> None:
    assert find_zone("UTC") is None


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", "", "Europe"])
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        find_zone(name)
