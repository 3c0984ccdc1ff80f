"""What an export contains: the arguments of the caller as the body of a create request, and what identifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import timezone as tz
from typing import Any, Literal
from zoneinfo import ZoneInfo

from offtake_client.errors import UnknownOption

Format = Literal["parquet", "arrow", "csv", "ndjson", "json", "xlsx"]
Moment = str | date | datetime
Scalar = str | int | float | bool
# Of a filter: a value, several values, bounds as (first, end), or None for rows without a value.
Condition = Scalar | Sequence[Scalar] | tuple[Scalar | None, Scalar | None] | None
Where = Mapping[str, Condition]


@dataclass(frozen=True)
class ExportRequest:
    """The body of a create request or a preview. ``period`` is the hour or the day to which ``last`` refers."""

    body: Mapping[str, Any] = field(repr=False)
    period: str = ""

    @property
    def digest(self) -> str:
        """A digest that is equal for equal requests of one period."""
        content = json.dumps([self.body, self.period], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


def export_request(
    report: str,
    *,
    last: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    timezone: str = "UTC",
    columns: Sequence[str] | None = None,
    where: Where | None = None,
    order: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> ExportRequest:
    """Return a request. ``options`` are further members of the body. Raises UnknownOption."""
    if (last is None) == (start is None and end is None):
        raise UnknownOption(
            "Exactly one of last and start with end is needed.",
            "Give last='7d', or start='2026-03-01' and end='2026-04-01'.",
        )
    if last is None and (start is None or end is None):
        raise UnknownOption("start and end are needed together.", "Give both: the end is not part of the timespan.")
    bounds = {"last": last} if last is not None else {"start": _moment(start), "end": _moment(end)}
    optional = {
        "filters": [_filter(column, condition) for column, condition in (where or {}).items()],
        "order": list(order),
        "parameters": dict(parameters or {}),
    }
    body = {
        "report": report,
        "timespan": {**bounds, "timezone": timezone},
        "columns": None if columns is None else list(columns),
        **{name: value for name, value in optional.items() if value},
        **(options or {}),
    }
    return ExportRequest(
        {name: value for name, value in body.items() if value is not None},
        "" if last is None else _period(last, timezone),
    )


def _moment(value: Moment | None) -> str:
    return value if isinstance(value, str) else value.isoformat() if value is not None else ""


def _filter(column: str, condition: Condition) -> dict[str, Any]:
    if condition is None:
        return {"column": column, "op": "is_null", "value": True}
    if isinstance(condition, tuple):
        if len(condition) != 2:
            raise UnknownOption(f"where[{column!r}] is a tuple of {len(condition)}.", "Bounds are (first, end).")
        return {"column": column, "op": "range", "value": list(condition)}
    if isinstance(condition, (str, int, float, bool)):
        return {"column": column, "op": "eq", "value": condition}
    return {"column": column, "op": "in", "value": list(condition)}


def _period(last: str, zone: str) -> str:
    """Return the hour of ``last`` in hours, else the day in the zone: within it, the same period is meant."""
    now = datetime.now(tz.utc)
    if last.endswith("h"):
        return f"{now:%Y-%m-%dT%H}"
    try:
        return f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
    except (KeyError, ValueError, OSError):  # the server refuses an unknown zone and names it
        return f"{now:%Y-%m-%d}"
