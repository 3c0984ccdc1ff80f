"""Impersonation of another person of the tenant (Loop contract 4)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import AttemptError, ImpersonationRefused, Unavailable
from offtake.lake.queries import read_query
from offtake.lake.snapshot import snapshot
from offtake.model.audit import AuditEntry
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.tenant import Scope, person
from offtake.store import audit

_RETRY_SECONDS = 5
_IMPERSONATION_SCOPES = frozenset({Scope.IMPERSONATE, Scope.ADMIN})
_TABLES = (TableUse(table="agent", prune=Prune.ALL),)


def impersonate(name: str, by: Caller, on: Services, *, dialect: str) -> Caller:
    """Return the caller, acting as the agent with that e-mail address or id. Both outcomes are audited.

    Raises ImpersonationRefused, always with the same message, so that addresses cannot be probed; and Unavailable.
    """
    email = _active_agent(name, by.principal.tenant, on) if by.principal.scopes & _IMPERSONATION_SCOPES else None
    entry = AuditEntry(
        operation="impersonate",
        dialect=dialect,
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        address=by.address,
        outcome="refused" if email is None else "allowed",
        actor=by.principal.user,
        effective=email or person(name),
    )
    with on.database.write() as connection:
        audit.record(connection, entry, now=on.clock())
    if email is None:
        raise ImpersonationRefused("You may not act for that user, or there is no such user.")
    return replace(by, principal=replace(by.principal, effective=email))


def _active_agent(name: str, tenant: str, on: Services) -> str | None:
    """Return the e-mail address of an active agent."""
    query = Query(
        sql=read_query("active_agent"),
        values=MappingProxyType({"name": name, "email": person(name)}),
        columns=("email",),
    )
    limits = Limits(threads=1, memory_mb=64, temp_folder=on.artifacts.spill("impersonation", 0), temp_mb=0)
    opened = snapshot(on.lake, _TABLES, tenant=tenant)
    try:
        with opened as views, Session(limits, views, tenant=tenant) as session:
            rows = session.rows(query)
    except AttemptError as error:
        message = f"The lake cannot be read at the moment; retry after {_RETRY_SECONDS} seconds."
        raise Unavailable(message, retry_after=_RETRY_SECONDS) from error
    return str(rows[0]["email"]) if rows else None
