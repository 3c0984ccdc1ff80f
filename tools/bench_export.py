"""How long an export's attempt takes, and how much memory its worker, against a bare DuckDB COPY of the same SQL."""

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

from bench_figure import Figure
from export_client import ExportClient, Order
from offtake.model.query import Query
from offtake.model.view import TableView
from process_memory import forget_peaks, peak_mb

TIME_BUDGET = {"csv": 1.15, "json": 1.2, "json_bulk": 1.2}
MEMORY_BUDGET_MB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, ours or the bare one."""

    seconds: float
    peak_mb: float
    rows: int
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """What the yardstick needs: the same SQL, words of the catalogue, files and limits as the attempt."""

    query: Query
    words: str
    views: Sequence[TableView]
    threads: int
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """What the job's row says of its latest attempt."""

    waited: float
    ran: float
    rows: int
    attempts: int


def measure(client: ExportClient, server_pid: int, state: Path, *, order: Order, bare: Bare, runs: int) -> list[Figure]:
    """Ours and the bare COPY in turn, ``runs`` times each; medians are compared."""
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(_bare_copy(bare, order.format, state.parent / f"bare.{order.format}"))
        ours.append(_job(client, server_pid, state, order))
    if {run.rows for run in ours} != {run.rows for run in theirs}:
        raise RuntimeError("the job and the bare COPY do not have the same number of rows")
    return _figures(order.format, ours, theirs)


def job_times(state: Path, job: str) -> JobTimes:
    """From the state database: instants are whole microseconds."""
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
        row = database.execute(
            "SELECT created_at, started_at, finished_at, rows, attempts FROM job WHERE id = ?", [job]
        ).fetchone()
    created, started, finished, rows, attempts = row
    waited, ran = (started - created) / 1e6, (finished - started) / 1e6
    return JobTimes(waited=waited, ran=ran, rows=rows or 0, attempts=attempts)


def _job(client: ExportClient, server_pid: int, state: Path, order: Order) -> Measured:
    workers = [child.pid for child in psutil.Process(server_pid).children(recursive=True)]
    forget_peaks(workers)
    job = client.create(order)
    client.wait(order.report, job, pause=0.05)
    times = job_times(state, job)
    return Measured(seconds=times.ran, peak_mb=peak_mb(workers), rows=times.rows, attempts=times.attempts)


def _bare_copy(bare: Bare, format_name: str, target: Path) -> Measured:
    wanted = {
        "words": bare.words,
        "sql": bare.query.sql,
        "values": {name: _portable(value) for name, value in bare.query.values.items()},
        "views": [{"table": view.table, "files": view.files, "columns": view.columns} for view in bare.views],
        "threads": bare.threads,
        "memory_mb": bare.memory_mb,
        "format": format_name,
        "target": str(target),
    }
    script = str(Path(__file__).with_name("bench_copy.py"))
    try:
        done = subprocess.run(
            [sys.executable, script], input=json.dumps(wanted), stdout=subprocess.PIPE, text=True, check=True
        )
    finally:
        target.unlink(missing_ok=True)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return Measured(seconds=found["seconds"], peak_mb=found["peak_mb"], rows=found["rows"])


def _portable(value: object) -> object:
    return {"instant": value.isoformat()} if isinstance(value, datetime) else value


def _figures(format_name: str, ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[Figure]:
    seconds, bare = (statistics.median(run.seconds for run in runs) for runs in (ours, theirs))
    memory, bare_memory = (max(run.peak_mb for run in runs) for runs in (ours, theirs))
    repeated = sum(run.attempts - 1 for run in ours)
    also = f"; {repeated} attempts failed and were repeated" if repeated else ""
    what = f"export {format_name}, {ours[0].rows:,} rows"
    return [
        Figure(
            what=f"{what}: time",
            measured=f"{seconds:.2f} s, median of {len(ours)} jobs{also}",
            against=f"bare COPY {bare:.2f} s",
            value=seconds / bare,
            unit=" ×",
            budget=TIME_BUDGET[format_name],
        ),
        Figure(
            what=f"{what}: memory",
            measured=f"{memory:,.0f} MB, highest peak of the worker",
            against=f"bare COPY {bare_memory:,.0f} MB",
            value=memory,
            unit=" MB",
            budget=MEMORY_BUDGET_MB,
        ),
    ]
