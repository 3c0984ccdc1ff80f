"""Copying the whole state from one database to another, and the proof that both hold the same.

The source is locked against writers for as long as it takes (its tables are read in one transaction), the target gets
everything in one transaction: it ends up whole or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, text

from offtake.errors import StateError
from offtake.model.job import LEASED
from offtake.store.database import Database
from offtake.store.schema import audit, job, metadata

_AT_ONCE = 1_000
Progress = Callable[[str, int, int], None]  # what is done, rows so far, rows in all
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = 'offtake'"
)


def copy_all(source: Database, target: Database, progress: Progress) -> dict[str, int]:
    """Copy every table, compare row by row, commit; how many rows each has. Both have the newest schema.

    Raises StateError when the target holds anything, when an attempt is running, or when the copy differs.
    """
    with source.write() as old, target.write() as new:
        for connection in (old, new):
            if connection.dialect.name == "postgresql":  # one side is idle while the other sorts
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if old.dialect.name == "postgresql":
            _lock_tables(old)
        _require_rest(old)
        _require_empty(new)
        counts = {table.name: _count(old, table) for table in metadata.sorted_tables}
        whole, done = sum(counts.values()), 0
        for table in metadata.sorted_tables:
            for batch in _batches(old, table):
                new.execute(insert(table), [dict(row._mapping) for row in batch])
                done += len(batch)
                progress(f"copying {table.name}", done, 2 * whole)
        for table in metadata.sorted_tables:
            for rows in _compared(old, new, table):
                done += rows
                progress(f"comparing {table.name}", done, 2 * whole)
        _continue_numbers(new)
    return counts


def _lock_tables(connection: Connection) -> None:
    """Nobody writes until the transaction ends; SQLite's writer lock says that of the whole file."""
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    connection.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))
    others = connection.execute(_OTHERS).scalar_one()
    if others:
        raise StateError(f"{others} connections of servers or workers are open; stop them first.")


def _require_rest(connection: Connection) -> None:
    statement = select(func.count()).select_from(job).where(job.c.status.in_(sorted(LEASED)))
    running = connection.execute(statement).scalar_one()
    if running:
        message = f"{running} exports are running, or their workers were killed; start a server, stop it, try again."
        raise StateError(message)


def _require_empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StateError(f"The target is not empty: its table {table.name} has rows.")


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _batches(connection: Connection, table: Table) -> Iterator[list[Row[Any]]]:
    """All rows in the order of the key, byte by byte: collations of two databases differ."""
    order = [_bytewise(connection, column) for column in table.primary_key.columns]
    statement = select(table).order_by(*order).execution_options(yield_per=_AT_ONCE)
    for batch in connection.execute(statement).partitions():
        yield list(batch)


def _bytewise(connection: Connection, column: Any) -> Any:
    is_text = column.type.python_type is str
    return column.collate("C") if is_text and connection.dialect.name == "postgresql" else column


def _compared(old: Connection, new: Connection, table: Table) -> Iterator[int]:
    """Compare, batch by batch; how many rows were alike."""
    nothing: list[Row[Any]] = []
    for ours, theirs in zip_longest(_batches(old, table), _batches(new, table), fillvalue=nothing):
        if [tuple(row) for row in ours] != [tuple(row) for row in theirs]:
            raise StateError(f"The copy of table {table.name} differs from the original; nothing was kept.")
        yield len(ours)


def _continue_numbers(connection: Connection) -> None:
    """Numbers that the target gives itself go on after the last one; SQLite does that by itself."""
    if connection.dialect.name != "postgresql":
        return
    last = connection.execute(select(func.max(audit.c.id))).scalar_one()
    if last is not None:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('audit', 'id'), :last)"), {"last": last})
