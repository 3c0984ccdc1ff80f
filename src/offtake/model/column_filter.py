"""Filters on any column of a report, and the sort order that a request asks for.

The values of a filter have the Python type of the report's column, so that the engine binds them as they are. A filter
applies to the value that a file shows: a decimal is compared after its rounding.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from offtake.errors import FieldFault, InvalidRequest
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, Report
from offtake.model.sort_column import sort_column

MOST_VALUES = 10_000  # of one filter
MOST_FILTERS = 100  # of one request

FilterValue = str | int | float | bool | datetime | date | None


class FilterOperator(StrEnum):
    """How a filter compares a column with its values. Only ``is_null`` ever selects a row without a value."""

    EQ = "eq"  # equal to the value; a list contains it
    IN = "in"  # equal to one of the values; a list contains at least one of them
    RANGE = "range"  # from the first value on and less than the second one; None: no bound on that side
    IS_NULL = "is_null"  # True: has no value; False: has one


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFilter:
    """A condition on one column of a report. A row must fulfil all filters of its request.

    The values of ``in`` are a set: they are stored sorted and once, so that equal filters are equal values.
    """

    column: str
    operator: FilterOperator
    values: tuple[FilterValue, ...]

    def __post_init__(self) -> None:
        if not _fits(self.operator, self.values):
            raise ValueError(f"a filter cannot have {len(self.values)} such values with {self.operator}")
        if self.operator is FilterOperator.IN:
            values: set[Any] = set(self.values)
            object.__setattr__(self, "values", tuple(sorted(values)))


def _fits(operator: FilterOperator, values: Sequence[FilterValue]) -> bool:
    """Whether the operator takes so many values, null or not."""
    has_null = any(value is None for value in values)
    match operator:
        case FilterOperator.EQ:
            return len(values) == 1 and not has_null
        case FilterOperator.IN:
            return 1 <= len(values) <= MOST_VALUES and not has_null
        case FilterOperator.RANGE:
            return len(values) == 2 and any(value is not None for value in values)
        case FilterOperator.IS_NULL:
            return len(values) == 1 and isinstance(values[0], bool)


def _is_reversed(first: Any, second: Any) -> bool:
    """Whether the bounds of a range, of one type, are in the wrong sequence."""
    return first is not None and second is not None and first > second


_EXPECTED_VALUES = MappingProxyType(
    {
        FilterOperator.EQ: "exactly one value, which is not null",
        FilterOperator.IN: f"1 to {MOST_VALUES:,} values, none of them null",
        FilterOperator.RANGE: "exactly two values, of which one may be null: the first one is included, the second not",
        FilterOperator.IS_NULL: "exactly one value: true or false",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ValueType:
    """The values of filters on columns of one type: what a JSON value must be, and its Python value."""

    python: type
    expected: str
    read: Callable[[object], FilterValue]  # raises ValueError
    ranges: bool = True


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INTEGERS = range(-(2**63), 2**63)


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    value.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INTEGERS:
        raise ValueError
    return value


def _decimal(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # an integer beyond double precision
            number = float(value)
            if math.isfinite(number):
                return number
    raise ValueError


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError from error


def _date(value: object) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError
    return date.fromisoformat(value)


_TEXTS = _ValueType(python=str, expected="a text without NUL characters", read=_text)
_WHOLE = _ValueType(python=int, expected="a whole number of 64 bits", read=_integer)
_VALUES: Mapping[ColumnType, _ValueType] = MappingProxyType(
    {
        ColumnType.TEXT: _TEXTS,
        ColumnType.ID: _TEXTS,
        ColumnType.LIST: _ValueType(python=str, expected=_TEXTS.expected, read=_text, ranges=False),
        ColumnType.INTEGER: _WHOLE,
        ColumnType.SECONDS: _WHOLE,
        ColumnType.MILLISECONDS: _WHOLE,
        ColumnType.DECIMAL: _ValueType(python=float, expected="a finite number", read=_decimal),
        ColumnType.BOOLEAN: _ValueType(python=bool, expected="true or false", read=_boolean, ranges=False),
        ColumnType.INSTANT: _ValueType(
            python=datetime, expected="an instant with an offset, such as 2026-03-01T08:00:00Z", read=_instant
        ),
        ColumnType.DATE: _ValueType(python=date, expected="a day such as 2026-03-01", read=_date),
    }
)


def operators(column_type: ColumnType) -> tuple[FilterOperator, ...]:
    """Return the operators of filters on columns of that type."""
    return tuple(each for each in FilterOperator if each is not FilterOperator.RANGE or _VALUES[column_type].ranges)


def expected_value(column_type: ColumnType) -> str:
    """Return what the value of a filter on columns of that type must be, for a message to the client."""
    return _VALUES[column_type].expected


def read_filter(
    report: Report, name: str, operator: FilterOperator, values: Sequence[object], *, field: str = "filter"
) -> ColumnFilter:
    """Return the filter on the report's column ``name`` with values from JSON.

    Raises InvalidRequest with the fault of ``field/column``, ``field/op`` or ``field/value``; it never quotes a value.
    """
    column = find_column(report, name, field=f"{field}/column")
    _require_operator(column, operator, field=field)
    value_type = _VALUES[column.type]
    typed: list[FilterValue] = []
    for value in values:
        try:
            if value is None:
                typed.append(None)
            else:
                typed.append(_boolean(value) if operator is FilterOperator.IS_NULL else value_type.read(value))
        except ValueError as error:
            wanted = "true or false" if operator is FilterOperator.IS_NULL else value_type.expected
            raise _fault(f"{field}/value", f"a value is not {wanted}") from error
    if not _fits(operator, typed):
        raise _fault(f"{field}/value", f"must have {_EXPECTED_VALUES[operator]}")
    if operator is FilterOperator.RANGE and _is_reversed(*typed):
        raise _fault(f"{field}/value", "the first value is greater than the second one, so no row is in the range")
    return ColumnFilter(column=name, operator=operator, values=tuple(typed))


def require_filters(report: Report, filters: Sequence[ColumnFilter], order: Sequence[str]) -> None:
    """Raise InvalidRequest unless the filters and the sort order fit the report's columns, each of its type."""
    if len(filters) > MOST_FILTERS:
        raise _fault("filters", f"must have at most {MOST_FILTERS} entries")
    for number, each in enumerate(filters):
        column = find_column(report, each.column, field=f"filters/{number}/column")
        _require_operator(column, each.operator, field=f"filters/{number}")
        expected = bool if each.operator is FilterOperator.IS_NULL else _VALUES[column.type].python
        if any(value is not None and type(value) is not expected for value in each.values):
            raise _fault(f"filters/{number}/value", f"a value is not {expected_value(column.type)}")
    names: set[str] = set()
    for number, by in enumerate(map(sort_column, order)):
        column = find_column(report, by.name, field=f"order/{number}")
        if column.type is ColumnType.LIST:
            raise _fault(f"order/{number}", f"rows cannot be sorted by {by.name!r}, which is a list")
        if by.name in names:
            raise _fault(f"order/{number}", f"names {by.name!r} twice; remove one")
        names.add(by.name)


def find_column(report: Report, name: str, *, field: str) -> Column:
    """Return the report's column. Raises InvalidRequest with the fault of ``field``, which names a similar column."""
    columns = {column.name: column for column in report.columns}
    column = columns.get(name)
    if column is None:
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"its columns are: {', '.join(columns)}"
        raise _fault(field, f"is not a column of the report {report.name}; {hint}")
    return column


def _require_operator(column: Column, operator: FilterOperator, *, field: str) -> None:
    if operator not in operators(column.type):
        accepted = ", ".join(operators(column.type))
        raise _fault(f"{field}/op", f"{column.name!r} is {column.type}, whose filters are: {accepted}")


def _fault(field: str, description: str) -> InvalidRequest:
    return InvalidRequest("The filters or the order do not fit the report.", [FieldFault(field, description)])
