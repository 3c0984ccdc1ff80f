"""Lost and multiplied rows fail the attempt, and the manifest says what was reconciled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.attempt import run
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.exports.create import create_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.plan import plan
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker, attempt, claim_next
from offtake.home import Home
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Job, Status
from offtake.model.manifest import Reconciliation
from offtake.model.query import Query
from offtake.model.report import Report
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Split
from offtake.model.tenant import Tenant
from offtake.settings import Settings
from offtake.store import job_queries
from offtake.store.migrate import migrate
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, caller

CALLS = replace(EXPORT, format="json")
POSTS = replace(CALLS, dialect="khoros", report="incoming_post")
AT = "2026-03-01T10:00:00Z"


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Services]:
    """Services with three calls and two posts. A job has two attempts, without a delay between them."""
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())
    migrate(services.database)
    identity.add_tenant(Tenant(name="acme"), services)
    post = {"conversation_id": "c", "kind": "incoming", "happened_at": AT, "author_id": "a"}
    rows: dict[str, list[dict[str, Any]]] = {
        "call": [call(call_id, AT) for call_id in "abc"],
        "post": [{**post, "post_id": post_id} for post_id in "pq"],
    }
    for table, lines in rows.items():
        file = tmp_path / f"{table}.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        load(services.lake, tables()[table], [file], tenant="acme")
    yield replace(services, attempt=replace(services.attempt, attempts=2, retry_delay=timedelta(0)))
    services.database.close()


def _attempt(on: Services) -> Job:
    """Run one attempt of the only job that waits, as a worker does; return the job afterwards."""
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    attempt(lease, on, Shutdown(timedelta(0)), Cancellation())
    with on.database.read() as connection:
        found = job_queries.get(connection, lease.job.id)
    assert found is not None
    return found


def _reconciled(on: Services, request: ExportRequest) -> tuple[Reconciliation, ...]:
    create_export(request, caller(), on)
    job = _attempt(on)
    assert job.status is Status.SUCCEEDED
    return read_manifest(JobRef(id=job.id, dialect=job.request.dialect), caller(), on)[1].reconciled


class _WriterLosesRows(Session):
    """An engine whose writer loses rows and reports the number that it wrote."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write two rows of the partition."""
        lossy = replace(query, sql=f"SELECT * FROM (\n{query.sql}\n) LIMIT 2")
        return super().copy(lossy, path, options=options, as_json=as_json, partition=partition)


def _faulty_plan(was: str, now: str, report: Report, *args: Any, **options: Any) -> Query:
    assert was in report.sql
    return plan(replace(report, sql=report.sql.replace(was, now)), *args, **options)


FAULTS = {
    "the writer loses rows": ("Session", _WriterLosesRows),
    "a join loses the rows without a partner": ("plan", partial(_faulty_plan, "LEFT JOIN team", "INNER JOIN team")),
    "a join multiplies rows": ("plan", partial(_faulty_plan, "FROM call\nLEFT", "FROM call CROSS JOIN range(2)\nLEFT")),
}


@pytest.mark.parametrize(("name", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_engine_fails_the_attempt_and_publishes_nothing(
    on: Services, monkeypatch: pytest.MonkeyPatch, name: str, fault: object
) -> None:
    create_export(CALLS, caller(), on)
    with monkeypatch.context() as planted:
        planted.setattr(run, name, fault)
        job = _attempt(on)
    assert (job.status, job.attempts, job.artifact) == (Status.QUEUED, 1, None)  # another attempt may be right
    assert list(on.artifacts.found()) == []
    job = _attempt(on)
    assert job.artifact is not None
    assert (job.status, job.artifact.rows) == (Status.SUCCEEDED, 3)


def test_an_export_whose_rows_differ_in_every_attempt_fails_with_its_own_code(
    on: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Session", _WriterLosesRows)
    create_export(CALLS, caller(), on)
    _attempt(on)
    job = _attempt(on)
    assert job.failure is not None
    assert (job.status, job.failure.code) == (Status.FAILED, "rows_not_reconciled")
    assert job.failure.message.startswith(
        "The files have 2 rows, but the lake has 3 (calls that ended in the timespan)"
    )
    assert list(on.artifacts.found()) == []


def test_the_manifest_says_what_was_reconciled(on: Services) -> None:
    what = "posts that were received in the timespan"
    reconciled = (Reconciliation(what=what, expected=2, written=2),)
    assert _reconciled(on, POSTS) == reconciled
    # A filter of posts, which the count applies, and one that the report does not have.
    for parameters in (ReportParameters(business_hours=BusinessHours.INSIDE), ReportParameters(team_ids=("7",))):
        assert _reconciled(on, replace(POSTS, parameters=parameters)) == reconciled
    split = replace(POSTS, dialect="native", split=Split(rows=1))
    assert _reconciled(on, split) == reconciled  # both files together
    on_column = ColumnFilter(column="post_id", operator=FilterOperator.EQ, values=("p",))
    assert _reconciled(on, replace(POSTS, dialect="native", filters=(on_column,))) == ()
    # Filters of conversations, which are joined.
    for parameters in (ReportParameters(priorities=("3",)), ReportParameters(smart_view_id="v")):
        assert _reconciled(on, replace(POSTS, parameters=parameters)) == ()
