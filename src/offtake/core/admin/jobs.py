"""What an operator does to jobs, whoever's they are: look, cancel, try again, hold.

Each deed is in the audit log of the job's tenant under the login of whoever sits at the command line.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from offtake.core import dispatch
from offtake.core.counters import jobs_ended
from offtake.core.services import Services
from offtake.errors import JobStateConflict, QuotaExceeded, UnknownName
from offtake.model.audit import AuditEntry
from offtake.model.job import Job, JobFilter, Status
from offtake.store import audit, counters, jobs, outbox

_QUOTA_RETRY_AFTER = 5


def list_jobs(wanted: JobFilter, on: Services, *, limit: int) -> Sequence[Job]:
    """The newest jobs meant, as they are stored."""
    with on.database.read() as connection:
        return jobs.newest(connection, wanted, limit=limit)


def get(job_id: str, on: Services) -> Job:
    """The job of that id. Raises UnknownName."""
    with on.database.read() as connection:
        return _known(connection, job_id)


def cancel(job_id: str, operator: str, on: Services) -> Job:
    """End a job that has not ended; its attempt is interrupted. Raises UnknownName, JobStateConflict."""
    with on.database.write() as connection:
        job = _known(connection, job_id)
        now = on.now(connection)
        cancelled = jobs.cancel(connection, job.id, tenant=job.tenant, now=now)
        if cancelled is None:
            raise JobStateConflict(f"The job is {job.status}; only one that has not ended can be cancelled.")
        _record(connection, "job.cancel", job, operator, on)
        dispatch.enqueue(connection, cancelled, outbox.MessageKind.CANCEL, on, now=now)
        counters.add(connection, jobs_ended({job.request.dialect: 1}, Status.CANCELLED))
        return cancelled


def retry(job_id: str, operator: str, on: Services) -> Job:
    """Put a failed job back into the queue, with all its attempts before it again.

    It counts towards the quota as a new one would. Raises UnknownName, JobStateConflict, QuotaExceeded.
    """
    with on.database.write() as connection:
        job = _known(connection, job_id)
        dialect = job.request.dialect
        if job.status is not Status.FAILED:
            raise JobStateConflict(f"The job is {job.status}; only one that has failed can be tried again.")
        jobs.lock_tenant(connection, job.tenant)
        allowed = on.limits[dialect].of(job.tenant).open_jobs
        if jobs.count_open(connection, tenant=job.tenant, dialect=dialect) >= allowed:
            message = f"The account already has {allowed} exports that have not ended."
            raise QuotaExceeded(message, retry_after=_QUOTA_RETRY_AFTER)
        now = on.now(connection)
        queued = jobs.reset_failed(connection, job.id, now=now)
        if queued is None:
            raise JobStateConflict("The job was deleted or tried again by somebody else at this moment.")
        _record(connection, "job.retry", job, operator, on)
        dispatch.enqueue(connection, queued, outbox.MessageKind.START, on, now=now)
        return queued


def hold(job_id: str, operator: str, on: Services) -> Job:
    """Keep the file of a job, made already or not, until the hold is released. Holding it again changes nothing.

    A file whose retention is over may be on its way out already, so it is too late for it. Raises UnknownName,
    JobStateConflict.
    """
    with on.database.write() as connection:
        jobs.lock(connection, job_id)  # the clock is read after whoever ends its retention at this moment
        job = _known(connection, job_id)
        held = jobs.hold(connection, job.id, now=on.now(connection))
        if held is None:
            raise JobStateConflict("The job has no file to keep: it failed, was cancelled, or its file's time is over.")
        _record(connection, "job.hold", job, operator, on)
        return held


def release(job_id: str, operator: str, on: Services) -> Job:
    """End the hold: retention and deletion go on as if it had never been. Raises UnknownName, JobStateConflict."""
    with on.database.write() as connection:
        job = _known(connection, job_id)
        released = jobs.release(connection, job.id)
        if released is None:
            raise JobStateConflict("The job is not held.")
        _record(connection, "job.release", job, operator, on)
        return released


def _known(connection: Connection, job_id: str) -> Job:
    job = jobs.get(connection, job_id)
    if job is None:
        raise UnknownName("There is no such job; see: offtake jobs list")
    return job


def _record(connection: Connection, operation: str, job: Job, operator: str, on: Services) -> None:
    entry = AuditEntry(
        operation=operation, dialect="operator", tenant=job.tenant, principal=None, job=job.id, actor=operator
    )
    audit.record(connection, entry, now=on.clock())
