"""Cancel an export."""

from __future__ import annotations

from offtake.core import dispatch
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.counters import jobs_ended
from offtake.core.exports.read import JobRef, own_job
from offtake.core.services import Services
from offtake.errors import JobStateConflict
from offtake.model.job import Job, Status
from offtake.model.tenant import Scope
from offtake.store import audit, counters, jobs, outbox


def cancel_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """Cancel an open job. It stops counting towards the quota at once; the heartbeat interrupts a running attempt.

    Raises NotPermitted, JobNotFound, or JobStateConflict if the job has ended.
    """
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        now = on.now(connection)
        job = own_job(connection, ref, by)
        audit.record(connection, audit_entry("job.cancel", by, dialect=ref.dialect, job=job.id), now=now)
        cancelled = jobs.cancel(connection, job.id, tenant=job.tenant, now=now)
        if cancelled is None:
            raise JobStateConflict("The {noun} has ended already.")
        dispatch.enqueue(connection, cancelled, outbox.MessageKind.CANCEL, on, now=now)
        counters.add(connection, jobs_ended({ref.dialect: 1}, Status.CANCELLED))
        return cancelled
