"""How often the resources of an export had to be reduced until its query fitted into memory.

Later exports with the same key start with that plan. A key is a tenant, a report, a format, a memory limit and a size
class: the number of binary digits of the row count, so that a class spans a factor of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from offtake.store.inserts import insert_into
from offtake.store.schema import memory_reduction as table


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionKey:
    """Exports that need about the same memory; ``rows`` is the row count of the tables that they read."""

    tenant: str
    report: str
    format: str
    memory_mb: int
    rows: int

    @property
    def size_class(self) -> int:
        """Number of binary digits of the row count."""
        return self.rows.bit_length()


def get(connection: Connection, key: ReductionKey) -> int:
    """Return the reductions that exports with the key, or smaller ones, need; 0 if none is known."""
    statement = select(func.max(table.c.reductions)).where(
        table.c.tenant == key.tenant,
        table.c.report == key.report,
        table.c.format == key.format,
        table.c.memory_mb == key.memory_mb,
        table.c.size_class <= key.size_class,
    )
    return int(connection.execute(statement).scalar_one() or 0)


def record(connection: Connection, key: ReductionKey, reductions: int, *, now: datetime) -> None:
    """Record that exports with the key need at least so many reductions."""
    statement = insert_into(connection, table).values(
        tenant=key.tenant,
        report=key.report,
        format=key.format,
        memory_mb=key.memory_mb,
        size_class=key.size_class,
        reductions=reductions,
        recorded_at=now,
    )
    new = statement.excluded.reductions
    larger = case((new > table.c.reductions, new), else_=table.c.reductions)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={"reductions": larger, "recorded_at": statement.excluded.recorded_at},
        )
    )
