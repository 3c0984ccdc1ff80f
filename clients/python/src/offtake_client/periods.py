"""Timespans as two instants, for servers that do not know periods such as 7d."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from datetime import timezone as tz
from zoneinfo import ZoneInfo

from offtake_client.errors import UnknownOption
from offtake_client.export_request import Moment

_LAST = re.compile(r"([1-9]\d{0,3})(h|d|w|mo)")
_ACCEPTED = (
    "Accepted are hours, days, weeks and months such as 24h, 7d, 4w and 3mo, and previous_day or previous_month."
)


def timespan(
    last: str | None, start: Moment | None, end: Moment | None, zone: str, now: datetime | None = None
) -> tuple[datetime, datetime]:
    """Return start and end in UTC; the end is not part of the timespan. Raises UnknownOption."""
    try:
        region = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownOption(f"There is no time zone {zone!r}.", "Give one such as Europe/Madrid.") from error
    if last is not None:
        if start is not None or end is not None:
            raise UnknownOption("Both last and start or end are given.", "Give last, or start with end.")
        found = _last(last, (now or datetime.now(tz.utc)).astimezone(region))
    elif start is None or end is None:
        raise UnknownOption(
            "Exactly one of last and start with end is needed.",
            "Give last='7d', or start='2026-03-01' and end='2026-04-01'.",
        )
    else:
        found = _instant(start, region, "start"), _instant(end, region, "end")
    first, until = (instant.astimezone(tz.utc) for instant in found)
    if until <= first:
        raise UnknownOption(f"The end {until} is not after the start {first}.", "The end is not part of the timespan.")
    return first, until


def _last(text: str, now: datetime) -> tuple[datetime, datetime]:
    text = {"previous_day": "1d", "previous_month": "1mo"}.get(text, text)
    given = _LAST.fullmatch(text)
    if given is None:
        raise UnknownOption(f"last={text!r} is not a period that this dialect's client knows.", _ACCEPTED)
    number, unit = int(given[1]), given[2]
    if unit == "h":
        end = now.astimezone(tz.utc).replace(minute=0, second=0, microsecond=0)
        return end - timedelta(hours=number), end
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)  # wall time: days have 23 to 25 hours
    if unit == "mo":
        first = midnight.replace(day=1)
        months = first.year * 12 + first.month - 1 - number
        return first.replace(year=months // 12, month=months % 12 + 1), first
    return midnight - timedelta(days=number * (7 if unit == "w" else 1)), midnight


def _instant(value: Moment, region: ZoneInfo, name: str) -> datetime:
    if isinstance(value, str):
        text = value[:-1] + "+00:00" if value.endswith(("Z", "z")) else value
        try:
            value = datetime.fromisoformat(text)
        except ValueError as error:
            raise UnknownOption(f"{name}={text!r} is no day and no time.", "Write 2026-03-01T08:00.") from error
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=region)
