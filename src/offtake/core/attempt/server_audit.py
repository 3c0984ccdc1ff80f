"""The server's audit log as the relation ``server_audit``, which a report can join with the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import count, islice

from offtake.engine.duckdb import Session
from offtake.model.audit import SERVER_AUDIT, AuditRow
from offtake.model.request import ExportRequest
from offtake.store import audit
from offtake.store.database import Database

_BATCH_SIZE = 5_000  # rows
_INSTANT_STEP = timedelta(microseconds=1)


def expose(session: Session, database: Database, request: ExportRequest, *, tenant: str) -> None:
    """Create ``server_audit`` with the tenant's entries in the timespan, up to the creation of the export."""
    end = request.timespan.end if request.as_of is None else min(request.timespan.end, request.as_of + _INSTANT_STEP)
    with database.stream() as connection:
        fill(session, audit.entries(connection, tenant=tenant, start=request.timespan.start, end=end))


def fill(session: Session, rows: Iterable[AuditRow]) -> None:
    """Create ``server_audit`` from these rows in batches; the engine spills them to disk if they exceed its memory."""
    columns = ", ".join(f"{name} {kind}" for name, kind in SERVER_AUDIT.items())
    session.define(f"CREATE TEMP TABLE server_audit ({columns})")
    numbers, remaining = count(1), iter(rows)
    while batch := list(islice(remaining, _BATCH_SIZE)):
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
