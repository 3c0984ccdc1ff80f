"""Whether reports would have rows: the tables of each report, and the number of its rows where they are counted.

A check reads the lake and nothing else. It opens each table once, and runs the count of a report (``count.sql``)
instead of its query.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from offtake.core.attempt.reconciliation import count_rows
from offtake.core.exports.notices import notices
from offtake.core.query import filters
from offtake.core.query.preparation import prepare
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.lake.snapshot import Located, local_views, locate, narrow
from offtake.model.notice import Notice
from offtake.model.report import Prune, Report, RowsIfEmpty, TableUse
from offtake.model.request import ExportRequest
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan

_DIALECT = "native"  # publishes every report
_SPILL = "report-check"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCheck:
    """What an export of a report over a timespan, with all columns and without parameters, would have."""

    report: str
    has_rows: bool | None  # None: not known, because the rows of the report are not counted
    rows: int | None
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
    rows = 0 if _lacks_rows(report, read) else _count(report, request, read, tenant, on)
    months = sorted(file.month for file in located.files[0] if file.month is not None) if located.files else []
    return ReportCheck(
        report=report.name,
        has_rows=None if rows is None else rows > 0,
        rows=rows,
        notices=notices(request, read, on),
        months=(months[0], months[-1]) if months else None,
    )


def _lacks_rows(report: Report, read: Located) -> bool:
    """Whether all tables are empty, or one without which the report has no rows."""
    if report.tables and not any(read.files):
        return True
    needed = {use.table for use in report.tables if use.if_empty is not None and use.if_empty.rows is RowsIfEmpty.NONE}
    return any(use.table in needed and not files for use, files in zip(read.uses, read.files, strict=True))


def _count(report: Report, request: ExportRequest, read: Located, tenant: Tenant, on: Services) -> int | None:
    """Return the number of rows; None if the report has no count. Only the tables that the count names are read."""
    if report.count is None:
        return None
    words = set(re.findall(r"\w+", report.count.sql))
    files = [listed if use.table in words else [] for use, listed in zip(read.uses, read.files, strict=True)]
    policy, process = on.attempt, os.getpid()
    limits = Limits(
        threads=policy.threads,
        memory_mb=policy.memory_mb,
        temp_folder=on.artifacts.spill(_SPILL, process),
        temp_mb=policy.temp_mb,
    )
    try:
        with (
            local_views(on.lake, replace(read, files=files)) as views,
            Session(limits, views, tenant=tenant.name) as session,
        ):
            return count_rows(session, report, prepare(session, report, request, on.database))
    finally:
        on.artifacts.discard(_SPILL, process)
