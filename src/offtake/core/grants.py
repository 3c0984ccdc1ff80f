"""Who may do what."""

from __future__ import annotations

from offtake.errors import NotPermitted
from offtake.model.tenant import Principal, Scope


def require(principal: Principal, scope: Scope) -> None:
    """Raise NotPermitted unless the principal has the scope."""
    if scope not in principal.scopes:
        raise NotPermitted(f"The credentials lack the scope to {scope} exports.")
