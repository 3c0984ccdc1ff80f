"""Renderings of Talkdesk files, by the types of Talkdesk contract 5 and 6. Each takes a value and a zone.

Written from the contract, without a look at the engine's renderings. Null stays null unless a name says otherwise.
"""

from __future__ import annotations

import json
from datetime import datetime

from tests.property.oracles.shapes import Shape, Shown
from tests.strategies import zone


def same(value: object, _: str) -> Shown:
    """S, I, N, B and SEC: the value itself."""
    assert value is None or isinstance(value, str | int | float)
    return value


def or_empty(value: object, _: str) -> Shown:
    """S of a column that is never null: an empty text instead."""
    return "" if value is None else str(value)


def yes_no(value: object, _: str) -> Shown:
    """YN."""
    return None if value is None else "Yes" if value else "No"


def yes_no_in_capitals(value: object, _: str) -> Shown:
    """YN as Talkdesk contract 6.6 writes it for virtual agents."""
    return None if value is None else "YES" if value else "NO"


def local_time(value: object, name: str) -> Shown:
    """D: in the zone of the request."""
    return None if value is None else _to_the_second(value, name)


def utc_time(value: object, _: str) -> Shown:
    """Z: always in UTC."""
    return None if value is None else _to_the_second(value, "UTC").replace(" ", "T") + "Z"


def utc_time_or_empty(value: object, name: str) -> Shown:
    """Z of a column that is never null."""
    return "" if value is None else utc_time(value, name)


def _to_the_second(value: object, name: str) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(zone(name)).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


def day_fraction_of_seconds(value: object, _: str) -> Shown:
    """DAYF of a column that counts seconds."""
    return None if value is None else float(_whole(value)) / 86_400


def day_fraction_of_milliseconds(value: object, _: str) -> Shown:
    """DAYF of a column that counts milliseconds."""
    return None if value is None else float(_whole(value)) / 86_400_000


def in_days_and_hours(value: object, _: str) -> Shown:
    """A number of seconds in words, as Talkdesk contract 6.6 writes it: ``0d 1h 2m 3s``."""
    if value is None:
        return None
    minutes, seconds = divmod(_whole(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h {minutes}m {seconds}s"


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def joined_by_plus(value: object, _: str) -> Shown:
    """A list: ``a+b``."""
    return "+".join(value) if isinstance(value, list) else None


def joined_by_plus_or_empty(value: object, _: str) -> Shown:
    """A list in a column that is never null."""
    return "+".join(value) if isinstance(value, list) else ""


def joined_by_spaced_plus(value: object, _: str) -> Shown:
    """A list as Talkdesk contract 6.6 writes it: ``a + b``."""
    return " + ".join(value) if isinstance(value, list) else None


def json_array(value: object, _: str) -> Shown:
    """A list as Talkdesk contract 6.11 writes it: a JSON text within the text."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def with_local_times(shape: Shape) -> Shape:
    """The shape of a CSV file that shows Z columns like D columns."""
    return tuple(
        (key, source, local_time if shown in (utc_time, utc_time_or_empty) else shown) for key, source, shown in shape
    )
