"""Operations of the operator on jobs: cancel, retry, hold and release; expiry respects holds."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from offtake.core.admin import identity
from offtake.core.admin import jobs as admin_jobs
from offtake.core.attempt import outcome
from offtake.core.exports import download, retention
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.errors import (
    ArtifactNotFound,
    JobOnHold,
    JobStateConflict,
    QueryFailed,
    QuotaExceeded,
    UnknownName,
)
from offtake.executor.worker import Worker, claim_next
from offtake.model.job import Status
from offtake.model.tenant import Tenant
from offtake.store import job_queries, jobs
from tests.fixtures.exports import EXPORT, age_jobs, caller, published
from tests.fixtures.polling import wait_for

WORKER = Worker(name="w")


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def ref(job: str) -> JobRef:
    return JobRef(id=job, dialect="talkdesk")


def failed(on: Services) -> str:
    job = create_export(EXPORT, caller(), on)
    lease = claim_next(on, WORKER)
    assert lease is not None
    assert outcome.record_outcome(lease, QueryFailed("wrong"), None, on) == "failed"
    return job.id


def deeds(on: Services, job: str) -> list[tuple[str, str | None]]:
    """Return the audited operations of the operator on a job."""
    with on.database.read() as connection:
        statement = text("SELECT operation, actor FROM audit WHERE job = :job AND dialect = 'operator' ORDER BY id")
        return [(row.operation, row.actor) for row in connection.execute(statement, {"job": job})]


def test_a_retry_resets_a_failed_job(on: Services) -> None:
    job = failed(on)
    queued = admin_jobs.retry(job, "root", on)
    assert (queued.status, queued.attempts, queued.failure, queued.finished_at) == (Status.QUEUED, 0, None, None)
    lease = claim_next(on, WORKER)
    assert lease is not None
    assert (lease.job.id, lease.fence, lease.job.attempts) == (job, 2, 1)
    assert deeds(on, job) == [("job.retry", "root")]
    with pytest.raises(JobStateConflict, match="running"):
        admin_jobs.retry(job, "root", on)


def test_a_retry_counts_towards_the_quota(on: Services) -> None:
    job = failed(on)
    for _ in range(15):
        create_export(EXPORT, caller(), on)
    with pytest.raises(QuotaExceeded):
        admin_jobs.retry(job, "root", on)
    assert admin_jobs.get(job, on).status is Status.FAILED
    assert deeds(on, job) == []


def test_the_operator_cancels_open_jobs_only(on: Services) -> None:
    job = create_export(EXPORT, caller(), on).id
    lease = claim_next(on, WORKER)
    assert lease is not None
    assert admin_jobs.cancel(job, "root", on).status is Status.CANCELLED
    with on.database.read() as connection:
        assert not job_queries.holds(connection, lease)
    with pytest.raises(JobStateConflict, match="cancelled"):
        admin_jobs.cancel(job, "root", on)
    assert deeds(on, job) == [("job.cancel", "root")]


def test_a_held_file_outlives_retention_and_deletion_until_it_is_released(on: Services) -> None:
    job, path = published(on)
    assert admin_jobs.hold(job, "root", on).held_at is not None
    with pytest.raises(JobOnHold):
        delete_export(ref(job), caller(), on)
    assert download.mint(ref(job), caller(), on).job == job  # the refused deletion has not ended its retention
    age_jobs(on, timedelta(days=2))
    assert (retention.expire(on).done, retention.sweep(on).done) == (0, 0)
    with pytest.raises(JobOnHold):
        delete_export(ref(job), caller(), on)
    assert path.is_file()
    with pytest.raises(ArtifactNotFound):  # kept, but no client can download it
        download.mint(ref(job), caller(), on)
    assert admin_jobs.release(job, "root", on).held_at is None
    assert retention.expire(on).done == 1
    assert not path.exists()
    assert deeds(on, job) == [("job.hold", "root"), ("job.release", "root")]


def test_a_job_can_be_held_before_its_file_exists(on: Services) -> None:
    job = create_export(EXPORT, caller(), on).id
    first = admin_jobs.hold(job, "root", on)
    assert (first.status, admin_jobs.hold(job, "root", on).held_at) == (Status.QUEUED, first.held_at)


def test_a_file_whose_removal_may_have_begun_cannot_be_held(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    job, _ = published(on)
    unlink = Path.unlink

    def hold_meanwhile(path: Path, missing_ok: bool = False) -> None:
        with pytest.raises(JobStateConflict):
            admin_jobs.hold(job, "root", on)
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", hold_meanwhile)
        delete_export(ref(job), caller(), on)
    for late in (job, failed(on)):
        with pytest.raises(JobStateConflict):
            admin_jobs.hold(late, "root", on)
        with pytest.raises(JobStateConflict):
            admin_jobs.release(late, "root", on)


def test_a_file_held_after_it_was_listed_stays(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    job, path = published(on)
    admin_jobs.hold(job, "root", on)
    age_jobs(on, timedelta(days=2))
    held = admin_jobs.get(job, on)
    batches = iter([[held], []])  # listed just before the hold
    monkeypatch.setattr(retention, "expired_jobs", lambda on, **_: next(batches))
    assert retention.expire(on).done == 0
    assert path.is_file()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_hold_during_the_end_of_retention_is_refused(on: Services) -> None:
    """The hold waits for the concurrent end of retention and then sees it. SQLite serialises the two anyway."""
    job, _ = published(on)
    said: list[str] = []

    def hold() -> None:
        try:
            admin_jobs.hold(job, "root", on)
        except JobStateConflict:
            said.append("too late")

    holder = threading.Thread(target=hold)
    with on.database.write() as connection:
        jobs.lock(connection, job)
        holder.start()
        wait_for("the hold to wait", lambda: waits_for_a_lock(on))
        assert jobs.end_retention(connection, job, now=on.now(connection))
    holder.join()
    assert said == ["too late"]


def waits_for_a_lock(on: Services) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with on.database.read() as connection:
        return bool(connection.execute(text(statement)).scalar_one())


def test_an_unknown_job_raises_unknown_name(on: Services) -> None:
    for deed in (admin_jobs.cancel, admin_jobs.retry, admin_jobs.hold, admin_jobs.release):
        with pytest.raises(UnknownName):
            deed("0" * 36, "root", on)
