"""Whole seconds between two instants. Columns differ in the value they show if the second instant is earlier."""

from __future__ import annotations

from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def seconds_rounded_down(start: datetime | None, end: datetime | None) -> int | None:
    """Minus half a second is minus one second."""
    return None if start is None or end is None else (end - start) // SECOND


def seconds_rounded_towards_zero(start: datetime | None, end: datetime | None) -> int | None:
    """Minus half a second is zero."""
    if start is None or end is None:
        return None
    return (end - start) // SECOND if end >= start else -((start - end) // SECOND)


def seconds_never_negative(start: datetime | None, end: datetime | None) -> int | None:
    """Any negative time is zero."""
    return None if start is None or end is None else max(end - start, timedelta()) // SECOND
