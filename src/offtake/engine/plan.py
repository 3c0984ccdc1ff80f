"""Turns a report and a request into one SQL text and its bound values. Pure: no file, no connection.

The text wraps the unchanged query of the report in the presentation: the columns, their headers and their renderings.
It never contains values of the request.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from types import MappingProxyType

from offtake.engine.render import render
from offtake.model.layout import DEFAULT_PATTERN, ColumnLayout
from offtake.model.query import Query
from offtake.model.report import IntermediateTable, Report
from offtake.model.request import ExportRequest, ReportParameters
from offtake.sql_text import quote_identifier

_PARAMETER = re.compile(r"\$([a-z_]+)\b")


def plan_rows(report: Report, request: ExportRequest) -> Query:
    """Return the query for the report's rows as the catalogue defines them, without the presentation of a dialect."""
    return _query(report.sql, [column.name for column in report.columns], request)


def plan_intermediate(intermediate: IntermediateTable, request: ExportRequest) -> Query:
    """Return the query for the rows of an intermediate table, with the column names of its SQL."""
    return _query(intermediate.sql, (), request)


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
    sql = f"SELECT {', '.join(columns)} FROM (\n{report.sql}\n) AS report"  # noqa: S608
    query = _query(sql, layout.headers, request, instant_pattern=layout.instant_pattern)
    return dataclasses.replace(query, order=order, source=source)


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
    used = set(_PARAMETER.findall(sql))  # DuckDB rejects values that the text does not name
    values = {name: value for name, value in known.items() if name in used}
    return Query(sql=sql, values=MappingProxyType(values), columns=tuple(columns))


def _bindable(parameters: ReportParameters) -> dict[str, object]:
    """Return the parameters with lists instead of tuples, which the driver cannot bind."""
    values = dataclasses.asdict(parameters).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}
