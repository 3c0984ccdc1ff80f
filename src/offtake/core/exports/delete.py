"""Delete the artifact of an export that has ended."""

from __future__ import annotations

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports.read import JobRef, own_job
from offtake.core.services import Services
from offtake.errors import ArtifactGone, AttemptError, JobOnHold, JobStateConflict, Unavailable
from offtake.model.job import OPEN, Status
from offtake.model.tenant import Scope
from offtake.store import audit, jobs

_STORAGE_RETRY_AFTER = 30  # seconds; an artifact store that refuses to delete may need an operator


def delete_export(ref: JobRef, by: Caller, on: Services) -> None:
    """Delete the artifact of a job that has ended; the job's record stays, as deleted.

    Recorded first, then the file goes, then the state changes. Who dies in between has already ended the artifact's
    retention, so no link to it is given any more and upkeep does the rest. Raises JobNotFound, ArtifactGone when it
    was deleted or has expired before, JobStateConflict while the job is open, JobOnHold while the operator keeps it.
    """
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        now = on.now(connection)
        job = own_job(connection, ref, by)  # as stored: a deletion that failed may be tried again
        if job.status in OPEN:
            raise JobStateConflict("The job has not ended; cancel it, or wait for its end.")
        if job.status in (Status.EXPIRED, Status.DELETED):
            raise ArtifactGone("The file was deleted before, or its time was over.")
        audit.record(connection, audit_entry("artifact.delete", by, dialect=ref.dialect, job=job.id), now=now)
        if job.artifact is None:
            if not jobs.delete(connection, job.id):
                raise JobStateConflict("The job has been put back into the queue.")
            return
        if not jobs.retire(connection, job.id, now=now):
            if own_job(connection, ref, by).held_at is None:
                raise ArtifactGone("The file was deleted before, or its time was over.")
            raise JobOnHold("The file must be kept at present; it cannot be deleted.")
    try:
        on.artifacts.remove(job.artifact.key)
    except AttemptError as error:
        message = "The file cannot be deleted at the moment; nobody gets it any more."
        raise Unavailable(message, retry_after=_STORAGE_RETRY_AFTER) from error
    with on.database.write() as connection:
        jobs.delete(connection, job.id)
