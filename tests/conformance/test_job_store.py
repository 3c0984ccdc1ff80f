"""The job table: moves, fences, CHECK constraints and concurrent claims."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from offtake.model.artifact import Artifact
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import LEASED, MOVES, Failure, Job, Lease, Phase, Progress, Status
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Selection
from offtake.model.tenant import Tenant
from offtake.store import identity, job_claims, job_queries, jobs
from offtake.store.database import Database
from offtake.store.schema import job as table
from tests.fixtures.exports import EXPORT, NOON, queued

LATER = NOON + timedelta(seconds=15)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PROGRESS = Progress(phase=Phase.WRITING, rows=7)
FILE = Artifact(key="files/acme/x", rows=3, bytes=99, sha256="0" * 64)
FAILURE = Failure(code="query_failed", message="The report's query failed.")


@pytest.fixture
def acme(database: Database) -> Database:
    """A database with one tenant."""
    with database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    return database


def added(database: Database, **changes: Any) -> Job:
    job = queued(**changes)
    with database.write() as connection:
        jobs.add(connection, job)
    return job


def claimed(database: Database, worker: str = "w1") -> Lease:
    with database.write() as connection:
        lease = job_claims.claim(connection, worker=worker, now=NOON, until=LATER)
    assert lease is not None
    return lease


def read(database: Database, job_id: str) -> Job:
    with database.read() as connection:
        found = job_queries.get(connection, job_id)
    assert found is not None
    return found


def test_a_job_comes_back_as_it_was_added(acme: Database) -> None:
    job = added(acme)
    assert read(acme, job.id) == job


def test_a_job_is_found_by_its_reference(acme: Database) -> None:
    job = replace(queued(), reference="workflow/23+/=")
    with acme.write() as connection:
        jobs.add(connection, job)
    with acme.read() as connection:
        assert job_queries.get_by_reference(connection, "workflow/23+/=", tenant="acme") == job
        assert job_queries.get_by_reference(connection, "workflow/23+/=", tenant="other") is None
        assert job_queries.get_by_reference(connection, "WORKFLOW/23+/=", tenant="acme") is None
    with pytest.raises(IntegrityError), acme.write() as connection:
        jobs.add(connection, replace(queued(), reference=job.reference))
    assert added(acme).reference is None  # several jobs may have no reference


def test_the_oldest_due_job_is_claimed_first_and_only_once(acme: Database) -> None:
    young = added(acme, created_at=NOON - timedelta(seconds=1))
    old = added(acme, created_at=NOON - timedelta(seconds=2))
    added(acme, created_at=NOON + timedelta(microseconds=1))  # not due yet
    assert [claimed(acme).job.id, claimed(acme).job.id] == [old.id, young.id]
    with acme.write() as connection:
        assert job_claims.claim(connection, worker="w1", now=NOON, until=LATER) is None


def test_a_lease_carries_the_fence_and_the_attempt(acme: Database) -> None:
    added(acme)
    first = claimed(acme)
    assert (first.fence, first.job.attempts, first.job.status) == (1, 1, Status.RUNNING)
    with acme.write() as connection:
        assert jobs.schedule_retry(connection, first, not_before=NOON)
    second = claimed(acme)
    assert (second.fence, second.job.attempts) == (2, 2)


def test_eight_concurrent_workers_claim_fifty_jobs_once_each(acme: Database) -> None:
    expected = {added(acme).id for _ in range(50)}
    taken: list[str] = []
    lock = threading.Lock()

    def race(name: str) -> None:
        while True:
            with acme.write() as connection:
                lease = job_claims.claim(connection, worker=name, now=NOON, until=LATER)
            if lease is None:
                return
            with lock:
                taken.append(lease.job.id)

    threads = [threading.Thread(target=race, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50
    assert set(taken) == expected


FENCED: dict[str, Callable[[Connection, Lease], bool]] = {
    "renew": lambda connection, lease: jobs.renew(connection, lease, until=LATER, progress=PROGRESS),
    "holds": job_queries.holds,
    "upload": jobs.upload,
    "fail": lambda connection, lease: jobs.fail(connection, lease, FAILURE, now=NOON),
    "retry": lambda connection, lease: jobs.schedule_retry(connection, lease, not_before=NOON),
    "requeue": lambda connection, lease: jobs.requeue(connection, lease, now=NOON),
}


@pytest.mark.parametrize("name", FENCED)
def test_an_old_fence_moves_nothing(acme: Database, name: str) -> None:
    added(acme)
    old = claimed(acme)
    with acme.write() as connection:
        jobs.schedule_retry(connection, old, not_before=NOON)
    new = claimed(acme, "w2")
    with acme.write() as connection:
        assert FENCED[name](connection, old) is False
    assert read(acme, new.job.id) == new.job
    with acme.write() as connection:
        assert FENCED[name](connection, new) is True


def test_only_the_newest_fence_publishes(acme: Database) -> None:
    added(acme)
    old = claimed(acme)
    with acme.write() as connection:
        assert jobs.upload(connection, old)
        jobs.schedule_retry(connection, old, not_before=NOON)
    new = claimed(acme, "w2")
    with acme.write() as connection:
        assert not jobs.succeed(connection, old, FILE, now=NOON, expires_at=LATER)
        assert not jobs.succeed(connection, new, FILE, now=NOON, expires_at=LATER)  # not uploading yet
        assert jobs.upload(connection, new)
        assert jobs.succeed(connection, new, FILE, now=NOON, expires_at=LATER)
        assert not jobs.succeed(connection, new, FILE, now=NOON, expires_at=LATER)
    done = read(acme, new.job.id)
    assert (done.status, done.artifact, done.finished_at, done.expires_at) == (Status.SUCCEEDED, FILE, NOON, LATER)


def test_a_requeued_attempt_does_not_count(acme: Database) -> None:
    job = added(acme)
    with acme.write() as connection:
        assert jobs.requeue(connection, claimed_in(connection), now=NOON)
    assert (read(acme, job.id).attempts, read(acme, job.id).fence) == (0, 1)


def claimed_in(connection: Connection) -> Lease:
    lease = job_claims.claim(connection, worker="w1", now=NOON, until=LATER)
    assert lease is not None
    return lease


def test_a_cancel_by_the_jobs_tenant_takes_the_lease_away(acme: Database) -> None:
    job = added(acme)
    lease = claimed(acme)
    with acme.write() as connection:
        assert jobs.cancel(connection, job.id, tenant="other", now=NOON) is None
        assert job_queries.holds(connection, lease)
        assert jobs.cancel(connection, job.id, tenant="acme", now=NOON) is not None
        assert not job_queries.holds(connection, lease)


def test_expired_leases_and_leases_of_a_dead_worker_are_found(acme: Database) -> None:
    added(acme)
    lease = claimed(acme)
    with acme.read() as connection:
        assert job_queries.expired_leases(connection, now=LATER, horizon=HOUR) == []
        (over,) = job_queries.expired_leases(connection, now=LATER + SECOND, horizon=HOUR)
        assert over.job.id == lease.job.id
        assert [item.fence for item in job_queries.expired_leases(connection, now=NOON, horizon=HOUR, worker="w1")] == [
            1
        ]
        assert job_queries.expired_leases(connection, now=NOON, horizon=HOUR, worker="w2") == []


def test_leases_and_delays_beyond_the_horizon_are_ended(acme: Database) -> None:
    added(acme)
    lease = claimed(acme)
    waiting = added(acme)
    with acme.write() as connection:
        before = LATER - HOUR
        assert job_queries.expired_leases(connection, now=before, horizon=HOUR) == []
        (found,) = job_queries.expired_leases(connection, now=before - SECOND, horizon=HOUR)
        assert found.job.id == lease.job.id
        assert jobs.make_due(connection, now=NOON - HOUR, horizon=HOUR) == 0
        assert jobs.make_due(connection, now=NOON - HOUR - SECOND, horizon=HOUR) == 1
    assert read(acme, waiting.id).not_before == NOON - HOUR - SECOND
    assert read(acme, lease.job.id).not_before == lease.job.not_before


def test_open_jobs_are_counted_per_tenant_and_dialect(acme: Database) -> None:
    added(acme)
    ended = added(acme)
    with acme.write() as connection:
        jobs.cancel(connection, ended.id, tenant="acme", now=NOON)
        assert job_queries.count_open(connection, tenant="acme", dialect="talkdesk") == 1
        assert job_queries.count_open(connection, tenant="acme", dialect="loop") == 0
        assert job_queries.count_open(connection, tenant="other", dialect="talkdesk") == 0


def test_expiry_removes_the_artifact_from_the_job(acme: Database) -> None:
    added(acme)
    lease = claimed(acme)
    with acme.write() as connection:
        jobs.upload(connection, lease)
        jobs.succeed(connection, lease, FILE, now=NOON, expires_at=LATER)
        assert job_queries.expired(connection, now=NOON) == []
        assert [job.id for job in job_queries.expired(connection, now=LATER)] == [lease.job.id]
        assert jobs.expire(connection, lease.job.id)
        assert not jobs.expire(connection, lease.job.id)
    found = read(acme, lease.job.id)
    assert (found.status, found.artifact) == (Status.EXPIRED, None)


def consistent(status: Status) -> dict[str, Any]:
    """Return the columns of a consistent row in that state."""
    leased, ended = status in LEASED, status not in {Status.QUEUED, *LEASED}
    return {
        "status": status,
        "lease_worker": "w1" if leased else None,
        "lease_until": LATER if leased else None,
        "finished_at": NOON if ended else None,
        "artifact_key": "k" if status is Status.SUCCEEDED else None,
        "rows": 1 if status is Status.SUCCEEDED else None,
        "bytes": 1 if status is Status.SUCCEEDED else None,
        "sha256": "0" * 64 if status is Status.SUCCEEDED else None,
        "failure_code": "c" if status is Status.FAILED else None,
        "failure_message": "m" if status is Status.FAILED else None,
    }


@pytest.mark.parametrize("status", list(Status))
def test_a_consistent_row_of_every_state_is_accepted(acme: Database, status: Status) -> None:
    job = added(acme)
    with acme.write() as connection:
        connection.execute(update(table).where(table.c.id == job.id).values(**consistent(status)))
    assert read(acme, job.id).status is status


INCONSISTENT: list[tuple[Status, dict[str, Any]]] = [
    (Status.QUEUED, {"finished_at": NOON}),
    (Status.QUEUED, {"lease_worker": "w1", "lease_until": LATER}),
    (Status.QUEUED, {"attempts": -1}),
    (Status.QUEUED, {"attempts": 2, "fence": 1}),
    (Status.RUNNING, {"lease_until": None}),
    (Status.RUNNING, {"lease_worker": None}),
    (Status.RUNNING, {"artifact_key": "k", "rows": 1, "bytes": 1, "sha256": "0"}),
    (Status.UPLOADING, {"finished_at": NOON}),
    (Status.SUCCEEDED, {"artifact_key": None}),
    (Status.SUCCEEDED, {"rows": None}),
    (Status.SUCCEEDED, {"sha256": None}),
    (Status.SUCCEEDED, {"finished_at": None}),
    (Status.SUCCEEDED, {"failure_code": "c", "failure_message": "m"}),
    (Status.FAILED, {"failure_code": None, "failure_message": None}),
    (Status.FAILED, {"failure_message": None}),
    (Status.FAILED, {"artifact_key": "k", "rows": 1, "bytes": 1, "sha256": "0"}),
    (Status.EXPIRED, {"artifact_key": "k", "rows": 1, "bytes": 1, "sha256": "0"}),
    (Status.CANCELLED, {"lease_worker": "w1", "lease_until": LATER}),
]


@pytest.mark.parametrize(("status", "changes"), INCONSISTENT)
def test_the_database_refuses_an_inconsistent_row(acme: Database, status: Status, changes: dict[str, Any]) -> None:
    job = added(acme)
    values = {**consistent(status), **changes}
    with pytest.raises(IntegrityError), acme.write() as connection:
        connection.execute(update(table).where(table.c.id == job.id).values(**values))


def test_an_unknown_state_is_refused(acme: Database) -> None:
    values = {column.name: None for column in table.c} | {
        "id": "x",
        "tenant": "acme",
        "principal": "p",
        "dialect": "talkdesk",
        "report": "calls",
        "format": "csv",
        "request": {},
        "status": "pending",
        "fence": 0,
        "attempts": 0,
        "created_at": NOON,
        "not_before": NOON,
    }
    with pytest.raises(IntegrityError), acme.write() as connection:
        connection.execute(insert(table).values(**values))


MOVERS: dict[Status, Callable[[Connection, Lease], bool]] = {
    Status.RUNNING: lambda c, lease: job_claims.claim(c, worker="w1", now=NOON, until=LATER) is not None,
    Status.UPLOADING: jobs.upload,
    Status.SUCCEEDED: lambda c, lease: jobs.succeed(c, lease, FILE, now=NOON, expires_at=LATER),
    Status.FAILED: lambda c, lease: jobs.fail(c, lease, FAILURE, now=NOON),
    Status.QUEUED: lambda c, lease: (
        jobs.schedule_retry(c, lease, not_before=NOON) or jobs.reset_failed(c, lease.job.id, now=NOON) is not None
    ),
    Status.CANCELLED: lambda c, lease: jobs.cancel(c, lease.job.id, tenant="acme", now=NOON) is not None,
    Status.EXPIRED: lambda c, lease: jobs.expire(c, lease.job.id),
    Status.DELETED: lambda c, lease: jobs.delete(c, lease.job.id),
}
# Moves that MOVES allows but no statement makes.
NOT_MADE = {(Status.QUEUED, Status.FAILED)}


@pytest.mark.parametrize("target", MOVERS)
@pytest.mark.parametrize("source", list(Status))
def test_statements_make_exactly_the_moves_of_the_state_machine(acme: Database, source: Status, target: Status) -> None:
    job = added(acme)
    values = {**consistent(source), "fence": 1, "attempts": 1}
    with acme.write() as connection:
        connection.execute(update(table).where(table.c.id == job.id).values(**values))
    lease = Lease(job=read(acme, job.id), fence=1, worker="w1", until=LATER)
    allowed = target in MOVES[source] and (source, target) not in NOT_MADE
    with acme.write() as connection:
        assert MOVERS[target](connection, lease) is allowed
    assert read(acme, job.id).status is (target if allowed else source)


def test_a_job_references_its_artifact_and_the_files_of_its_running_attempt(acme: Database) -> None:
    job = added(acme)
    lease = claimed(acme)
    with acme.write() as connection:
        assert job_queries.referenced_keys(connection, [(job.id, 1, "staging/any")]) == {"staging/any"}
        assert not job_queries.referenced_keys(connection, [(job.id, 0, "staging/any")])
        jobs.upload(connection, lease)
        jobs.succeed(connection, lease, FILE, now=NOON, expires_at=LATER)
        assert job_queries.referenced_keys(connection, [(job.id, 1, FILE.key)]) == {FILE.key}
        assert not job_queries.referenced_keys(connection, [(job.id, 1, "staging/any")])
        assert not job_queries.referenced_keys(connection, [("unknown", 1, FILE.key)])


FILTERED = replace(
    EXPORT,
    columns=("b", "a"),
    filters=(
        ColumnFilter(column="a", operator=FilterOperator.EQ, values=("é",)),
        ColumnFilter(column="b", operator=FilterOperator.IN, values=(2.5, 1.0)),
        ColumnFilter(column="c", operator=FilterOperator.RANGE, values=(NOON, None)),
        ColumnFilter(column="d", operator=FilterOperator.RANGE, values=(None, NOON.date())),
        ColumnFilter(column="e", operator=FilterOperator.IS_NULL, values=(False,)),
    ),
    order=("a", "-b"),
    parameters=ReportParameters(
        agent_ids=("1", "2"),
        tag_ids=(),
        customer_emails=("ann@example.org",),
        smart_view_id="17",
        business_hours=BusinessHours.OUTSIDE,
        include_disabled=True,
        selection=Selection.CLOSED,
        interval_milliseconds=900_000,
        actions_cap=2_000,
    ),
)


@pytest.mark.parametrize("request_", [EXPORT, FILTERED])
def test_a_stored_request_is_read_back_unchanged(acme: Database, request_: ExportRequest) -> None:
    job = replace(queued(), request=request_)
    with acme.write() as connection:
        jobs.add(connection, job)
    assert read(acme, job.id).request == request_
