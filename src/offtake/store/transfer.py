"""Copy of the whole state from one database to another, with a comparison of both.

The source is locked against writers and read in one transaction. The target is written in one transaction, so it is
complete or unchanged.
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

_BATCH_SIZE = 1_000  # rows
Progress = Callable[[str, int, int], None]  # (step, rows so far, total rows)
_OTHER_CONNECTIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = 'offtake'"
)


def copy_all(source: Database, target: Database, progress: Progress) -> dict[str, int]:
    """Copy all tables, compare them row by row, commit, and return the number of rows by table.

    Both databases must have the newest schema. Raises StateError if the target is not empty, an attempt is running,
    other processes are connected to the source, or the copy differs.
    """
    with source.write() as old, target.write() as new:
        for connection in (old, new):
            if connection.dialect.name == "postgresql":  # one connection is idle while the other database sorts
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if old.dialect.name == "postgresql":
            _lock_tables(old)
        _require_no_running_jobs(old)
        _require_empty(new)
        counts = {table.name: _count(old, table) for table in metadata.sorted_tables}
        total, done = sum(counts.values()), 0
        for table in metadata.sorted_tables:
            for batch in _batches(old, table):
                new.execute(insert(table), [dict(row._mapping) for row in batch])
                done += len(batch)
                progress(f"copying {table.name}", done, 2 * total)
        for table in metadata.sorted_tables:
            for rows in _compare(old, new, table):
                done += rows
                progress(f"comparing {table.name}", done, 2 * total)
        _advance_sequences(new)
    return counts


def _lock_tables(connection: Connection) -> None:
    """Lock all tables against writers. On SQLite the write lock has this effect."""
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    connection.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))
    others = connection.execute(_OTHER_CONNECTIONS).scalar_one()
    if others:
        raise StateError(f"{others} connections of servers or workers are open; stop all servers and workers first.")


def _require_no_running_jobs(connection: Connection) -> None:
    statement = select(func.count()).select_from(job).where(job.c.status.in_(sorted(LEASED)))
    running = connection.execute(statement).scalar_one()
    if running:
        message = f"{running} exports are running or their workers were killed; start a server, stop it and retry."
        raise StateError(message)


def _require_empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StateError(f"The target is not empty: its table {table.name} has rows. Choose an empty database.")


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _batches(connection: Connection, table: Table) -> Iterator[list[Row[Any]]]:
    """Yield all rows in batches, in bytewise order of the primary key, because the databases' collations may differ."""
    order = [_bytewise(connection, column) for column in table.primary_key.columns]
    statement = select(table).order_by(*order).execution_options(yield_per=_BATCH_SIZE)
    for batch in connection.execute(statement).partitions():
        yield list(batch)


def _bytewise(connection: Connection, column: Any) -> Any:
    is_text = column.type.python_type is str
    return column.collate("C") if is_text and connection.dialect.name == "postgresql" else column


def _compare(old: Connection, new: Connection, table: Table) -> Iterator[int]:
    """Compare a table batch by batch, yielding the number of rows of each. Raises StateError if they differ."""
    missing: list[Row[Any]] = []
    for original, copy in zip_longest(_batches(old, table), _batches(new, table), fillvalue=missing):
        if [tuple(row) for row in original] != [tuple(row) for row in copy]:
            raise StateError(
                f"The copy of table {table.name} differs from the original; the target was left unchanged."
            )
        yield len(original)


def _advance_sequences(connection: Connection) -> None:
    """Let the target's sequences continue behind the last copied number. SQLite does this automatically."""
    if connection.dialect.name != "postgresql":
        return
    last = connection.execute(select(func.max(audit.c.id))).scalar_one()
    if last is not None:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('audit', 'id'), :last)"), {"last": last})
