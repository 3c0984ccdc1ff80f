"""Reuse: an identical request finds the finished export of an earlier one, if both would be made of the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from offtake.core.auth.authorization import may_see
from offtake.core.auth.caller import Caller
from offtake.core.exports.idempotency import request_digest
from offtake.core.query import filters
from offtake.core.services import Services
from offtake.errors import StorageUnavailable
from offtake.lake.snapshot import locate
from offtake.model.job import Job, JobFilter, Pin, Status, has_file
from offtake.model.request import ExportRequest
from offtake.store import job_queries

_MOST_COMPARED = 50  # newest finished exports of the report

LakeVersions = Mapping[str, int | None]  # Delta version by table; None: the table was never loaded


def present_versions(request: ExportRequest, by: Caller, on: Services) -> LakeVersions | None:
    """Return the newest version of each table that an export of the request would read; None if the lake is away.

    A new export does not need the lake before its first attempt.
    """
    report = on.catalogue.reports[request.report]
    uses = (*report.tables, *filters.tables(report))
    try:
        return locate(on.lake, uses, tenant=by.principal.tenant).versions
    except StorageUnavailable:
        return None


def find_reusable(
    connection: Connection,
    request: ExportRequest,
    by: Caller,
    on: Services,
    *,
    within: timedelta,
    lake_versions: LakeVersions,
) -> Job | None:
    """Return the newest finished export of the same accepted request that the caller may see, or None.

    It was created at most ``within`` ago with the same definition of the report, was made of these versions of the
    lake, ends at the same instant, and its files are kept. The rows of the server's audit log have no version, so a
    report that reads it is always exported anew.
    """
    report = on.catalogue.reports[request.report]
    if report.server_audit:
        return None
    now = on.now(connection)
    condition = JobFilter(
        tenant=by.principal.tenant,
        dialect=request.dialect,
        report=request.report,
        status=Status.SUCCEEDED,
        since=now - within,
    )
    same, pin = _identity(request), Pin(report_version=report.version, lake_versions=lake_versions)
    for job in job_queries.newest(connection, condition, limit=_MOST_COMPARED):
        if job.pin == pin and _identity(job.request) == same and has_file(job, now) and may_see(by.principal, job):
            fits = request.row_limit is None or job.artifact is None or job.artifact.rows <= request.row_limit
            return job if fits else None
    return None


def _identity(request: ExportRequest) -> tuple[object, ...]:
    """Return what two requests for the same file have in common: all but their names and their instants."""
    return (
        request_digest(replace(request, name="")),
        request.effective_end,
        request.account_zone,
        request.parameters.inboxes_without_members,
    )
