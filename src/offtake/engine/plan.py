"""Turns a report and a request into one SQL text and its bound values. Pure: no file, no connection.

The text wraps the unchanged query of the report in the filters of the request, which DuckDB pushes into the query as
far as possible, and in the presentation: the columns, their headers and their renderings. It never contains values of
the request.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Sequence
from types import MappingProxyType

from offtake.engine.column_filter_sql import column_condition, filter_parameters, filter_values
from offtake.engine.fewer_joins import with_fewer_joins
from offtake.engine.render import render
from offtake.model.column_type import ColumnType
from offtake.model.layout import DEFAULT_PATTERN, ColumnLayout
from offtake.model.query import Query
from offtake.model.report import Column, IntermediateTable, Report, RowCount
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.sort_column import SortColumn, sort_column
from offtake.sql_text import quote_identifier

# 0.1 + 0.2 is 0.30000000000000004. A DOUBLE is exact to 15 digits; if these end in three zeros, the rest is noise.
_WITHOUT_NOISE = (
    "CASE WHEN CAST(format('{{:.15g}}', {value}) AS DOUBLE) = CAST(format('{{:.12g}}', {value}) AS DOUBLE) "
    "THEN CAST(format('{{:.12g}}', {value}) AS DOUBLE) ELSE {value} END"
)
_PARAMETER = re.compile(r"\$([a-z_0-9]+)\b")


def plan_rows(report: Report, request: ExportRequest) -> Query:
    """Return the query for the report's rows as the catalogue defines them, without the presentation of a dialect."""
    names = [column.name for column in report.columns]
    return _query(_rounded(_filtered(report, request), report, names), names, request)


def with_instants(query: Query, report: Report, shown: Callable[[str], str]) -> Query:
    """Return the query of a report's rows with each instant as the SQL that ``shown`` makes of its column.

    The driver converts instants to Python values only with a library that is not a dependency.
    """
    columns = (
        f"{shown(name)} AS {name}" if column.type is ColumnType.INSTANT else name
        for column in report.columns
        for name in [quote_identifier(column.name)]
    )
    return dataclasses.replace(query, sql=f"SELECT {', '.join(columns)} FROM (\n{query.sql}\n) AS report")  # noqa: S608


def plan_intermediate(intermediate: IntermediateTable, request: ExportRequest) -> Query:
    """Return the query for the rows of an intermediate table, with the column names of its SQL."""
    return _query(intermediate.sql, (), request)


def plan_count(count: RowCount, request: ExportRequest) -> Query:
    """Return the query for the number of the report's rows. Its values are those that the count depends on."""
    return _query(count.sql, ("rows",), request)


def plan(report: Report, layout: ColumnLayout, request: ExportRequest, *, empty_text_is_null: bool = False) -> Query:
    """Return the query for the report's rows as a dialect shows them: its columns, rendered, under its headers."""
    types = {column.name: column.type for column in report.columns}
    values = (
        render(
            column.source,
            types[column.source],
            column.rendering,
            empty_text_is_null=empty_text_is_null,
            guard_formulas=layout.guard_formulas,
        )
        for column in layout.columns
    )
    columns = [f"{value} AS {quote_identifier(header)}" for value, header in zip(values, layout.headers, strict=True)]
    sort_columns = _total_order(report, layout.order)
    order = tuple(dataclasses.replace(by, name=_sort_name(by.name)) for by in sort_columns)
    columns += [
        f"{quote_identifier(by.name)} AS {quote_identifier(as_.name)}"
        for by, as_ in zip(sort_columns, order, strict=True)
    ]
    sources = tuple(dict.fromkeys((*(column.source for column in layout.columns), *(by.name for by in sort_columns))))
    source = _query(_filtered(report, request), sources, request)
    # The text contains only identifiers and renderings, all from the catalogue; values are bound.
    sql = f"SELECT {', '.join(columns)} FROM (\n{_rounded(source.sql, report, sources)}\n) AS report"  # noqa: S608
    query = _query(sql, layout.headers, request, instant_pattern=layout.instant_pattern)
    return dataclasses.replace(query, order=order, source=source)


def plan_order(report: Report, layout: ColumnLayout, request: ExportRequest) -> Query | None:
    """Return a query for the sort columns of the rows, as ``plan`` names them, without joins that they do not need.

    A row may be returned fewer times than by ``plan``, because a join that is left out may multiply rows. None if there
    is no such query.
    """
    sort_columns = _total_order(report, layout.order)
    names = tuple(by.name for by in sort_columns)
    used = frozenset((*names, *(each.column for each in request.filters)))
    sql = with_fewer_joins(report.sql, used)
    if sql is None:
        return None
    columns = tuple(column for column in report.columns if column.name in used)
    fewer = dataclasses.replace(report, sql=sql, columns=columns)
    values = ", ".join(f"{quote_identifier(name)} AS {quote_identifier(_sort_name(name))}" for name in names)
    rows = _rounded(_filtered(fewer, request), fewer, names)
    order = tuple(dataclasses.replace(by, name=_sort_name(by.name)) for by in sort_columns)
    query = _query(f"SELECT {values} FROM (\n{rows}\n) AS report", (), request)  # noqa: S608 - names of the catalogue
    return dataclasses.replace(query, order=order)


def _sort_name(column: str) -> str:
    """Return the name of a sort column. It is never equal to a header, which comes from the catalogue."""
    return f"order by {column}"


def _total_order(report: Report, order: Sequence[str]) -> tuple[SortColumn, ...]:
    """Return the sort columns of a sorted file. The report's key decides between rows that are equal in the others."""
    by = [sort_column(text) for text in order]
    return (*by, *(SortColumn(name) for name in report.key if by and name not in {each.name for each in by}))


def _filtered(report: Report, request: ExportRequest) -> str:
    """Return the report's query for the rows that fulfil the filters of the request."""
    if not request.filters:
        return report.sql
    shown = {column.name: _shown_value(column) for column in report.columns}
    types = {column.name: column.type for column in report.columns}
    condition = " AND ".join(
        column_condition(each, shown[each.column], types[each.column], names)
        for each, names in zip(request.filters, filter_parameters(request.filters), strict=True)
    )
    # The text contains only identifiers and names of parameters; values are bound.
    return f"SELECT * FROM (\n{report.sql}\n) AS unfiltered WHERE {condition}"  # noqa: S608


def _rounded(sql: str, report: Report, used: Collection[str]) -> str:
    """Return the query of a report's rows with its decimals rounded: to their places, or without the noise of a sum.

    Only the columns in ``used`` are named, because the engine may run the text over a query for these columns alone.
    """
    values = {
        column.name: _shown_value(column)
        for column in report.columns
        if column.name in used and (column.decimals is not None or column.is_double)
    }
    if not values:
        return sql
    replaced = ", ".join(f"{value} AS {quote_identifier(name)}" for name, value in values.items())
    return f"SELECT * REPLACE ({replaced}) FROM (\n{sql}\n) AS unrounded"  # noqa: S608 - names of the catalogue


def _shown_value(column: Column) -> str:
    """Return the SQL of a column's value: a decimal is rounded, other values are as the query returns them."""
    name = quote_identifier(column.name)
    if column.decimals is not None:
        return f"round({name}, {column.decimals})"
    return _WITHOUT_NOISE.format(value=name) if column.is_double else name


def bound_values(sql: str) -> set[str]:
    """Return the names of the values that the SQL of a report binds, without their ``$``."""
    return set(_PARAMETER.findall(sql))


def _query(
    sql: str,
    columns: Sequence[str],
    request: ExportRequest,
    *,
    instant_pattern: str = DEFAULT_PATTERN,
) -> Query:
    known: dict[str, object] = {
        "start": request.timespan.start,
        "end": request.effective_end,
        "zone": request.timespan.zone,
        "as_of": request.as_of or request.timespan.end,
        "account_zone": request.account_zone,
        "instant_pattern": instant_pattern,
        **_bindable(request.parameters),
        **filter_values(request.filters),
    }
    used = bound_values(sql)  # DuckDB rejects values that the text does not name
    values = {name: value for name, value in known.items() if name in used}
    return Query(sql=sql, values=MappingProxyType(values), columns=tuple(columns))


def _bindable(parameters: ReportParameters) -> dict[str, object]:
    """Return the parameters with lists instead of tuples, which the driver cannot bind."""
    values = dataclasses.asdict(parameters).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}
