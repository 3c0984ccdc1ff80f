"""Create an export: authorise, validate, check the quota and record the job in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core import dispatch
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports import budget
from offtake.core.exports.acceptance import accept
from offtake.core.exports.duration_estimate import estimate_duration
from offtake.core.exports.idempotency import find_repeated, idempotency_key, request_digest
from offtake.core.exports.read import visible_jobs
from offtake.core.exports.reuse import find_reusable, present_versions
from offtake.core.services import Services
from offtake.errors import QuotaExceeded
from offtake.model.job import Job, Status
from offtake.model.request import ExportRequest
from offtake.store import audit, idempotency, job_queries, jobs, outbox
from offtake.store.records import request_to_json, stored_bytes


def create_export(
    request: ExportRequest,
    by: Caller,
    on: Services,
    *,
    reference: str | None = None,
    key: str | None = None,
    reuse_within: timedelta | None = None,
) -> Job:
    """Create the job of an export and return it; a refused request leaves no record.

    ``reference`` is the dialect's own unique name of the job, if that is not the id. ``key`` is an idempotency key: a
    repeated request of the same person with the same key returns the first job, unless that ended without a file or
    its file is gone. With ``reuse_within``, a finished export of the same request that is not older and was made of
    the same versions of the lake is returned instead of a new one. One transaction writes the audit entry, the key and
    the job.
    Raises NotPermitted, InvalidRequest, TimespanTooLong, IdempotencyConflict, QuotaExceeded, BudgetExceeded,
    AuditUnavailable, Unavailable.
    """
    now = on.clock()
    request = accept(request, by, on, now=now)
    job = new_job(request, by, on, reference=reference, now=now)
    scoped_key = idempotency_key(key, request, by) if key else None
    digest = request_digest(request) if key else ""
    versions = present_versions(request, by, on) if reuse_within else None
    with on.database.write() as connection:
        jobs.lock_tenant(connection, job.tenant)
        repeated = find_repeated(connection, scoped_key, digest, on) if scoped_key else None
        if repeated:
            _record(connection, repeated, by, outcome="repeated", now=now)
            return repeated
        reused = None
        if reuse_within and versions is not None:
            reused = find_reusable(connection, request, by, on, within=reuse_within, lake_versions=versions)
        _record(connection, reused or job, by, outcome="reused" if reused else "allowed", now=now)
        created = reused or add_job(connection, job, by, on)
        if scoped_key:
            idempotency.use(connection, scoped_key, idempotency.KeyUse(digest=digest, job=created.id), now=now)
    return created


def _record(connection: Connection, job: Job, by: Caller, *, outcome: str, now: datetime) -> None:
    entry = audit_entry("job.create", by, dialect=job.request.dialect, job=job.id)
    audit.record(connection, replace(entry, outcome=outcome), now=now)


def add_job(connection: Connection, job: Job, by: Caller, on: Services) -> Job:
    """Queue the job and return it as it is stored. Raises QuotaExceeded, BudgetExceeded."""
    dialect = job.request.dialect
    limits = on.limits[dialect].of(job.tenant)
    if job_queries.count_open(connection, tenant=job.tenant, dialect=dialect) >= limits.open_jobs:
        raise quota_exceeded(limits.open_jobs)
    job = replace(job, not_before=on.now(connection))
    size = stored_bytes(request_to_json(job.request))
    budget.require_room(connection, visible_jobs(by, on), on, request_bytes=size, now=job.not_before)
    jobs.add(connection, job)
    dispatch.enqueue(connection, job, outbox.MessageKind.START, on, now=job.not_before)
    return job


def quota_exceeded(limit: int) -> QuotaExceeded:
    """Return the refusal of one more export in an account that has ``limit`` open ones."""
    noun = "export that has" if limit == 1 else "exports that have"
    message = f"The account already has {limit} {noun} not ended; wait until one ends."
    return QuotaExceeded(message, retry_after=budget.QUOTA_RETRY_SECONDS)


def new_job(request: ExportRequest, by: Caller, on: Services, *, reference: str | None, now: datetime) -> Job:
    """Return the job of an accepted request, which ``add_job`` queues."""
    expected = estimate_duration(request, by.principal.tenant, on)
    return Job(
        id=on.new_id(),
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        request=request,
        status=Status.QUEUED,
        fence=0,
        attempts=0,
        created_at=now,
        not_before=now,
        reference=reference,
        actor=by.principal.user,
        effective=by.principal.person,
        estimated_duration=timedelta(seconds=int(expected.duration.total_seconds())),
        estimated_rows=expected.rows,
    )
