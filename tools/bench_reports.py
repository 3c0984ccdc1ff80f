"""`make bench ARGS=--reports`: run every report over many rows of its main table, and compare with a scan of the table.

The sample data is multiplied on disk until the main table has ``--rows`` rows. Each copy of a row gets its own ids, and
so do the references to it, so that joins keep their shape. Each run is a process of its own with the limits of an
attempt, and writes to /dev/null.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from bench_home import TENANT, BenchHome
from bench_result import Measurement
from offtake.app import build_services
from offtake.core.attempt.resource_plan import resource_plan
from offtake.core.query import filters
from offtake.core.services import Services
from offtake.home import Home
from offtake.lake.buckets import ROW_GROUP_ROWS, bucket, bucket_range
from offtake.lake.delta import Lake
from offtake.lake.snapshot import snapshot
from offtake.lake.tables import Table, TableKind, tables
from offtake.model.report import Prune, Report, TableUse, reads_buckets
from offtake.model.timespan import Timespan
from offtake.model.view import BUCKET, TableView
from offtake.settings import load_settings

MEMORY_BUDGET_MB = 512
_ROW_GROUP = 122_880


def measure(home: BenchHome, folder: Path, *, rows: int, only: Sequence[str] = ()) -> Iterator[list[Measurement]]:
    """Three measurements per report: time against the scan, of the count against the report, and memory against the
    budget."""
    settings = load_settings(Home(home.path).settings)
    on = build_services(Home(home.path), settings)
    timespan = Timespan(start=home.end - timedelta(days=31), end=home.end, zone="Europe/Lisbon")
    work = folder / "reports"
    try:
        for report in on.catalogue.reports.values():
            if only and report.name not in only:
                continue
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            yield _of_report(on, report, timespan, work, rows=rows)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        on.database.close()


def main_fact(report: Report) -> Table:
    """The table whose rows a report is mostly made of: the first fact it names."""
    facts = (tables()[use.table] for use in report.tables)
    return next(table for table in facts if table.kind is TableKind.FACT)


def _of_report(on: Services, report: Report, timespan: Timespan, work: Path, *, rows: int) -> list[Measurement]:
    main = main_fact(report)
    views, held = _multiplied(on.lake, report, work, rows=rows)
    resources = resource_plan(report, views, on.attempt, is_sorted=False)
    wanted = {
        "report": report.name,
        "tenant": TENANT,
        "start": timespan.start.isoformat(),
        "end": timespan.end.isoformat(),
        "zone": timespan.zone,
        "views": [asdict(view) for view in views],
        "partitions": resources.partitions,
        "by_buckets": reads_buckets(report, views),
        "threads": resources.threads,
        "memory_mb": on.attempt.memory_mb,
        "temp": str(work / "temp"),
        "temp_mb": 100_000,
    }
    scan = _run(wanted | {"report": None, "scan": main.name, "partitions": 1, "by_buckets": False})
    what = f"{report.name}: {held:,} of {main.name}"
    try:
        ours = _run(wanted)
    except RuntimeError as error:  # one report that fails must not hide the others
        return [Measurement(name=what, measured=f"failed: {str(error).splitlines()[-1]}")]
    return [
        Measurement(
            name=what,
            measured=f"{ours['seconds']:.1f} s, {ours['rows']:,} rows",
            against=f"scan {scan['seconds']:.1f} s",
            value=ours["seconds"] / scan["seconds"],
            unit=" ×",
        ),
        Measurement(
            name=f"{report.name}: count",
            measured=f"{ours['count_seconds']:.2f} s" if report.count else "none",
            against=f"report {ours['seconds']:.1f} s",
            value=100 * ours["count_seconds"] / ours["seconds"],
            unit=" %",
        ),
        Measurement(
            name=f"{report.name}: memory",
            measured="highest peak of the process",
            against=f"scan {scan['peak_mb']:,.0f} MB",
            value=ours["peak_mb"],
            unit=" MB",
            budget=MEMORY_BUDGET_MB,
        ),
    ]


def _run(wanted: Mapping[str, Any]) -> dict[str, Any]:
    script = str(Path(__file__).with_name("bench_report.py"))
    done = subprocess.run(
        [sys.executable, script], input=json.dumps(wanted), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{wanted['report'] or 'scan'}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _multiplied(lake: Lake, report: Report, work: Path, *, rows: int) -> tuple[list[TableView], int]:
    """Views as a session would have them, facts multiplied by as much as the main one needs; and its rows."""
    uses = (*report.tables, *filters.tables(report))
    main = main_fact(report)
    with snapshot(lake, [_all_of(use) for use in uses], tenant=TENANT) as seen:  # a local lake
        whole = {view.table: view for view in seen}
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB", "temp_directory": str(work / "spill")}) as base:
        base.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        held = _count(base, whole[main.name])
        times = max(1, -(-rows // max(1, held)))
        views = [
            _copies(base, whole[use.table], work, times=times)
            if tables()[use.table].kind is TableKind.FACT
            else whole[use.table]
            for use in uses
        ]
    return views, held * times


def _all_of(use: TableUse) -> TableUse:
    """Without pruning: all rows take part in the multiplying."""
    return TableUse(table=use.table, prune=Prune.ALL)


def _count(base: duckdb.DuckDBPyConnection, view: TableView) -> int:
    found = base.execute("SELECT count(*) FROM read_parquet($files)", {"files": list(view.files)}).fetchone()
    return int(found[0]) if found else 0


def _copies(base: duckdb.DuckDBPyConnection, view: TableView, work: Path, *, times: int) -> TableView:
    """``times`` copies of a fact table's rows in one file, with ids of their own."""
    table = tables()[view.table]
    own = {name for name in table.key if table.by_name[name].type.value == "id"}
    facts = {name for name, other in tables().items() if other.kind is TableKind.FACT}
    renamed = [
        f"{name} || '-' || copy AS {name}"
        for name, column in table.by_name.items()
        if (name in own and column.references is None) or column.references in facts
    ]
    # A stay of an agent has no id of its own: its copies are other agents' stays.
    if not any(table.by_name[name].references is None for name in own):
        renamed += [f"{name} || copy AS {name}" for name in own if table.by_name[name].references not in facts]
    replaced = f"REPLACE ({', '.join(renamed)})" if renamed else ""
    order, bucketed = "", ""
    if table.group_key is not None:
        replaced = f"REPLACE ({', '.join([*renamed, f'NULL AS {BUCKET}'])})"
        bucketed = f"REPLACE ({bucket(table)} AS {BUCKET})"
        order = f"ORDER BY {bucket_range(view.rows * times)}, {table.event_time}"
    rows_of_group = _ROW_GROUP if table.group_key is None else ROW_GROUP_ROWS
    target = work / "copies" / view.table / f"tenant={TENANT}"
    target.mkdir(parents=True)
    file = target / "rows.parquet"
    base.execute(
        f"COPY (SELECT * {bucketed} FROM (SELECT * EXCLUDE (copy, tenant) {replaced} "
        "FROM read_parquet($files, hive_partitioning = true, "
        f"hive_types_autocast = false, union_by_name = true), range({times}) AS copies (copy)) {order}) "
        f"TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE {rows_of_group})",
        {"files": list(view.files)},
    )
    return TableView(
        table=view.table, files=(str(file),), columns=view.columns, rows=view.rows * times, bucketed_by=table.group_key
    )
