"""Time of an export's attempt and peak memory of its worker, against a bare DuckDB COPY of the same SQL."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from bench_result import Measurement
from dialect_clients import Export, ExportClient
from offtake.model.query import Query
from offtake.model.view import TableView
from process_memory import peak_mb, reset_peaks

TIME_BUDGET = {"csv": 1.15, "json": 1.2, "json_bulk": 1.2, "parquet": 1.15}
MEMORY_BUDGET_MB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, of the server or of the bare COPY."""

    seconds: float
    peak_mb: float
    rows: int
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BareCopy:
    """The yardstick: the attempt's SQL with the catalogue's macros, its files and its limits."""

    query: Query
    macros: str
    views: Sequence[TableView]
    threads: int
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """The latest attempt as the job's row records it; times are in seconds."""

    waited: float
    ran: float
    rows: int
    attempts: int


def measure(
    client: ExportClient, server_pid: int, state: Path, *, export: Export, copy: BareCopy, runs: int
) -> list[Measurement]:
    """Run the job and the bare COPY in turn, ``runs`` times each, and compare their medians."""
    jobs, copies = [], []
    for _ in range(runs):
        copies.append(run_copy(copy, export.format, state.parent / f"bare.{export.format}"))
        jobs.append(_run_job(client, server_pid, state, export))
    if {run.rows for run in jobs} != {run.rows for run in copies}:
        raise RuntimeError("the job and the bare COPY do not have the same number of rows")
    return _measurements(export.format, jobs, copies)


def job_times(state: Path, job_id: str) -> JobTimes:
    """Read a job's times from the state database, whose instants are whole microseconds."""
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
        row = database.execute(
            "SELECT created_at, started_at, finished_at, rows, attempts FROM job WHERE id = ?", [job_id]
        ).fetchone()
    created, started, finished, rows, attempts = row
    waited, ran = (started - created) / 1e6, (finished - started) / 1e6
    return JobTimes(waited=waited, ran=ran, rows=rows or 0, attempts=attempts)


def _run_job(client: ExportClient, server_pid: int, state: Path, export: Export) -> Run:
    workers = [child.pid for child in psutil.Process(server_pid).children(recursive=True)]
    reset_peaks(workers)
    job = client.create(export)
    client.wait(job, poll_seconds=0.05)
    times = job_times(state, job.id)
    return Run(seconds=times.ran, peak_mb=peak_mb(workers), rows=times.rows, attempts=times.attempts)


def run_copy(copy: BareCopy, format_name: str, target: Path) -> Run:
    """Run the bare COPY in a process of its own."""
    specification = {
        "macros": copy.macros,
        "sql": copy.query.sql,
        "values": {name: _portable(value) for name, value in copy.query.values.items()},
        "views": [{"table": view.table, "files": view.files, "columns": view.columns} for view in copy.views],
        "threads": copy.threads,
        "memory_mb": copy.memory_mb,
        "format": format_name,
        "target": str(target),
    }
    script = str(Path(__file__).with_name("bench_copy.py"))
    try:
        done = subprocess.run(
            [sys.executable, script], input=json.dumps(specification), stdout=subprocess.PIPE, text=True, check=True
        )
    finally:
        target.unlink(missing_ok=True)
    result: Mapping[str, Any] = json.loads(done.stdout)
    return Run(seconds=result["seconds"], peak_mb=result["peak_mb"], rows=result["rows"])


def _portable(value: object) -> object:
    """Return a bound value as JSON can carry it."""
    return {"instant": value.isoformat()} if isinstance(value, datetime) else value


def _measurements(format_name: str, jobs: Sequence[Run], copies: Sequence[Run]) -> list[Measurement]:
    seconds, copy_seconds = (statistics.median(run.seconds for run in runs) for runs in (jobs, copies))
    memory, copy_memory = (max(run.peak_mb for run in runs) for runs in (jobs, copies))
    repeated = sum(run.attempts - 1 for run in jobs)
    retries = f"; {repeated} attempts failed and were repeated" if repeated else ""
    name = f"export {format_name}, {jobs[0].rows:,} rows"
    return [
        Measurement(
            name=f"{name}: time",
            measured=f"{seconds:.2f} s, median of {len(jobs)} jobs{retries}",
            against=f"bare COPY {copy_seconds:.2f} s",
            value=seconds / copy_seconds,
            unit=" ×",
            budget=TIME_BUDGET[format_name],
        ),
        Measurement(
            name=f"{name}: memory",
            measured=f"{memory:,.0f} MB, highest peak of the worker",
            against=f"bare COPY {copy_memory:,.0f} MB",
            value=memory,
            unit=" MB",
            budget=MEMORY_BUDGET_MB,
        ),
    ]
