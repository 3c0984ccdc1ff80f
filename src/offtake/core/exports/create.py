"""Create an export: authorise, validate, count and record it in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from offtake.core import dispatch
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports.duration_estimate import estimate_duration
from offtake.core.exports.idempotency import find_repeated, idempotency_key, request_digest
from offtake.core.services import Services
from offtake.errors import FieldFault, InvalidRequest, NotPermitted, QuotaExceeded, TimespanTooLong
from offtake.model.job import Job, Status
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope
from offtake.store import audit, idempotency, jobs, outbox
from offtake.store.records import request_to_json

_QUOTA_RETRY_AFTER = 5  # seconds; the end of an open job cannot be predicted, and an early retry is cheap


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
    job = _new_job(request, by, on, reference=reference, now=now)
    named = idempotency_key(key, request, by) if key else None
    digest = request_digest(request) if key else ""
    with on.database.write() as connection:
        jobs.lock_tenant(connection, job.tenant)
        repeated = find_repeated(connection, named, digest, on) if named else None
        if repeated:
            entry = audit_entry("job.create", by, dialect=request.dialect, job=repeated.id)
            audit.record(connection, replace(entry, outcome="repeated"), now=now)
            return repeated
        audit.record(connection, audit_entry("job.create", by, dialect=request.dialect, job=job.id), now=now)
        if jobs.count_open(connection, tenant=job.tenant, dialect=request.dialect) >= limits.open_jobs:
            message = f"The account already has {limits.open_jobs} exports that have not ended."
            raise QuotaExceeded(message, retry_after=_QUOTA_RETRY_AFTER)
        job = replace(job, not_before=on.now(connection))
        jobs.add(connection, job)
        dispatch.enqueue(connection, job, outbox.MessageKind.START, on, now=job.not_before)
        if named:
            idempotency.use(connection, named, idempotency.KeyUse(digest=digest, job=job.id), now=now)
    return job


def _new_job(request: ExportRequest, by: Caller, on: Services, *, reference: str | None, now: datetime) -> Job:
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


def _watermark(request: ExportRequest, freshness: timedelta, now: datetime, on: Services) -> datetime | None:
    """Where the data may have gaps still, as seen when the order is accepted: a later attempt gives the same rows.

    What this server recorded itself is complete at once.
    """
    report = on.catalogue.reports.get(request.report)
    if not freshness or report is None or report.window is None or report.server_audit:
        return None
    return now - freshness if now - freshness < request.timespan.end else None
