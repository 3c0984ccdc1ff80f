"""The server's own audit log as a relation that a report can read beside the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import islice

from offtake.engine.duckdb import Session
from offtake.model.audit import SERVER_AUDIT, AuditRow
from offtake.model.request import ExportRequest
from offtake.store import audit
from offtake.store.database import Database

_BATCH = 5_000
_TICK = timedelta(microseconds=1)


def expose(session: Session, database: Database, request: ExportRequest) -> None:
    """Make ``server_audit``: the tenant's entries between the bounds of the rows, none later than the request."""
    end = request.effective_end if request.as_of is None else min(request.effective_end, request.as_of + _TICK)
    with database.stream() as connection:
        fill(session, audit.entries(connection, tenant=session.tenant, start=request.timespan.start, end=end))


def fill(session: Session, rows: Iterable[AuditRow]) -> None:
    """Make ``server_audit`` of these rows; the engine keeps them, and spills them where they are many.

    Another tenant's row is numbered and left out: the relation shows the session's tenant only, as every view does.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind in SERVER_AUDIT.items())
    session.define(f"CREATE TEMP TABLE server_audit ({columns})")
    own = ((number, row) for number, row in enumerate(rows, start=1) if row.entry.tenant == session.tenant)
    while batch := list(islice(own, _BATCH)):
        values = {
            "number": [number for number, _ in batch],
            "happened_at": [row.happened_at for _, row in batch],
            **{
                name: [getattr(row.entry, name) for _, row in batch]
                for name in ("tenant", "principal", "operation", "dialect", "job", "address", "outcome")
            },
        }
        lists = ", ".join(f"unnest(CAST(${name} AS {kind}[]))" for name, kind in SERVER_AUDIT.items())
        session.define(f"INSERT INTO server_audit SELECT {lists}", values)
