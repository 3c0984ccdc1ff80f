"""From a report and a request to one SQL text and its bound values. Pure: no file, no connection.

The report's own query stands inside, untouched; around it goes the presentation: which columns, under which names, in
which rendering. Nothing the caller sent is ever part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from offtake.engine.render import identifier, render
from offtake.model.query import Query
from offtake.model.report import PublishedColumn, Report
from offtake.model.request import ExportRequest

_PARAMETER = re.compile(r"\$([a-z_]+)\b")


def plan_rows(report: Report, request: ExportRequest, *, tenant: str) -> Query:
    """The report's rows as the catalogue defines them, without any dialect's presentation."""
    return _query(report.sql, [column.name for column in report.columns], request, tenant=tenant)


def plan(
    report: Report,
    columns: Sequence[PublishedColumn],
    request: ExportRequest,
    *,
    headers: Sequence[str],
    tenant: str,
    empty_text_is_null: bool = False,
) -> Query:
    """The report's rows as a dialect shows them: ``columns`` rendered in order under ``headers``."""
    shown = (
        f"{render(column.source, column.rendering, empty_text_is_null=empty_text_is_null)} AS {identifier(header)}"
        for column, header in zip(columns, headers, strict=True)
    )
    # Only identifiers and renderings are put into the text, all of them from the catalogue; values are bound.
    sql = f"SELECT {', '.join(shown)} FROM (\n{report.sql}\n) AS report"  # noqa: S608
    return _query(sql, headers, request, tenant=tenant)


def _query(sql: str, columns: Sequence[str], request: ExportRequest, *, tenant: str) -> Query:
    known: dict[str, object] = {
        "tenant": tenant,
        "start": request.timespan.start,
        "end": request.timespan.end,
        "zone": request.timespan.zone,
        "as_of": request.as_of or request.timespan.end,
        "account_zone": request.account_zone,
    }
    used = set(_PARAMETER.findall(sql))  # DuckDB refuses values that the text does not name
    values = {name: value for name, value in known.items() if name in used}
    return Query(sql=sql, values=MappingProxyType(values), columns=tuple(columns))
