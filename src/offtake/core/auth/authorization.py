"""Authorization: scopes, and which jobs a principal may see."""

from __future__ import annotations

from offtake.errors import NotPermitted
from offtake.model.job import Job
from offtake.model.report import Column, Report
from offtake.model.tenant import Principal, Scope


def require(principal: Principal, scope: Scope) -> None:
    """Raise NotPermitted unless the principal has the scope."""
    if scope not in principal.scopes:
        raise NotPermitted(f"The credentials lack the scope to {scope} exports.")


def may_see(principal: Principal, job: Job) -> bool:
    """Whether the principal may see a job of its tenant: as its actor, its owner or with access to all jobs
    (Loop contract 4), and only if it may export the report."""
    if not principal.access.allows(job.request.report):
        return False
    person = person_filter(principal)
    return person is None or person in (job.actor, job.effective)


def person_filter(principal: Principal) -> str | None:
    """Return the person to whose jobs the principal is restricted; None if it may see all jobs of the tenant."""
    return None if principal.sees_all else principal.person


def may_order(principal: Principal, report: Report) -> bool:
    """Whether the principal may export the report. The only place that decides it."""
    return principal.access.allows(report.name)


def may_see_column(principal: Principal, column: Column) -> bool:
    """Whether the principal may receive the column. The only place that decides it."""
    return principal.access.personal or not column.personal


def hidden_columns(principal: Principal, report: Report) -> frozenset[str]:
    """Return the names of the report's columns that the principal may not receive."""
    return frozenset(column.name for column in report.columns if not may_see_column(principal, column))
