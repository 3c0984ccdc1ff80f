"""Decodes timespans: bounds as RFC 3339 instants or local times, and periods that end before now.

Periods are whole hours, days or months of the zone, so an export of one has the same rows whenever it is created within
the hour, the day or the month. ``model.timespan`` resolves local times at daylight-saving changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from offtake.model.timespan import resolve, zone

LAST = r"[1-9]\d{0,3}(h|d|w|mo)"
BOUND = r"\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}([.]\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})?)?"
_LAST = re.compile(LAST, re.ASCII)
_BOUND = re.compile(BOUND, re.ASCII)
_WEEK, _DAY, _HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)


def parse_bound(text: str, zone_name: str) -> datetime:
    """Return the UTC instant of a bound; without an offset it is local time, and a date is its midnight.

    Raises ValueError.
    """
    if not _BOUND.fullmatch(text):
        raise ValueError(text)
    try:
        return resolve(datetime.fromisoformat(text.upper()), zone_name)
    except OverflowError as error:  # the first or the last day of the calendar, in another zone
        raise ValueError(text) from error


def parse_instant(text: str) -> datetime:
    """Return the UTC instant of a text with an offset (RFC 3339). Raises ValueError."""
    if not _BOUND.fullmatch(text) or datetime.fromisoformat(text.upper()).tzinfo is None:
        raise ValueError(text)
    return parse_bound(text, "UTC")


def last_period(text: str, zone_name: str, now: datetime) -> tuple[datetime, datetime]:
    """Return start and end, in UTC, of a period such as "7d" or "previous_month". Raises ValueError."""
    local = now.astimezone(zone(zone_name)).replace(tzinfo=None)
    if text in PREVIOUS:
        start, end = PREVIOUS[text](_midnight(local))
        return resolve(start, zone_name), resolve(end, zone_name)
    if not _LAST.fullmatch(text):
        raise ValueError(text)
    number, unit = int(text.rstrip("hdwmo")), text.lstrip("0123456789")
    if unit == "h":
        into_hour = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        end = now.astimezone(UTC) - into_hour
        return end - number * _HOUR, end
    midnight = _midnight(local)
    if unit == "mo":
        first = midnight.replace(day=1)
        return resolve(_months_before(first, number), zone_name), resolve(first, zone_name)
    days = number * (_WEEK if unit == "w" else _DAY)
    return resolve(midnight - days, zone_name), resolve(midnight, zone_name)


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _months_before(first: datetime, number: int) -> datetime:
    """Return the first day of the month that is so many months earlier. Raises ValueError before year 1."""
    months = first.year * 12 + first.month - 1 - number
    return first.replace(year=months // 12, month=months % 12 + 1)


def _previous_week(midnight: datetime) -> tuple[datetime, datetime]:
    monday = midnight - midnight.weekday() * _DAY
    return monday - _WEEK, monday


def _previous_months(number: int) -> Callable[[datetime], tuple[datetime, datetime]]:
    """Return the function for the previous period of so many months, counted from January."""

    def previous(midnight: datetime) -> tuple[datetime, datetime]:
        end = midnight.replace(month=(midnight.month - 1) // number * number + 1, day=1)
        return _months_before(end, number), end

    return previous


# The period before the one that contains today's midnight of the zone; weeks begin on Monday.
PREVIOUS: dict[str, Callable[[datetime], tuple[datetime, datetime]]] = {
    "previous_day": lambda midnight: (midnight - _DAY, midnight),
    "previous_week": _previous_week,
    "previous_month": _previous_months(1),
    "previous_quarter": _previous_months(3),
    "previous_year": _previous_months(12),
}
