"""Timespans: half-open intervals of instants, plus the zone they were asked in.

Naive wall-clock readings are resolved here and nowhere else, so every dialect has the same rule across daylight-saving
changes (PEP 495 with fold 0): a reading that occurs twice means the first of the two instants, a reading that does not
occur is taken with the offset in force before the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from offtake.errors import FieldFault, InvalidZone, ReversedTimespan

_NOT_ZONES = frozenset({"Factory"})  # in the database, but says nothing


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


def resolve(reading: datetime, name: str) -> datetime:
    """The UTC instant of a reading: one with an offset is absolute, a naive one is wall-clock time in zone ``name``."""
    if reading.tzinfo is None:
        reading = reading.replace(tzinfo=zone(name), fold=0)
    return reading.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timespan:
    """``[start, end)`` as UTC instants with microseconds, and the IANA name of the zone they were asked in."""

    start: datetime
    end: datetime
    zone: str

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound.tzinfo is not UTC:
                raise ValueError("a timespan is made of UTC instants")
        if self.end <= self.start:
            raise ReversedTimespan("The lower boundary must be older than the upper one.")
        zone(self.zone)

    def length(self) -> timedelta:
        """The shorter of elapsed and wall-clock length, so that 31 local days across a change of clocks are 31 days."""
        local = zone(self.zone)
        wall = self.end.astimezone(local).replace(tzinfo=None) - self.start.astimezone(local).replace(tzinfo=None)
        return min(self.end - self.start, wall)
