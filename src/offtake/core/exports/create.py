"""Create an export: authorise, validate, check the quota and record the job in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from offtake.core import dispatch
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports import budget
from offtake.core.exports.duration_estimate import estimate_duration
from offtake.core.exports.idempotency import find_repeated, idempotency_key, request_digest
from offtake.core.services import Services
from offtake.errors import FieldFault, InvalidRequest, NotPermitted, QuotaExceeded, TimespanTooLong
from offtake.model.job import Job, Status
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope
from offtake.store import audit, idempotency, jobs, outbox
from offtake.store.records import request_to_json, stored_bytes


def create_export(
    request: ExportRequest, by: Caller, on: Services, *, reference: str | None = None, key: str | None = None
) -> Job:
    """Create the job of an export and return it; a refused request leaves no record.

    ``reference`` is the dialect's own unique name of the job, if that is not the id. ``key`` is an idempotency key: a
    repeated request of the same person with the same key returns the first job, unless that ended without a file or
    its file is gone. One transaction writes the audit entry, the key and the job.
    Raises NotPermitted, InvalidRequest, TimespanTooLong, IdempotencyConflict, QuotaExceeded, BudgetExceeded,
    AuditUnavailable, Unavailable.
    """
    require(by.principal, Scope.WRITE)
    limits = on.limits[request.dialect].of(by.principal.tenant)
    maximum = limits.longest_timespan
    if maximum is not None and request.timespan.length() > maximum:
        message = f"The timespan is longer than {maximum.days} days."
        raise TimespanTooLong(message, [FieldFault("timespan", "too long")])
    _refuse_nul(request)
    request = _restrict_to_viewer(request, by, on)
    now = on.clock()
    job = _new_job(request, by, on, reference=reference, now=now)
    scoped_key = idempotency_key(key, request, by) if key else None
    digest = request_digest(request) if key else ""
    with on.database.write() as connection:
        jobs.lock_tenant(connection, job.tenant)
        repeated = find_repeated(connection, scoped_key, digest, on) if scoped_key else None
        if repeated:
            entry = audit_entry("job.create", by, dialect=request.dialect, job=repeated.id)
            audit.record(connection, replace(entry, outcome="repeated"), now=now)
            return repeated
        audit.record(connection, audit_entry("job.create", by, dialect=request.dialect, job=job.id), now=now)
        if jobs.count_open(connection, tenant=job.tenant, dialect=request.dialect) >= limits.open_jobs:
            raise quota_exceeded(limits.open_jobs)
        job = replace(job, not_before=on.now(connection))
        budget.require_room(
            connection, job.tenant, on, request_bytes=stored_bytes(request_to_json(job.request)), now=job.not_before
        )
        jobs.add(connection, job)
        dispatch.enqueue(connection, job, outbox.MessageKind.START, on, now=job.not_before)
        if scoped_key:
            idempotency.use(connection, scoped_key, idempotency.KeyUse(digest=digest, job=job.id), now=now)
    return job


def quota_exceeded(limit: int) -> QuotaExceeded:
    """Return the refusal of one more export in an account that has ``limit`` open ones."""
    noun = "export that has" if limit == 1 else "exports that have"
    message = f"The account already has {limit} {noun} not ended; wait until one ends."
    return QuotaExceeded(message, retry_after=budget.QUOTA_RETRY_SECONDS)


def _new_job(request: ExportRequest, by: Caller, on: Services, *, reference: str | None, now: datetime) -> Job:
    """Return the job of an accepted request."""
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


def _refuse_nul(request: ExportRequest) -> None:
    """Raise InvalidRequest if any text of the request has a NUL character: databases and spreadsheets reject it."""
    stored = request_to_json(request)
    for name, value in (stored | stored.pop("parameters")).items():
        if _has_nul(value):
            raise InvalidRequest("A text has a NUL character.", [FieldFault(name, "has a NUL character")])


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_has_nul, (*value.keys(), *value.values())))
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


def _restrict_to_viewer(request: ExportRequest, by: Caller, on: Services) -> ExportRequest:
    """Return the request, restricted to rows that the caller may see. Raises NotPermitted if that is impossible."""
    if by.principal.sees_all:
        return request
    if "viewer_email" not in on.catalogue.reports[request.report].parameters:
        raise NotPermitted(
            "The report cannot be restricted to one person's rows; only callers that see all rows may export it."
        )
    shows_all = on.limits[request.dialect].of(by.principal.tenant).inboxes_without_members
    restricted = replace(request.parameters, viewer_email=by.principal.person, inboxes_without_members=shows_all)
    return replace(request, parameters=restricted)


def _watermark(request: ExportRequest, freshness: timedelta, now: datetime, on: Services) -> datetime | None:
    """Return the instant from which rows may still be missing; None if the whole timespan is complete.

    It is fixed when the export is created, so that every attempt gives the same rows. The server's own audit log is
    always complete.
    """
    report = on.catalogue.reports.get(request.report)
    if not freshness or report is None or report.window is None or report.server_audit:
        return None
    return now - freshness if now - freshness < request.timespan.end else None
