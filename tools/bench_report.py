"""Run one report or one bare scan in a process of its own, for ``bench_reports.py``."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import load_catalogue
from offtake.core.attempt.reconciliation import count_rows
from offtake.core.query import filters, intermediate, server_audit
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan_rows
from offtake.lake.tables import tables
from offtake.model.query import Query
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan
from offtake.model.view import TableView
from offtake.wire.presentations import PRESENTATIONS
from process_memory import peak_mb

NULL_DEVICE = Path("/dev/null")


def main() -> None:
    """Read the specification, run it, and print the result."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    views = [_view(view) for view in wanted["views"]]
    limits = Limits(
        threads=wanted["threads"],
        memory_mb=wanted["memory_mb"],
        temp_folder=Path(wanted["temp"]),
        temp_mb=wanted["temp_mb"],
        fixed_join_sides=wanted["threads"] == 1,
    )
    with Session(
        limits,
        views,
        tenant=wanted["tenant"],
        writable=(NULL_DEVICE,),
        partitions=wanted["partitions"],
        by_buckets=wanted["by_buckets"],
    ) as session:
        prepared = _prepared(session, wanted) if wanted["report"] else None
        began = time.perf_counter()
        counted = count_rows(session, *prepared) if prepared else None
        count_seconds = time.perf_counter() - began
        began = time.perf_counter()
        query = _report(session, *prepared) if prepared else _scan(wanted["scan"])
        rows = sum(
            session.copy(query, NULL_DEVICE, options="FORMAT csv, HEADER true", as_json=False, partition=partition)
            for partition in range(session.partitions)
        )
        seconds = time.perf_counter() - began
    if counted not in (None, rows):
        raise SystemExit(f"The count is {counted}, but the report has {rows} rows.")
    found = {"seconds": seconds, "rows": rows, "peak_mb": peak_mb(["self"]), "count_seconds": count_seconds}
    json.dump(found, sys.stdout)


def _view(found: dict[str, Any]) -> TableView:
    columns = tuple((name, sql_type) for name, sql_type in found["columns"])
    return TableView(
        table=found["table"],
        files=tuple(found["files"]),
        columns=columns,
        rows=found["rows"],
        bucketed_by=found["bucketed_by"],
    )


def _prepared(session: Session, wanted: dict[str, Any]) -> tuple[Report, ExportRequest]:
    catalogue = load_catalogue(
        BUILT_IN,
        tables={name: dict(table.stored_columns) for name, table in tables().items()},
        dialects=list(PRESENTATIONS),
    )
    report: Report = catalogue.reports[wanted["report"]]
    timespan = Timespan(
        start=datetime.fromisoformat(wanted["start"]),
        end=datetime.fromisoformat(wanted["end"]),
        zone=wanted["zone"],
    )
    request = ExportRequest(dialect="any", report=report.name, format="csv", timespan=timespan, name="bench")
    request = filters.prepare(session, report, request)
    if report.server_audit:
        server_audit.fill(session, [])
    return report, request


def _report(session: Session, report: Report, request: ExportRequest) -> Query:
    intermediate.create_tables(session, report, request)
    return plan_rows(report, request)


def _scan(table: str) -> Query:
    """Return a query for every column of every row of a table."""
    names = tuple(name for name, _ in tables()[table].stored_columns)
    return Query(sql=f'SELECT * FROM "{table}"', values=MappingProxyType({}), columns=names)


if __name__ == "__main__":
    main()
