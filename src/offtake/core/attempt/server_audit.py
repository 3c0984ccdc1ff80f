"""The server's own audit log as a relation that a report can read beside the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import count, islice

from offtake.engine.duckdb import Session
from offtake.model.audit import SERVER_AUDIT, AuditRow
from offtake.model.request import ExportRequest
from offtake.store import audit
from offtake.store.database import Database

_BATCH = 5_000
_TICK = timedelta(microseconds=1)


def expose(session: Session, database: Database, request: ExportRequest, *, tenant: str) -> None:
    """Make ``server_audit``: the tenant's entries inside the timespan that are not later than the order itself."""
    end = request.timespan.end if request.as_of is None else min(request.timespan.end, request.as_of + _TICK)
    with database.stream() as connection:
        fill(session, audit.entries(connection, tenant=tenant, start=request.timespan.start, end=end))


def fill(session: Session, rows: Iterable[AuditRow]) -> None:
    """Make ``server_audit`` of these rows; the engine keeps them, and spills them where they are many."""
    columns = ", ".join(f"{name} {kind}" for name, kind in SERVER_AUDIT.items())
    session.define(f"CREATE TEMP TABLE server_audit ({columns})")
    numbers, left = count(1), iter(rows)
    while batch := list(islice(left, _BATCH)):
        values = {
            "number": [next(numbers) for _ in batch],
            "happened_at": [row.happened_at for row in batch],
            **{
                name: [getattr(row.entry, name) for row in batch]
                for name in ("tenant", "principal", "operation", "dialect", "job", "address", "outcome")
            },
        }
        lists = ", ".join(f"unnest(CAST(${name} AS {kind}[]))" for name, kind in SERVER_AUDIT.items())
        session.define(f"INSERT INTO server_audit SELECT {lists}", values)
