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
    (Loop contract 4)."""
    person = person_filter(principal)
    return person is None or person in (job.actor, job.effective)


def person_filter(principal: Principal) -> str | None:
    """Return the person to whose jobs the principal is restricted; None if it may see all jobs of the tenant."""
    return None if principal.sees_all else principal.person


def may_order(principal: Principal, report: Report) -> bool:
    """Whether the principal may export the report. The only place that decides it."""
    return True


def may_see_column(principal: Principal, column: Column) -> bool:
    """Whether the principal may receive the column. The only place that decides it."""
    return True
