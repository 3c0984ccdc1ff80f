"""The server's audit log as the relation ``server_audit``, which a report can join with the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import islice

from offtake.engine.duckdb import Session
from offtake.model.audit import SERVER_AUDIT, AuditRow
from offtake.model.request import ExportRequest
from offtake.store import audit
from offtake.store.database import Database

_BATCH_SIZE = 5_000  # rows
_INSTANT_STEP = timedelta(microseconds=1)


def expose(session: Session, database: Database, request: ExportRequest) -> None:
    """Create ``server_audit`` with the tenant's entries up to the effective end and the creation of the export."""
    end = request.effective_end if request.as_of is None else min(request.effective_end, request.as_of + _INSTANT_STEP)
    with database.stream() as connection:
        fill(session, audit.entries(connection, tenant=session.tenant, start=request.timespan.start, end=end))


def fill(session: Session, rows: Iterable[AuditRow]) -> None:
    """Create ``server_audit`` from these rows in batches; the engine spills them to disk if they exceed its memory.

    Rows of other tenants are numbered but omitted, as in every view of the session.
    """
    own = ((number, row) for number, row in enumerate(rows, start=1) if row.entry.tenant == session.tenant)
    session.create_relation("server_audit", SERVER_AUDIT, _batches(own))


def _batches(numbered: Iterator[tuple[int, AuditRow]]) -> Iterator[Mapping[str, object]]:
    while batch := list(islice(numbered, _BATCH_SIZE)):
        yield {
            "number": [number for number, _ in batch],
            "happened_at": [row.happened_at for _, row in batch],
            **{
                name: [getattr(row.entry, name) for _, row in batch]
                for name in ("tenant", "principal", "operation", "dialect", "job", "address", "outcome", "count")
            },
        }
