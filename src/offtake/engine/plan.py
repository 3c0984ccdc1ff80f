"""Turns a report and a request into one SQL text and its bound values. Pure: no file, no connection.

The text wraps the unchanged query of the report in the presentation: the columns, their headers and their renderings.
It never contains values of the request.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Sequence
from types import MappingProxyType

from offtake.engine.render import render
from offtake.model.column_type import ColumnType
from offtake.model.layout import DEFAULT_PATTERN, ColumnLayout
from offtake.model.query import Query
from offtake.model.report import Column, IntermediateTable, Report, RowCount
from offtake.model.request import ExportRequest, ReportParameters
from offtake.sql_text import quote_identifier

# 0.1 + 0.2 is 0.30000000000000004. A DOUBLE is exact to 15 digits; if these end in three zeros, the rest is noise.
_WITHOUT_NOISE = (
    "CASE WHEN CAST(format('{{:.15g}}', {value}) AS DOUBLE) = CAST(format('{{:.12g}}', {value}) AS DOUBLE) "
    "THEN CAST(format('{{:.12g}}', {value}) AS DOUBLE) ELSE {value} END"
)
_PARAMETER = re.compile(r"\$([a-z_]+)\b")


def plan_rows(report: Report, request: ExportRequest) -> Query:
    """Return the query for the report's rows as the catalogue defines them, without the presentation of a dialect."""
    names = [column.name for column in report.columns]
    return _query(_rounded(report, names), names, request)


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
    order = tuple(
        f"order by {name}" for name in layout.order
    )  # never equal to a header, which comes from the catalogue
    columns += [
        f"{quote_identifier(by)} AS {quote_identifier(name)}" for by, name in zip(layout.order, order, strict=True)
    ]
    sources = tuple(dict.fromkeys((*(column.source for column in layout.columns), *layout.order)))
    source = _query(report.sql, sources, request)
    # The text contains only identifiers and renderings, all from the catalogue; values are bound.
    sql = f"SELECT {', '.join(columns)} FROM (\n{_rounded(report, sources)}\n) AS report"  # noqa: S608
    query = _query(sql, layout.headers, request, instant_pattern=layout.instant_pattern)
    return dataclasses.replace(query, order=order, source=source)


def _rounded(report: Report, used: Collection[str]) -> str:
    """Return the report's query with its decimals rounded: to their places, or without the noise of a sum.

    Only the columns in ``used`` are named, because the engine may run the text over a query for these columns alone.
    """
    values = {
        column.name: _decimal(column)
        for column in report.columns
        if column.name in used and (column.decimals is not None or column.is_double)
    }
    if not values:
        return report.sql
    replaced = ", ".join(f"{value} AS {quote_identifier(name)}" for name, value in values.items())
    return f"SELECT * REPLACE ({replaced}) FROM (\n{report.sql}\n) AS unrounded"  # noqa: S608 - names of the catalogue


def _decimal(column: Column) -> str:
    name = quote_identifier(column.name)
    return f"round({name}, {column.decimals})" if column.decimals is not None else _WITHOUT_NOISE.format(value=name)


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
    }
    used = bound_values(sql)  # DuckDB rejects values that the text does not name
    values = {name: value for name, value in known.items() if name in used}
    return Query(sql=sql, values=MappingProxyType(values), columns=tuple(columns))


def _bindable(parameters: ReportParameters) -> dict[str, object]:
    """Return the parameters with lists instead of tuples, which the driver cannot bind."""
    values = dataclasses.asdict(parameters).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}
