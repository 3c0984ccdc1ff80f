"""Create, read, list, cancel and delete exports: authorise, validate, count, record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core import dispatch
from offtake.core.auth.authorization import jobs_of, may_see, require
from offtake.core.counters import jobs_ended
from offtake.core.exports.duration_estimate import estimate_duration
from offtake.core.services import Services
from offtake.errors import (
    ArtifactGone,
    AttemptError,
    FieldFault,
    IdempotencyConflict,
    InvalidRequest,
    JobNotFound,
    JobOnHold,
    JobStateConflict,
    NotPermitted,
    QuotaExceeded,
    TimespanTooLong,
    Unavailable,
)
from offtake.model.audit import AuditEntry
from offtake.model.job import ENDED, OPEN, Job, JobFilter, Status, seen_at
from offtake.model.request import ExportRequest
from offtake.model.tenant import Principal, Scope
from offtake.store import audit, counters, idempotency, jobs, outbox
from offtake.store.records import request_to_json

# An open job ends, or not: nobody knows when. A caller who looks again this soon does no harm.
_QUOTA_RETRY_AFTER = 5
_STORAGE_RETRY_AFTER = 30  # a disk that refuses to delete needs a person, or a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and from where."""

    principal: Principal
    address: str | None = None


def create_export(
    request: ExportRequest, by: Caller, on: Services, *, reference: str | None = None, key: str | None = None
) -> Job:
    """Accept an export, or refuse it and leave nothing behind.

    ``reference`` is what the dialect calls the job, where that is not the id; no other job may have it. ``key`` is an
    idempotency key: the same order of the same person under the same key is the same job, as long as that may still be
    of use. One transaction: audit row, key, quota, job.
    Raises NotPermitted, TimespanTooLong, IdempotencyConflict, QuotaExceeded, AuditUnavailable, Unavailable.
    """
    require(by.principal, Scope.WRITE)
    limits = on.limits[request.dialect].of(by.principal.tenant)
    longest = limits.longest_timespan
    if longest is not None and request.timespan.length() > longest:
        message = f"The timespan is longer than {longest.days} days."
        raise TimespanTooLong(message, [FieldFault("timespan", "too long")])
    _require_text(request)
    request = _narrowed(request, by, on)
    now = on.clock()
    job = _ordered(request, by, on, reference=reference, now=now)
    named = _key(key, request, by) if key else None
    digest = _digest(request) if key else ""
    with on.database.write() as connection:
        jobs.lock_tenant(connection, job.tenant)
        repeated = _repeated(connection, named, digest, on) if named else None
        if repeated:
            entry = _entry("job.create", repeated.id, request.dialect, by)
            audit.record(connection, replace(entry, outcome="repeated"), now=now)
            return repeated
        audit.record(connection, _entry("job.create", job.id, request.dialect, by), now=now)
        if jobs.count_open(connection, tenant=job.tenant, dialect=request.dialect) >= limits.open_jobs:
            message = f"The account already has {limits.open_jobs} exports that have not ended."
            raise QuotaExceeded(message, retry_after=_QUOTA_RETRY_AFTER)
        job = replace(job, not_before=on.now(connection))
        jobs.add(connection, job)
        dispatch.enqueue(connection, job, outbox.MessageKind.START, on, now=job.not_before)
        if named:
            idempotency.use(connection, named, idempotency.KeyUse(digest=digest, job=job.id), now=now)
    return job


def _ordered(request: ExportRequest, by: Caller, on: Services, *, reference: str | None, now: datetime) -> Job:
    """The job that an order becomes if it is accepted."""
    limits = on.limits[request.dialect].of(by.principal.tenant)
    return Job(
        id=on.new_id(),
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        request=replace(request, as_of=now, watermark=_watermark(request, limits.freshness, now, on)),
        status=Status.QUEUED,
        fence=0,
        attempts=0,
        created_at=now,
        not_before=now,
        reference=reference,
        actor=by.principal.user,
        effective=by.principal.person,
        estimated_duration=timedelta(seconds=int(estimate_duration(request, by.principal.tenant, on).total_seconds())),
    )


def _require_text(request: ExportRequest) -> None:
    """A character that no database and no spreadsheet has in a text is refused, whichever field it is in."""
    sent = request_to_json(request)
    for name, value in (sent | sent.pop("parameters")).items():
        if _has_nul(value):
            raise InvalidRequest("A text has a NUL character.", [FieldFault(name, "has a NUL character")])


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_has_nul, (*value.keys(), *value.values())))
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


def _narrowed(request: ExportRequest, by: Caller, on: Services) -> ExportRequest:
    """The request with the rows that the caller may see."""
    if by.principal.sees_all:
        return request
    if "viewer_email" not in on.catalogue.reports[request.report].parameters:
        raise NotPermitted("The report cannot be cut to what one person may see.")
    return replace(request, parameters=replace(request.parameters, viewer_email=by.principal.person))


def _key(text: str, request: ExportRequest, by: Caller) -> idempotency.Key:
    """The key belongs to whom the job does; a credential that is nobody's in particular has its own."""
    owner = by.principal.person or by.principal.credential
    return idempotency.Key(tenant=by.principal.tenant, dialect=request.dialect, owner=owner, text=text)


def _digest(request: ExportRequest) -> str:
    """Equal for equal orders, whatever the server's settings are at the time. Filters are sets: the order in which a
    script names their members may be another each time."""
    sent = request_to_json(replace(request, row_limit=None, account_zone="UTC"))
    filters = {
        name: sorted(value) if isinstance(value, list | tuple) else value for name, value in sent["parameters"].items()
    }
    order = {"report": request.report, "format": request.format, **sent, "parameters": filters}
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


# Nothing can be had of such a job (any more), so a key need not stand for it.
_OF_NO_USE = ENDED - {Status.SUCCEEDED}


def _repeated(connection: Connection, key: idempotency.Key, digest: str, on: Services) -> Job | None:
    """The job that the key stands for, unless it ended without a file, or its file is gone."""
    used = idempotency.find(connection, key)
    job = used and jobs.get(connection, used.job, tenant=key.tenant)
    if not used or not job or current_view(connection, job, on).status in _OF_NO_USE:
        return None
    if used.digest != digest:
        raise IdempotencyConflict("The idempotency key was used for another request.")
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """Which job is meant: an id as it came from the caller, the dialect, and the report where the path names one."""

    id: str
    dialect: str
    report: str | None = None
    is_reference: bool = False  # the id is the dialect's own (``Job.reference``)


def get_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """The caller's own job; any other id, a foreign one included, is JobNotFound. Recorded where reads are, and always
    when it is on behalf of somebody else."""
    job = find_export(ref, by, on)
    _record_read("job.read", ref.dialect, by, on, job_id=job.id)
    return job


def find_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """As ``get_export``, for those who record more than a look."""
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        return current_view(connection, _own(connection, ref, by), on)


def current_view(connection: Connection, job: Job, on: Services) -> Job:
    """The job as it is to be seen now. Only of one that has a file is the store's clock asked."""
    return job if job.expires_at is None else seen_at(job, on.now(connection))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which of the caller's jobs to list. Pages count from 1; a page beyond the last is empty."""

    dialect: str
    per_page: int
    page: int = 1
    report: str | None = None
    since: datetime | None = None  # made then or later


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs, newest first, and how many there are on all pages."""

    jobs: Sequence[Job]
    total: int


def list_exports(listing: Listing, by: Caller, on: Services) -> JobPage:
    """The jobs that the caller may see (``grants.may_see``), whatever their state. A job made while one pages moves the
    others on by one place."""
    require(by.principal, Scope.READ)
    _record_read("job.list", listing.dialect, by, on)
    wanted = JobFilter(
        tenant=by.principal.tenant,
        dialect=listing.dialect,
        report=listing.report,
        since=listing.since,
        person=jobs_of(by.principal),
    )
    offset = (listing.page - 1) * listing.per_page
    with on.database.read() as connection:
        total = jobs.count(connection, wanted)
    if offset >= total:  # also keeps numbers from the database that it has no room for
        return JobPage(jobs=(), total=total)
    with on.database.read() as connection:
        found = jobs.newest(connection, wanted, limit=listing.per_page, offset=offset)
        now = on.now(connection)
    return JobPage(jobs=[seen_at(job, now) for job in found], total=total)


def cancel_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """End a job that has not ended. The quota is free at once; a running attempt is interrupted by its heartbeat.

    Raises JobNotFound, or JobStateConflict when the job has ended already.
    """
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        now = on.now(connection)
        job = _own(connection, ref, by)
        audit.record(connection, _entry("job.cancel", job.id, ref.dialect, by), now=now)
        cancelled = jobs.cancel(connection, job.id, tenant=job.tenant, now=now)
        if cancelled is None:
            raise JobStateConflict("The job has ended already.")
        dispatch.enqueue(connection, cancelled, outbox.MessageKind.CANCEL, on, now=now)
        counters.add(connection, jobs_ended({ref.dialect: 1}, Status.CANCELLED))
        return cancelled


def delete_export(ref: JobRef, by: Caller, on: Services) -> None:
    """Delete the artifact of a job that has ended; the job's record stays, as deleted.

    Recorded first, then the file goes, then the state changes. Who dies in between has already ended the artifact's
    retention, so no link to it is given any more and upkeep does the rest. Raises JobNotFound, ArtifactGone when it
    was deleted or has expired before, JobStateConflict while the job is open, JobOnHold while the operator keeps it.
    """
    require(by.principal, Scope.WRITE)
    with on.database.write() as connection:
        now = on.now(connection)
        job = _own(connection, ref, by)  # as stored: a deletion that failed may be tried again
        if job.status in OPEN:
            raise JobStateConflict("The job has not ended; cancel it, or wait for its end.")
        if job.status in (Status.EXPIRED, Status.DELETED):
            raise ArtifactGone("The file was deleted before, or its time was over.")
        audit.record(connection, _entry("artifact.delete", job.id, ref.dialect, by), now=now)
        if job.artifact is None:
            if not jobs.delete(connection, job.id):
                raise JobStateConflict("The job has been put back into the queue.")
            return
        if not jobs.retire(connection, job.id, now=now):
            if _own(connection, ref, by).held_at is None:
                raise ArtifactGone("The file was deleted before, or its time was over.")
            raise JobOnHold("The file must be kept at present; it cannot be deleted.")
    try:
        on.artifacts.remove(job.artifact.key)
    except AttemptError as error:
        message = "The file cannot be deleted at the moment; nobody gets it any more."
        raise Unavailable(message, retry_after=_STORAGE_RETRY_AFTER) from error
    with on.database.write() as connection:
        jobs.delete(connection, job.id)


def _watermark(request: ExportRequest, freshness: timedelta, now: datetime, on: Services) -> datetime | None:
    """Where the data may have gaps still, as seen when the order is accepted: a later attempt gives the same rows.

    What this server recorded itself is complete at once.
    """
    report = on.catalogue.reports.get(request.report)
    if not freshness or report is None or report.window is None or report.server_audit:
        return None
    return now - freshness if now - freshness < request.timespan.end else None


def _record_read(operation: str, dialect: str, by: Caller, on: Services, *, job_id: str | None = None) -> None:
    """Looking has no effect and must stay cheap: it is recorded where the operator wants that, or the look is one with
    another person's eyes."""
    if by.principal.effective is not None or on.limits[dialect].of(by.principal.tenant).audit_reads:
        with on.database.write() as connection:
            audit.record(connection, _entry(operation, job_id, dialect, by), now=on.clock())


def _own(connection: Connection, ref: JobRef, by: Caller) -> Job:
    find_export = jobs.get_by_reference if ref.is_reference else jobs.get
    job = find_export(connection, ref.id, tenant=by.principal.tenant)
    fits = job is not None and job.request.dialect == ref.dialect and ref.report in (None, job.request.report)
    if job is None or not fits or not may_see(by.principal, job):
        raise JobNotFound("There is no such job.")
    return job


def _entry(operation: str, job_id: str | None, dialect: str, by: Caller) -> AuditEntry:
    return AuditEntry(
        operation=operation,
        dialect=dialect,
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        job=job_id,
        address=by.address,
        actor=by.principal.user,
        effective=by.principal.effective,
    )
