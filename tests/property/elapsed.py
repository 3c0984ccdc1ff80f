"""Whole seconds from one instant to another. Columns differ in what they say when the second is the earlier one."""

from __future__ import annotations

from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def seconds_rounded_down(start: datetime | None, end: datetime | None) -> int | None:
    """Half a second backwards is one second backwards."""
    return None if start is None or end is None else (end - start) // SECOND


def seconds_rounded_towards_zero(start: datetime | None, end: datetime | None) -> int | None:
    """Half a second backwards is none."""
    if start is None or end is None:
        return None
    return (end - start) // SECOND if end >= start else -((start - end) // SECOND)


def seconds_never_negative(start: datetime | None, end: datetime | None) -> int | None:
    """Any time backwards is none."""
    return None if start is None or end is None else max(end - start, timedelta()) // SECOND
