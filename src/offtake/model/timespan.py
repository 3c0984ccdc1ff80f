"""Timespans: half-open intervals of instants, with the zone of the request.

Only this module resolves local times, so all dialects have the same rule at daylight-saving changes (PEP 495 with
fold 0): a local time that occurs twice means the first instant; a local time that does not occur is resolved with the
offset before the gap.

A fixed offset is not an IANA zone. Its name is ``GMT+05:30``, an ICU custom zone id that the engine accepts. Clients
cannot send such a name; a dialect with offsets creates it from a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from offtake.errors import FieldFault, InvalidZone, ReversedTimespan

_NOT_ZONES = frozenset({"Factory"})  # a placeholder of the tz database
_FIXED = re.compile(r"GMT([+-])([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the accepted IANA zone names: those of the tzdata package.

    The host's own database may be older than the engine's; then a bound would be resolved by one set of rules and
    rendered by another.
    """
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - _NOT_ZONES


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """Return the zone with that exact IANA name. Raises InvalidZone otherwise, for instance for an offset."""
    if name not in zone_names():
        message = "The time zone is not an IANA zone name such as Europe/Prague."
        raise InvalidZone(message, [FieldFault(field, "not an IANA time zone name")])
    return _load(name)


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def fixed_zone(offset: timedelta) -> str:
    """Return the zone name of a fixed UTC offset. Raises ValueError unless it is whole seconds and less than a day."""
    if offset % _SECOND or abs(offset) >= _DAY:
        raise ValueError("an offset must be whole seconds and less than a day")
    if not offset:
        return "UTC"
    minutes, seconds = divmod(abs(offset) // _SECOND, 60)
    text = f"GMT{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def tzinfo_of(name: str) -> tzinfo:
    """Return the tzinfo of an IANA name or of a name from ``fixed_zone``. Raises InvalidZone."""
    fixed = _FIXED.fullmatch(name)
    if fixed is None:
        return zone(name)
    sign, hours, minutes, seconds = fixed.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return timezone(-offset if sign == "-" else offset)


def resolve(moment: datetime, name: str) -> datetime:
    """Return the UTC instant of a datetime; a naive one is local time in the zone ``name``."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(name), fold=0)
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timespan:
    """``[start, end)`` as UTC instants with microseconds, and the zone name of the request (``tzinfo_of``)."""

    start: datetime
    end: datetime
    zone: str

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound.tzinfo is not UTC:
                raise ValueError("the bounds of a timespan must be UTC instants")
        if self.end <= self.start:
            raise ReversedTimespan("The lower boundary must be older than the upper one.")
        tzinfo_of(self.zone)

    def length(self) -> timedelta:
        """Return the shorter of elapsed and local length: 31 local days across a daylight-saving change are 31 days."""
        local = tzinfo_of(self.zone)
        wall = self.end.astimezone(local).replace(tzinfo=None) - self.start.astimezone(local).replace(tzinfo=None)
        return min(self.end - self.start, wall)
