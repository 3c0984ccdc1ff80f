"""Acceptance of a request: whether the caller may have its rows, and what all that is made of it has in common.

An export, its preview and its estimate accept requests by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from offtake.core.auth.authorization import hidden_columns, may_order, require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.presentation import layout_of
from offtake.core.services import Services
from offtake.errors import FieldFault, InvalidRequest, NotPermitted, TimespanTooLong
from offtake.formats import check_format
from offtake.model.audit import AuditEntry
from offtake.model.column_filter import require_filters
from offtake.model.request import ExportRequest, changed_parameters
from offtake.model.tenant import Scope
from offtake.store import completeness
from offtake.store.records import request_to_json

# Parameters that select rows by a person.
_PERSONAL_PARAMETERS = frozenset({"agent_emails", "customer_emails"})


def accept(request: ExportRequest, by: Caller, on: Services, *, now: datetime) -> ExportRequest:
    """Return the request as of ``now``, restricted to the rows that the caller may see and that are complete.

    Raises NotPermitted, InvalidRequest, TimespanTooLong.
    """
    require(by.principal, Scope.WRITE)
    require_access(request, by, on)
    limits = on.limits[request.dialect].of(by.principal.tenant)
    maximum = limits.longest_timespan
    if maximum is not None and request.timespan.length() > maximum:
        message = f"The timespan is longer than {maximum.days} days."
        raise TimespanTooLong(message, [FieldFault("timespan", "too long")])
    if request.filters or request.order:
        require_filters(on.catalogue.reports[request.report], request.filters, request.order)
    check_format(request)
    _refuse_nul(request)
    request = _restrict_to_viewer(request, by, on)
    return replace(request, as_of=now, watermark=_watermark(request, by.principal.tenant, now, on))


def require_access(request: ExportRequest, by: Caller, on: Services) -> None:
    """Raise NotPermitted unless the caller's credential may export the report and all columns of the request's file.

    Filters and the order count as well: they would tell a column's values, one request after the other.
    """
    report = on.catalogue.reports.get(request.report)
    if report is None:  # as for any other unknown report, the dialect or the attempt says so
        return
    if not may_order(by.principal, report):
        raise NotPermitted(f"The credential may not export the report {report.name}.")
    hidden = hidden_columns(by.principal, report)
    if not hidden:
        return
    used = {*file_columns(request, by.principal.tenant, on), *(each.column for each in request.filters)}
    used |= {each.removeprefix("-") for each in request.order}
    used |= _PERSONAL_PARAMETERS & changed_parameters(request.parameters).keys()
    refused = sorted(used & (hidden | _PERSONAL_PARAMETERS))
    if refused:
        raise NotPermitted(f"The credential may not receive personal columns: {', '.join(refused)}.")


def request_entry(operation: str, request: ExportRequest, by: Caller, on: Services) -> AuditEntry:
    """Return the audit entry of an accepted request that creates no job: what it asks for, without any value."""
    return replace(
        audit_entry(operation, by, dialect=request.dialect),
        report=request.report,
        format=request.format,
        column_count=len(file_columns(request, by.principal.tenant, on)),
    )


def file_columns(request: ExportRequest, tenant: str, on: Services) -> set[str]:
    """Return the columns of the report that the request's file shows."""
    publication = on.catalogue.publication(request.dialect, request.report)
    if publication is None:
        return set()
    layout = layout_of(publication, request, on.presentations[request.dialect].of(tenant))
    return {column.source for column in layout.shown.columns}


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


def _watermark(request: ExportRequest, tenant: str, now: datetime, on: Services) -> datetime | None:
    """Return the instant from which rows may still be missing; None if the whole timespan is complete.

    It is the earliest of what the settings exclude as too fresh and what sources declared for the fact tables that the
    report reads. It is fixed when the export is created, so that every attempt gives the same rows. The server's own
    audit log is always complete.
    """
    report, limits = on.catalogue.reports.get(request.report), on.limits[request.dialect].of(tenant)
    if report is None or report.window is None or report.server_audit:
        return None
    ends = [now - limits.freshness] if limits.freshness else []
    if limits.ends_at_completeness:
        with on.database.read() as connection:
            declared = completeness.complete_until(connection, tenant, {use.table for use in report.tables})
        ends += declared.values()
    return min((end for end in ends if end < request.timespan.end), default=None)
