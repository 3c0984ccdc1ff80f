"""Delete the artifact of an export that has ended."""

from __future__ import annotations

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports.files import remove_files
from offtake.core.exports.read import JobRef, own_job
from offtake.core.services import Services
from offtake.errors import ArtifactGone, AttemptError, JobOnHold, JobStateConflict, Unavailable
from offtake.model.job import OPEN, SHARED_TABLE, Status
from offtake.model.tenant import Scope
from offtake.store import audit, jobs

_STORAGE_RETRY_SECONDS = 30  # an artifact store that refuses a deletion may need the operator
_REMEDIES = {  # by holder
    None: "the operator can release it",
    SHARED_TABLE: "it is the newest version of a shared table, which the operator can refresh or remove",
}


def delete_export(ref: JobRef, by: Caller, on: Services) -> None:
    """Delete the artifact of a job that has ended; the job's record stays with the state deleted.

    The first transaction records the deletion and ends the artifact's retention, so that it has no links any more.
    Then the file is removed, then the state changes. If the process dies in between, maintenance removes the file.
    Raises NotPermitted, JobNotFound, ArtifactGone if the file was deleted or has expired, JobStateConflict while the
    job is open, JobOnHold while it is held, Unavailable if the file cannot be removed.
    """
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        now = on.now(connection)
        job = own_job(connection, ref, by)  # the stored state, so that a failed deletion can be repeated
        if job.status in OPEN:
            raise JobStateConflict("The {noun} has not ended; cancel it, or wait until it ends.")
        if job.status in (Status.EXPIRED, Status.DELETED):
            raise ArtifactGone("The file was deleted or has expired.")
        audit.record(connection, audit_entry("artifact.delete", by, dialect=ref.dialect, job=job.id), now=now)
        if job.artifact is None:
            if not jobs.delete(connection, job.id):
                raise JobStateConflict("The {noun} has been put back into the queue.")
            return
        if not jobs.end_retention(connection, job.id, now=now):
            held = own_job(connection, ref, by)
            if held.held_at is None:
                raise ArtifactGone("The file was deleted or has expired.")
            remedy = _REMEDIES.get(held.held_by, "release it first")
            raise JobOnHold(f"The {{noun}} is on hold, so its file cannot be deleted; {remedy}.")
    try:
        remove_files(job, on)
    except AttemptError as error:
        message = (
            "The file cannot be deleted at the moment; its links are no longer valid. The server removes it later."
        )
        raise Unavailable(message, retry_after=_STORAGE_RETRY_SECONDS) from error
    with on.database.write() as connection:
        jobs.delete(connection, job.id)
