"""Operations of the operator on jobs of any tenant: list, get, cancel, retry, hold and release.

Each change is recorded in the audit log of the job's tenant under the operator's login name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from offtake.core import dispatch
from offtake.core.counters import jobs_ended
from offtake.core.exports.create import quota_exceeded
from offtake.core.services import Services
from offtake.errors import JobStateConflict, UnknownName
from offtake.model.audit import AuditEntry
from offtake.model.job import Job, JobFilter, Status
from offtake.store import audit, counters, job_queries, jobs, outbox


def list_jobs(condition: JobFilter, on: Services, *, limit: int) -> Sequence[Job]:
    """Return the newest jobs that match, as they are stored."""
    with on.database.read() as connection:
        return job_queries.newest(connection, condition, limit=limit)


def get(job_id: str, on: Services) -> Job:
    """Return the job with that id. Raises UnknownName."""
    with on.database.read() as connection:
        return _get(connection, job_id)


def cancel(job_id: str, operator: str, on: Services) -> Job:
    """Cancel an open job and interrupt its attempt. Raises UnknownName, JobStateConflict."""
    with on.database.write() as connection:
        job = _get(connection, job_id)
        now = on.now(connection)
        cancelled = jobs.cancel(connection, job.id, tenant=job.tenant, now=now)
        if cancelled is None:
            raise JobStateConflict(
                f"The job is {job.status}; only queued, running and uploading jobs can be cancelled."
            )
        _record(connection, "job.cancel", job, operator, on)
        dispatch.enqueue(connection, cancelled, outbox.MessageKind.CANCEL, on, now=now)
        counters.add(connection, jobs_ended({job.request.dialect: 1}, Status.CANCELLED))
        return cancelled


def retry(job_id: str, operator: str, on: Services) -> Job:
    """Return a failed job to the queue and reset its attempts.

    The job counts towards the quota as a new one does. Raises UnknownName, JobStateConflict, QuotaExceeded.
    """
    with on.database.write() as connection:
        job = _get(connection, job_id)
        dialect = job.request.dialect
        if job.status is not Status.FAILED:
            raise JobStateConflict(f"The job is {job.status}; only one that has failed can be tried again.")
        jobs.lock_tenant(connection, job.tenant)
        allowed = on.limits[dialect].of(job.tenant).open_jobs
        if job_queries.count_open(connection, tenant=job.tenant, dialect=dialect) >= allowed:
            raise quota_exceeded(allowed)
        now = on.now(connection)
        queued = jobs.reset_failed(connection, job.id, now=now)
        if queued is None:
            raise JobStateConflict("The job was deleted or retried by another request at the same time.")
        _record(connection, "job.retry", job, operator, on)
        dispatch.enqueue(connection, queued, outbox.MessageKind.START, on, now=now)
        return queued


def hold(job_id: str, operator: str, on: Services) -> Job:
    """Put a job on hold: its file, present or future, is kept until the hold is released. Idempotent.

    A file whose retention is over cannot be held, because its removal may have begun. Raises UnknownName,
    JobStateConflict.
    """
    with on.database.write() as connection:
        jobs.lock(connection, job_id)  # read the clock after a concurrent end of its retention
        job = _get(connection, job_id)
        held = jobs.hold(connection, job.id, now=on.now(connection))
        if held is None:
            raise JobStateConflict("The job has no file to keep: it failed, was cancelled, or its retention is over.")
        _record(connection, "job.hold", job, operator, on)
        return held


def release(job_id: str, operator: str, on: Services) -> Job:
    """Release a hold: retention and deletion apply to the file again. Raises UnknownName, JobStateConflict."""
    with on.database.write() as connection:
        job = _get(connection, job_id)
        released = jobs.release(connection, job.id)
        if released is None:
            raise JobStateConflict("The job is not held.")
        _record(connection, "job.release", job, operator, on)
        return released


def _get(connection: Connection, job_id: str) -> Job:
    job = job_queries.get(connection, job_id)
    if job is None:
        raise UnknownName("There is no such job; see: offtake jobs list")
    return job


def _record(connection: Connection, operation: str, job: Job, operator: str, on: Services) -> None:
    entry = AuditEntry(
        operation=operation, dialect="operator", tenant=job.tenant, principal=None, job=job.id, actor=operator
    )
    audit.record(connection, entry, now=on.clock())
