"""The stored form of the filters of a request. JSON has no instants and days, so these are stored with their type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from offtake.model.column_filter import ColumnFilter, FilterOperator, FilterValue

_OPERATORS = frozenset(FilterOperator)


def filter_to_json(each: ColumnFilter) -> dict[str, Any]:
    """Return the stored form of a filter."""
    return {"column": each.column, "op": each.operator.value, "values": [_to_json(value) for value in each.values]}


def filters_from_json(stored: Iterable[dict[str, Any]]) -> tuple[ColumnFilter, ...] | None:
    """Return the filters; None if a newer release wrote one that this one cannot read."""
    filters = list(stored)
    if any(each["op"] not in _OPERATORS for each in filters):
        return None
    return tuple(
        ColumnFilter(
            column=each["column"], operator=FilterOperator(each["op"]), values=tuple(map(_from_json, each["values"]))
        )
        for each in filters
    )


def _to_json(value: FilterValue) -> Any:
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return value


def _from_json(value: Any) -> FilterValue:
    if not isinstance(value, dict):
        plain: FilterValue = value
        return plain
    if "instant" in value:
        return datetime.fromisoformat(value["instant"]).astimezone(UTC)
    return date.fromisoformat(value["date"])
