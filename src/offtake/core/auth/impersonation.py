"""Acting as another person of the tenant (Loop contract 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.engine.duckdb import Limits, Session
from offtake.errors import AttemptError, ImpersonationRefused, Unavailable
from offtake.lake.snapshot import snapshot
from offtake.model.audit import AuditEntry
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.tenant import Scope, person
from offtake.model.timespan import Timespan
from offtake.store import audit

_RETRY_AFTER = 5
_GRANTS = frozenset({Scope.IMPERSONATE, Scope.ADMIN})
_AGENT = (TableUse(table="agent", prune=Prune.ALL),)
# Teammates by address, whatever its capitals, or by id; who may not log in today cannot be acted as.
_FIND = """
SELECT min(lower(trim(email))) AS email
FROM agent
WHERE tenant = $tenant AND is_active AND (agent_id = $name OR lower(trim(email)) = $email)
HAVING count(DISTINCT lower(trim(email))) = 1
"""


def impersonate(name: str, by: Caller, on: Services, *, dialect: str) -> Caller:
    """The caller, acting as the teammate of that address or id; allowed or refused, the audit log has it.

    Raises ImpersonationRefused, always in the same words: addresses cannot be probed. Raises Unavailable.
    """
    found = _teammate(name, by.principal.tenant, on) if by.principal.scopes & _GRANTS else None
    entry = AuditEntry(
        operation="impersonate",
        dialect=dialect,
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        address=by.address,
        outcome="refused" if found is None else "allowed",
        actor=by.principal.user,
        effective=found or person(name),
    )
    with on.database.write() as connection:
        audit.record(connection, entry, now=on.clock())
    if found is None:
        raise ImpersonationRefused("You may not act for that user, or there is no such user.")
    return replace(by, principal=replace(by.principal, effective=found))


def _teammate(name: str, tenant: str, on: Services) -> str | None:
    """The address of an active teammate."""
    now = on.clock()
    today = Timespan(start=now, end=now + timedelta(days=1), zone="UTC")  # of no matter to a dimension
    query = Query(
        sql=_FIND,
        values=MappingProxyType({"tenant": tenant, "name": name, "email": person(name)}),
        columns=("email",),
    )
    limits = Limits(threads=1, memory_mb=64, temp_folder=on.artifacts.spill("impersonation", 0), temp_mb=0)
    seen = snapshot(on.lake, _AGENT, tenant=tenant, timespan=today)
    try:
        with seen as views, Session(limits, views) as session:
            rows = session.rows(query)
    except AttemptError as error:
        raise Unavailable("The lake cannot be read at the moment.", retry_after=_RETRY_AFTER) from error
    return str(rows[0]["email"]) if rows else None
