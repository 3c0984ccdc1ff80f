"""Who may do what, and see which jobs."""

from __future__ import annotations

from offtake.errors import NotPermitted
from offtake.model.job import Job
from offtake.model.tenant import Principal, Scope


def require(principal: Principal, scope: Scope) -> None:
    """Raise NotPermitted unless the principal has the scope."""
    if scope not in principal.scopes:
        raise NotPermitted(f"The credentials lack the scope to {scope} exports.")


def may_see(principal: Principal, job: Job) -> bool:
    """Whether a job of the principal's tenant is the principal's to see: who ordered it, whom it belongs to, and those
    from whom nothing is hidden (Loop contract 4)."""
    whose = jobs_of(principal)
    return whose is None or whose in (job.actor, job.effective)


def jobs_of(principal: Principal) -> str | None:
    """The person whose jobs are all that the principal may see; None for those from whom nothing is hidden."""
    return None if principal.sees_all else principal.person
