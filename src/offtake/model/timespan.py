"""Timespans: half-open intervals of instants, plus the zone they were asked in.

Naive wall-clock readings are resolved here and nowhere else, so every dialect has the same rule across daylight-saving
changes (PEP 495 with fold 0): a reading that occurs twice means the first of the two instants, a reading that does not
occur is taken with the offset in force before the gap.

A fixed offset is a different thing from a zone: its clocks never change. It is written ``GMT+05:30``, as the engine
reads it (ICU's custom zone ids), and no caller can name it: a dialect that has offsets makes it of a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from offtake.errors import FieldFault, InvalidZone, ReversedTimespan

_NOT_ZONES = frozenset({"Factory"})  # in the database, but says nothing
_FIXED = re.compile(r"GMT([+-])([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All IANA zone names the server accepts: those of the tzdata package.

    Not the machine's own database: that may be older than the engine's, and a bound resolved by one and shown by the
    other would differ where governments have changed their minds.
    """
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - _NOT_ZONES


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """The zone of that exact IANA name. Raises InvalidZone for anything else, abbreviations and offsets included."""
    if name not in zone_names():
        message = "The time zone is not an IANA zone name such as Europe/Prague."
        raise InvalidZone(message, [FieldFault(field, "not an IANA time zone name")])
    return _load(name)


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def fixed_zone(offset: timedelta) -> str:
    """The name of clocks that are always ``offset`` ahead of UTC. ValueError unless it is whole seconds below a day."""
    if offset % _SECOND or abs(offset) >= _DAY:
        raise ValueError("an offset is less than a day, in whole seconds")
    if not offset:
        return "UTC"
    minutes, seconds = divmod(abs(offset) // _SECOND, 60)
    text = f"GMT{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def clocks(name: str) -> tzinfo:
    """The clocks of a timespan's zone: an IANA name, or what ``fixed_zone`` made. Raises InvalidZone."""
    fixed = _FIXED.fullmatch(name)
    if fixed is None:
        return zone(name)
    sign, hours, minutes, seconds = fixed.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return timezone(-offset if sign == "-" else offset)


def resolve(reading: datetime, name: str) -> datetime:
    """The UTC instant of a reading: one with an offset is absolute, a naive one is wall-clock time in zone ``name``."""
    if reading.tzinfo is None:
        reading = reading.replace(tzinfo=zone(name), fold=0)
    return reading.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timespan:
    """``[start, end)`` as UTC instants with microseconds, and the name of the zone they were asked in (``clocks``)."""

    start: datetime
    end: datetime
    zone: str

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound.tzinfo is not UTC:
                raise ValueError("a timespan is made of UTC instants")
        if self.end <= self.start:
            raise ReversedTimespan("The lower boundary must be older than the upper one.")
        clocks(self.zone)

    def length(self) -> timedelta:
        """The shorter of elapsed and wall-clock length, so that 31 local days across a change of clocks are 31 days."""
        local = clocks(self.zone)
        wall = self.end.astimezone(local).replace(tzinfo=None) - self.start.astimezone(local).replace(tzinfo=None)
        return min(self.end - self.start, wall)
