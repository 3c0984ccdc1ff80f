"""Whether reports would have rows: the tables of each report, and the number of its rows where they are counted.

A check reads the lake and nothing else. It opens each table once, and runs the count of a report (``count.sql``)
instead of its query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from offtake.core.attempt.reconciliation import count_rows
from offtake.core.exports.notices import notices
from offtake.core.query import filters
from offtake.core.query.operator_session import operator_session
from offtake.core.query.preparation import prepare
from offtake.core.services import Services
from offtake.lake.snapshot import Located, locate, narrow
from offtake.model.notice import Notice
from offtake.model.report import Prune, Report, RowsIfEmpty, TableUse
from offtake.model.request import ExportRequest
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan

_DIALECT = "native"  # publishes every report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCheck:
    """What an export of a report over a timespan, with all columns and without parameters, would have."""

    report: str
    has_rows: bool | None  # None: not known, because the rows of the report are not counted
    rows: int | None
    needed: tuple[str, ...]  # tables without rows because of which there are none
    notices: tuple[Notice, ...]  # about tables without rows
    months: tuple[str, str] | None  # first and last month (YYYY-MM) of the first table, if it has months


def check_reports(names: Sequence[str], tenant: Tenant, timespan: Timespan, on: Services) -> Iterator[ReportCheck]:
    """Yield the check of each report. Raises StorageUnavailable and other errors of an attempt."""
    reports = [on.catalogue.reports[name] for name in names]
    used = dict.fromkeys(use.table for report in reports for use in _uses(report))
    lake = locate(on.lake, [TableUse(table=name, prune=Prune.ALL) for name in used], tenant=tenant.name)
    for report in reports:
        yield _check(report, _located(report, lake), tenant, timespan, on)


def _uses(report: Report) -> list[TableUse]:
    return [*report.tables, *filters.tables(report)]


def _located(report: Report, lake: Located) -> Located:
    """Return the files of the report's tables among those of all tables."""
    files = {use.table: listed for use, listed in zip(lake.uses, lake.files, strict=True)}
    uses = _uses(report)
    return replace(lake, uses=uses, files=[files[use.table] for use in uses])


def _check(report: Report, located: Located, tenant: Tenant, timespan: Timespan, on: Services) -> ReportCheck:
    request = ExportRequest(
        dialect=_DIALECT,
        report=report.name,
        format="json",
        timespan=timespan,
        name="check",
        as_of=on.clock(),
        account_zone=tenant.zone,
    )
    read = narrow(located, start=timespan.start, end=timespan.end)
    needed = _needed(report, read)
    rows = 0 if needed else _count(report, request, read, tenant, on)
    months = sorted(file.month for file in located.files[0] if file.month is not None) if located.files else []
    return ReportCheck(
        report=report.name,
        has_rows=None if rows is None else rows > 0,
        rows=rows,
        needed=needed,
        notices=notices(request, read, on),
        months=(months[0], months[-1]) if months else None,
    )


def _needed(report: Report, read: Located) -> tuple[str, ...]:
    """Return the empty tables without which the report has no rows; all of its tables if all are empty."""
    empty = [use.table for use, files in zip(read.uses, read.files, strict=True) if not files]
    known = {use.table: use.if_empty for use in report.tables}
    if report.tables and known.keys() <= set(empty):
        return tuple(known)
    return tuple(table for table in empty if (found := known.get(table)) is not None and found.rows is RowsIfEmpty.NONE)


def _count(report: Report, request: ExportRequest, read: Located, tenant: Tenant, on: Services) -> int | None:
    """Return the number of rows; None if the report has no count. Only the tables that the count names are read."""
    if report.count is None:
        return None
    words = set(re.findall(r"\w+", report.count.sql))
    files = [listed if use.table in words else [] for use, listed in zip(read.uses, read.files, strict=True)]
    with operator_session(replace(read, files=files), tenant.name, on) as session:
        return count_rows(session, report, prepare(session, report, request, on.database))
