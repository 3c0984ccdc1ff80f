"""Run the exports of one lake with one memory in a process of its own, for ``bench_sweep.py``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from offtake.app import build_services
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.auth.caller import Caller
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker, attempt, claim_next
from offtake.home import Home
from offtake.model.job import Job
from offtake.model.request import ExportRequest, ReportParameters, Selection
from offtake.model.tenant import Principal, Scope
from offtake.model.timespan import Timespan
from offtake.settings import load_settings
from offtake.store import job_queries
from offtake.wire.khoros.tables import FORMATS as KHOROS_FORMATS
from offtake.wire.loop.tables import FORMATS as LOOP_FORMATS
from process_memory import peak_mb, reset_peaks

# The formats that the dialects of reports with partitions offer.
_FORMATS = {"khoros": tuple(KHOROS_FORMATS.values()), "loop": tuple(LOOP_FORMATS.values())}


def main() -> None:
    """Read the specification, run every export, and print the results."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    home = Home(Path(wanted["home"]))
    on = build_services(home, load_settings(home.settings))
    end = datetime.fromisoformat(wanted["end"])
    principal = Principal(tenant=wanted["tenant"], credential="bench", scopes=frozenset(Scope))
    by = Caller(principal=principal, address="127.0.0.1")
    try:
        found = [_run(name, request, by, on) for name, request in _requests(on, end, wanted["formats"])]
    finally:
        on.database.close()
    json.dump(found, sys.stdout)


def _requests(on: Services, end: datetime, formats: Sequence[str]) -> Iterator[tuple[str, ExportRequest]]:
    """Yield a name and a request for each report with partitions, by dialect, format and selection."""
    timespan = Timespan(start=end - timedelta(days=31), end=end, zone="UTC")
    for report in on.catalogue.reports.values():
        if report.partition_by is None:
            continue
        dialect = next(dialect for dialect, name in on.catalogue.publications if name == report.name)
        selections = Selection if "selection" in report.parameters else (Selection.OPEN_AT_END,)
        for format_name in (name for name in formats if name in _FORMATS[dialect]):
            for selection in selections:
                request = ExportRequest(
                    dialect=dialect,
                    report=report.name,
                    format=format_name,
                    timespan=timespan,
                    name="sweep",
                    parameters=ReportParameters(selection=selection),
                )
                yield " ".join((report.name, *(selection,) * (len(selections) > 1), format_name)), request


def _run(name: str, request: ExportRequest, by: Caller, on: Services) -> dict[str, Any]:
    """Run all attempts of one export. Its file is removed afterwards."""
    job: Job | None = create_export(request, by, on)
    assert job is not None
    reset_peaks(["self"])
    began, reductions = time.perf_counter(), 0
    while (lease := claim_next(on, Worker(name="sweep"))) is not None:
        with structlog.testing.capture_logs() as events:
            attempt(lease, on, Shutdown(timedelta(0)), Cancellation())
        reductions += sum(event["event"] == "attempt_reduced" for event in events)
    seconds = time.perf_counter() - began
    with on.database.read() as connection:
        job = job_queries.get(connection, job.id)
    assert job is not None
    if job.artifact:
        on.artifacts.remove(job.artifact.key)
    return {
        "name": name,
        "code": job.failure.code if job.failure else None,
        "rows": job.artifact.rows if job.artifact else 0,
        "reductions": reductions,
        "seconds": seconds,
        "peak_mb": peak_mb(["self"]),
    }


if __name__ == "__main__":
    main()
