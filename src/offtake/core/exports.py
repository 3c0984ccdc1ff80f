"""Create, read and cancel exports: authorise, validate, count, record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from offtake.core.grants import may_see, require
from offtake.core.services import Services
from offtake.errors import (
    FieldFault,
    IdempotencyConflict,
    JobNotFound,
    JobStateConflict,
    NotPermitted,
    QuotaExceeded,
    TimespanTooLong,
)
from offtake.model.audit import AuditEntry
from offtake.model.job import Job, Status
from offtake.model.request import ExportRequest
from offtake.model.tenant import Principal, Scope
from offtake.store import audit, idempotency, jobs
from offtake.store.records import request_to_json

# An open job ends, or not: nobody knows when. A caller who looks again this soon does no harm.
_QUOTA_RETRY_AFTER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and from where."""

    principal: Principal
    address: str | None = None


def create(
    request: ExportRequest, by: Caller, on: Services, *, reference: str | None = None, key: str | None = None
) -> Job:
    """Accept an export, or refuse it and leave nothing behind.

    ``reference`` is what the dialect calls the job, where that is not the id; no other job may have it. ``key`` is an
    idempotency key: the same order under the same key is the same job. One transaction: audit row, key, quota, job.
    Raises NotPermitted, TimespanTooLong, IdempotencyConflict, QuotaExceeded, AuditUnavailable, Unavailable.
    """
    require(by.principal, Scope.WRITE)
    limits = on.limits[request.dialect].of(by.principal.tenant)
    if request.timespan.length() > limits.longest_timespan:
        message = f"The timespan is longer than {limits.longest_timespan.days} days."
        raise TimespanTooLong(message, [FieldFault("timespan", "too long")])
    request = _narrowed(request, by, on)
    now = on.clock()
    job = Job(
        id=on.new_id(),
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        request=replace(request, as_of=now),
        status=Status.QUEUED,
        fence=0,
        attempts=0,
        created_at=now,
        not_before=now,
        reference=reference,
        actor=by.principal.user,
        effective=by.principal.person,
    )
    digest = _digest(request, by)
    with on.database.write() as connection:
        jobs.lock_tenant(connection, job.tenant)
        used = key and idempotency.find(connection, key, tenant=job.tenant, dialect=request.dialect)
        if used:
            return _repeated(connection, used, digest, by=by, now=now)
        audit.record(connection, _entry("job.create", job.id, request.dialect, by), now=now)
        if jobs.count_open(connection, tenant=job.tenant, dialect=request.dialect) >= limits.open_jobs:
            message = f"The account already has {limits.open_jobs} exports that have not ended."
            raise QuotaExceeded(message, retry_after=_QUOTA_RETRY_AFTER)
        jobs.add(connection, job)
        if key:
            idempotency.add(connection, key, digest, job=job, now=now)
    return job


def _narrowed(request: ExportRequest, by: Caller, on: Services) -> ExportRequest:
    """The request with the rows that the caller may see."""
    if by.principal.sees_all:
        return request
    if "viewer_email" not in on.catalogue.reports[request.report].parameters:
        raise NotPermitted("The report cannot be cut to what one person may see.")
    return replace(request, parameters=replace(request.parameters, viewer_email=by.principal.person))


def _digest(request: ExportRequest, by: Caller) -> str:
    """Equal for equal orders by the same person."""
    order = {"report": request.report, "format": request.format, "by": by.principal.person, **request_to_json(request)}
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


def _repeated(connection: Connection, used: idempotency.Used, digest: str, *, by: Caller, now: datetime) -> Job:
    """The job that the key stands for already."""
    job = jobs.get(connection, used.job, tenant=by.principal.tenant)
    if job is None or used.digest != digest:
        raise IdempotencyConflict("The idempotency key was used for another request.")
    entry = _entry("job.create", job.id, job.request.dialect, by)
    audit.record(connection, replace(entry, outcome="repeated"), now=now)
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """Which job is meant: an id as it came from the caller, the dialect, and the report where the path names one."""

    id: str
    dialect: str
    report: str | None = None
    is_reference: bool = False  # the id is the dialect's own (``Job.reference``)


def get(ref: JobRef, by: Caller, on: Services) -> Job:
    """The caller's own job; any other id, a foreign one included, is JobNotFound.

    A look at it on behalf of somebody else is written into the audit log.
    """
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        job = _own(connection, ref, by)
    if by.principal.effective is not None:
        with on.database.write() as connection:
            audit.record(connection, _entry("job.read", job.id, ref.dialect, by), now=on.clock())
    return job


def cancel(ref: JobRef, by: Caller, on: Services) -> Job:
    """End a job that has not ended. The quota is free at once; a running attempt is interrupted by its heartbeat.

    Raises JobNotFound, or JobStateConflict when the job has ended already.
    """
    require(by.principal, Scope.WRITE)
    now = on.clock()
    with on.database.write() as connection:
        job = _own(connection, ref, by)
        audit.record(connection, _entry("job.cancel", job.id, ref.dialect, by), now=now)
        cancelled = jobs.cancel(connection, job.id, tenant=job.tenant, now=now)
        if cancelled is None:
            raise JobStateConflict("The job has ended already.")
        return cancelled


def _own(connection: Connection, ref: JobRef, by: Caller) -> Job:
    find = jobs.get_by_reference if ref.is_reference else jobs.get
    job = find(connection, ref.id, tenant=by.principal.tenant)
    fits = job is not None and job.request.dialect == ref.dialect and ref.report in (None, job.request.report)
    if job is None or not fits or not may_see(by.principal, job):
        raise JobNotFound("There is no such job.")
    return job


def _entry(operation: str, job_id: str, dialect: str, by: Caller) -> AuditEntry:
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
