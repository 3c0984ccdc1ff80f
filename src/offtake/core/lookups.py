"""Lookups of teams, queues and smart views in the tenant's lake.

The request itself reads these small tables, so the number of rows and the memory are limited.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TypeVar

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import AttemptError, Unavailable
from offtake.lake.queries import read_query
from offtake.lake.snapshot import snapshot
from offtake.model.lookups import Queue, SmartView, Team
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.tenant import Scope

Entry = TypeVar("Entry", Team, Queue, SmartView)

_MAX_ROWS = 10_000
_MEMORY_MB = 128
_RETRY_SECONDS = 5


def teams(by: Caller, on: Services) -> list[Team]:
    """Return the account's teams with their numbers of members, sorted by name. Raises NotPermitted, Unavailable."""
    return _look_up(Team, read_query("teams"), ("team", "team_member", "agent"), by, on)


def queues(by: Caller, on: Services) -> list[Queue]:
    """Return the account's queues that are not archived, sorted by name. Raises NotPermitted, Unavailable."""
    return _look_up(Queue, read_query("queues"), ("queue",), by, on)


def smart_views(by: Caller, on: Services) -> list[SmartView]:
    """Return the account's smart views, sorted by name. Raises NotPermitted, Unavailable."""
    return _look_up(SmartView, read_query("smart_views"), ("smart_view",), by, on)


def _look_up(entry: type[Entry], sql: str, tables: tuple[str, ...], by: Caller, on: Services) -> list[Entry]:
    """Run a query whose columns are the fields of ``entry``, in the same order."""
    require(by.principal, Scope.READ)
    tenant = by.principal.tenant
    columns = tuple(field.name for field in dataclasses.fields(entry))
    query = Query(sql=sql, values=MappingProxyType({"max_rows": _MAX_ROWS}), columns=columns)
    uses = [TableUse(table=table, prune=Prune.ALL) for table in tables]
    # temp_mb=0 forbids spilling, so the folder stays empty.
    limits = Limits(threads=1, memory_mb=_MEMORY_MB, temp_folder=on.artifacts.spill("lookup", 0), temp_mb=0)
    try:
        opened = snapshot(on.lake, uses, tenant=tenant)
        with opened as views, Session(limits, views, tenant=tenant) as session:
            return [entry(**row) for row in session.rows(query)]
    except AttemptError as error:
        message = f"The lake cannot be read at the moment; retry after {_RETRY_SECONDS} seconds."
        raise Unavailable(message, retry_after=_RETRY_SECONDS) from error
