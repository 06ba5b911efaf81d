"""Local time of the site from the system's time zone database."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

__all__ = ["LocalZone", "find_zone"]


class LocalZone:
    """A `station.core.charging.shapes.Zone`."""

    __slots__ = ("_info",)

    def __init__(self, info: tzinfo) -> None:
        self._info = info

    def offset_s(self, wall: int) -> int:
        """Seconds to add to UTC at wall second `wall`, daylight saving included."""
        offset = datetime.fromtimestamp(wall, UTC).astimezone(self._info).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


def find_zone(name: str) -> LocalZone | None:
    """The zone of that name (IANA), None for UTC. Raises ValueError when the system does not know it."""
    if name == "UTC":
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # a site on UTC does without

    try:
        return LocalZone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that this system knows (package tzdata)") from error
