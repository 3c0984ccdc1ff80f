"""Removal of deleted values from the files of the state database, where they stay until their space is used again."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from offtake.errors import Unavailable
from offtake.store.database import Database
from offtake.store.subject_records import searched_tables

_ATTEMPTS, _PAUSE_SECONDS = 100, 0.1


def overwrite(database: Database) -> None:
    """Rewrite the database without deleted values; on PostgreSQL, the tables that can hold values of a person.

    Writers wait meanwhile. Raises Unavailable if other connections prevent it.
    """
    if database.file is None:
        with database.connect_directly() as connection:
            for table in searched_tables():
                connection.execute(f"VACUUM (FULL) {table}".encode())
        return
    with closing(sqlite3.connect(database.file, timeout=15, isolation_level=None)) as connection:
        for _ in range(_ATTEMPTS):
            try:
                connection.execute("VACUUM")
                busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                busy = 1
            if not busy:
                return
            time.sleep(_PAUSE_SECONDS)
    raise Unavailable("The state database is busy, so deleted values stay in its files; repeat it.", retry_after=5)
