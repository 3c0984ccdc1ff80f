"""From a report and a request to one SQL text and its bound values. Pure: no file, no connection.

The report's own query stands inside, untouched; around it goes the presentation: which columns, under which names, in
which rendering. Nothing the caller sent is ever part of the text.
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
    """The report's rows as the catalogue defines them, without any dialect's presentation."""
    return _query(report.sql, [column.name for column in report.columns], request)


def plan_intermediate(intermediate: IntermediateTable, request: ExportRequest) -> Query:
    """Rows that are made before those of the report, under the names their text gives them."""
    return _query(intermediate.sql, (), request)


def plan(report: Report, shown: ColumnLayout, request: ExportRequest, *, empty_text_is_null: bool = False) -> Query:
    """The report's rows as a dialect shows them: the columns rendered in order under their headers."""
    types = {column.name: column.type for column in report.columns}
    values = (
        render(
            column.source,
            types[column.source],
            column.rendering,
            empty_text_is_null=empty_text_is_null,
            guarded=shown.guarded,
        )
        for column in shown.columns
    )
    named = [f"{value} AS {quote_identifier(header)}" for value, header in zip(values, shown.headers, strict=True)]
    order = tuple(f"order by {name}" for name in shown.order)  # no header: those come from the catalogue
    named += [
        f"{quote_identifier(by)} AS {quote_identifier(name)}" for by, name in zip(shown.order, order, strict=True)
    ]
    # Only identifiers and renderings are put into the text, all of them from the catalogue; values are bound.
    sql = f"SELECT {', '.join(named)} FROM (\n{report.sql}\n) AS report"  # noqa: S608
    query = _query(sql, shown.headers, request, instant_pattern=shown.instant_pattern)
    return dataclasses.replace(query, order=order)


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
    used = set(_PARAMETER.findall(sql))  # DuckDB refuses values that the text does not name
    values = {name: value for name, value in known.items() if name in used}
    return Query(sql=sql, values=MappingProxyType(values), columns=tuple(columns))


def _bindable(parameters: ReportParameters) -> dict[str, object]:
    """Tuples as lists, which the driver binds."""
    values = dataclasses.asdict(parameters).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}
