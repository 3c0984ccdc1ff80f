"""`make bench ARGS=--catalogue`: run every report over the sample data, in a session as an attempt has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench_home import TENANT, BenchHome
from offtake.app import build_services
from offtake.catalogue import BUILT_IN
from offtake.core.query import filters, intermediate, server_audit
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan_rows
from offtake.home import Home
from offtake.lake.snapshot import snapshot
from offtake.model.report import Report
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.timespan import Timespan
from offtake.settings import load_settings

_DAY = ReportParameters(interval_milliseconds=86_400_000)
_CSV = "FORMAT csv, HEADER true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One report: its size, and the time that a month of it takes."""

    report: str
    columns: int
    cases: int
    rows: int
    milliseconds: float


def measure(home: BenchHome) -> Iterator[Line]:
    """Run each report over the last month of the sample data."""
    on = build_services(Home(home.path), load_settings(Home(home.path).settings))
    timespan = Timespan(start=home.end - timedelta(days=31), end=home.end, zone="Europe/Lisbon")
    try:
        for report in on.catalogue.reports.values():
            yield _of_report(on, report, timespan)
    finally:
        on.database.close()


def table(lines: list[Line]) -> Table:
    """Return the lines as a table."""
    made = Table(title="Every report over a month of sample data", title_justify="left")
    for heading in Line.__slots__:
        made.add_column(heading, justify="left" if heading == "report" else "right")
    for line in lines:
        made.add_row(line.report, str(line.columns), str(line.cases), f"{line.rows:,}", f"{line.milliseconds:,.0f}")
    return made


def _of_report(on: Services, report: Report, timespan: Timespan) -> Line:
    request = ExportRequest(
        dialect="any", report=report.name, format="csv", timespan=timespan, name="bench", parameters=_DAY
    )
    uses = (*report.tables, *filters.tables(report))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        limits = Limits(
            threads=on.attempt.threads,
            memory_mb=on.attempt.memory_mb,
            temp_folder=Path(folder) / "spill",
            temp_mb=10_000,
        )
        began = time.perf_counter()
        seen = snapshot(on.lake, uses, tenant=TENANT, start=timespan.start, end=timespan.end)
        with seen as views, Session(limits, views, tenant=TENANT, writable=(file,)) as session:
            prepared = filters.prepare(session, report, request)
            if report.server_audit:
                server_audit.fill(session, [])
            intermediate.create_tables(session, report, prepared)
            rows = session.copy(plan_rows(report, prepared), file, options=_CSV, as_json=False)
        seconds = time.perf_counter() - began
    cases = BUILT_IN / report.name / "cases"
    return Line(
        report=report.name,
        columns=len(report.columns),
        cases=sum(1 for case in cases.iterdir() if case.is_dir()),
        rows=rows,
        milliseconds=1000 * seconds,
    )
