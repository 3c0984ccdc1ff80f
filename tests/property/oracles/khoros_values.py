"""Renderings of Khoros files, by the types of Khoros contract 3.0. Each takes a value and a zone.

Written from the contract, without a look at the engine's renderings. Every value is text, and a missing one is empty.
"""

from __future__ import annotations

from datetime import datetime

from tests.strategies import zone

ENGLISH = "%m/%d/%Y %I:%M:%S %p"  # the pattern of instants, Khoros contract 5.2


def text(value: object, _: str) -> str:
    """Texts, ids and numbers."""
    return "" if value is None else str(value)


def flag(value: object, _: str) -> str:
    """``true`` or ``false``."""
    return "" if value is None else "true" if value else "false"


def english_time(value: object, name: str) -> str:
    """An instant in the zone of the request, in the English pattern."""
    return value.astimezone(zone(name)).strftime(ENGLISH) if isinstance(value, datetime) else ""


def iso_time(value: object, name: str) -> str:
    """An instant in the zone of the request, in the default pattern."""
    if value is None:
        return ""
    assert isinstance(value, datetime)
    return value.astimezone(zone(name)).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


def duration(value: object, _: str) -> str:
    """Seconds as ``h:mm:ss`` with at least two digits of hours and no upper bound."""
    if value is None:
        return ""
    assert isinstance(value, int)
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def duration_of_milliseconds(value: object, name: str) -> str:
    """Milliseconds as ``duration``; fractions of a second are dropped."""
    assert value is None or isinstance(value, int)
    return duration(None if value is None else value // 1000, name)


def listed(value: object, _: str) -> str:
    """A list: ``a, b``."""
    return ", ".join(value) if isinstance(value, list) else ""
