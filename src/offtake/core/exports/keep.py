"""Keep the files of an export longer than its retention, or hold them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports.read import JobRef, own_job
from offtake.core.services import Services
from offtake.errors import FieldFault, InvalidRequest, JobOnHold, JobStateConflict
from offtake.model.job import SHARED_TABLE, Job
from offtake.model.tenant import Scope
from offtake.store import audit, jobs

_NO_FILE = "The export has no file to keep: it has not ended, failed, was cancelled, or its retention is over."


def extend_retention(ref: JobRef, retention: timedelta, by: Caller, on: Services) -> Job:
    """Keep the files until ``retention`` after the end of the export. The caller has checked the operator's bound.

    Raises NotPermitted, JobNotFound, JobStateConflict if the export has no file, InvalidRequest if the files would be
    removed earlier than now.
    """

    def extend(connection: Connection, job: Job, now: datetime) -> Job | None:
        if job.finished_at is None or job.expires_at is None:
            return None
        expires_at = job.finished_at + retention
        if expires_at < job.expires_at and job.expires_at > now:
            fault = FieldFault(
                "days", "this retention is shorter than the present one; delete the files to remove them sooner"
            )
            raise InvalidRequest("The files are kept longer already.", [fault])
        return jobs.extend_retention(connection, job.id, now=now, expires_at=expires_at)

    return _keep(ref, by, on, "job.retain", extend)


def hold_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """Hold the export: retention and deletion do not remove its present or future files. Idempotent.

    Raises NotPermitted, JobNotFound, JobStateConflict if it has no files and will have none.
    """

    def hold(connection: Connection, job: Job, now: datetime) -> Job | None:
        return jobs.hold(connection, job.id, now=now, by=by.principal.credential)

    return _keep(ref, by, on, "job.hold", hold)


def release_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """Release the hold of a client of the account. Idempotent.

    Raises NotPermitted, JobNotFound, JobOnHold if the operator holds the export.
    """

    def release(connection: Connection, job: Job, now: datetime) -> Job | None:
        if job.held_at is None:
            return job
        if job.held_by is None:
            raise JobOnHold("The operator holds the export, so only the operator can release it.")
        if job.held_by == SHARED_TABLE:
            raise JobOnHold("The export is the newest version of a shared table, which holds it.")
        return jobs.release(connection, job.id)

    return _keep(ref, by, on, "job.release", release)


def _keep(
    ref: JobRef,
    by: Caller,
    on: Services,
    operation: str,
    change: Callable[[Connection, Job, datetime], Job | None],
) -> Job:
    """Change how long the job's files are kept, with an audit entry, in one transaction."""
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        jobs.lock(connection, own_job(connection, ref, by).id)  # read the clock after a concurrent end of its retention
        now = on.now(connection)
        job = own_job(connection, ref, by)
        audit.record(connection, audit_entry(operation, by, dialect=ref.dialect, job=job.id), now=now)
        changed = change(connection, job, now)
        if changed is None:
            raise JobStateConflict(_NO_FILE)
        return changed
