"""Look-ups in the caller's own lake: small tables, read in the request itself, so both rows and memory are bounded."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from types import MappingProxyType
from typing import TypeVar

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.engine.duckdb import Limits, Session
from offtake.errors import AttemptError, Unavailable
from offtake.lake.snapshot import snapshot
from offtake.model.lookups import Queue, SmartView, Team
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.tenant import Scope
from offtake.model.timespan import Timespan

Entry = TypeVar("Entry", Team, Queue, SmartView)

_MOST = 10_000  # rows of one look-up
_MEMORY_MB = 128
_RETRY_AFTER = 5

# A source may fill an agent's own team, the memberships, or both.
_TEAMS = """
SELECT team.team_id AS id, team.number, team.name, team.description, count(membership.agent_id) AS members
FROM team
LEFT JOIN (
    SELECT team_id, agent_id FROM team_member WHERE tenant = $tenant
    UNION
    SELECT team_id, agent_id FROM agent WHERE tenant = $tenant AND team_id IS NOT NULL
) AS membership ON membership.team_id = team.team_id
WHERE team.tenant = $tenant
GROUP BY ALL
ORDER BY team.name, team.team_id
LIMIT $most
"""
_QUEUES = """
SELECT queue_id AS id, number, name, description
FROM queue
WHERE tenant = $tenant AND NOT coalesce(is_archived, false)
ORDER BY name, queue_id
LIMIT $most
"""
_SMART_VIEWS = """
SELECT smart_view_id AS id, name, description
FROM smart_view
WHERE tenant = $tenant
ORDER BY name, smart_view_id
LIMIT $most
"""


def teams(by: Caller, on: Services) -> list[Team]:
    """The account's teams with the number of their members, by name. Raises NotPermitted, Unavailable."""
    return _found(Team, _TEAMS, ("team", "team_member", "agent"), by, on)


def queues(by: Caller, on: Services) -> list[Queue]:
    """The account's queues that are in use, by name. Raises NotPermitted, Unavailable."""
    return _found(Queue, _QUEUES, ("queue",), by, on)


def smart_views(by: Caller, on: Services) -> list[SmartView]:
    """The account's smart views, by name. Raises NotPermitted, Unavailable."""
    return _found(SmartView, _SMART_VIEWS, ("smart_view",), by, on)


def _found(kind: type[Entry], sql: str, tables: tuple[str, ...], by: Caller, on: Services) -> list[Entry]:
    """Each query gives the fields of its kind, in their order."""
    require(by.principal, Scope.READ)
    tenant, now = by.principal.tenant, on.clock()
    columns = tuple(field.name for field in dataclasses.fields(kind))
    query = Query(sql=sql, values=MappingProxyType({"tenant": tenant, "most": _MOST}), columns=columns)
    uses = [TableUse(table=table, prune=Prune.ALL) for table in tables]
    # Whole tables are read, so the timespan has no say.
    timespan = Timespan(start=now, end=now + timedelta(microseconds=1), zone="UTC")
    # Nothing may spill, so nothing is ever written into that folder.
    limits = Limits(threads=1, memory_mb=_MEMORY_MB, temp_folder=on.artifacts.spill("look-up", 0), temp_mb=0)
    try:
        seen = snapshot(on.lake, uses, tenant=tenant, timespan=timespan)
        with seen as views, Session(limits, views) as session:
            return [kind(**row) for row in session.rows(query)]
    except AttemptError as error:
        raise Unavailable("The lake cannot be read at the moment.", retry_after=_RETRY_AFTER) from error
