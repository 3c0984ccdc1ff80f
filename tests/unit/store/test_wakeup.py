"""A worker learns of a new job without asking for one."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import text

from offtake.store.database import Database, sqlite_url
from offtake.store.wakeup import wakeup


def test_a_commit_elsewhere_ends_the_wait(tmp_path: Path) -> None:
    database, other = Database(sqlite_url(tmp_path / "state.db")), Database(sqlite_url(tmp_path / "state.db"))
    with other.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    changes = wakeup(database)
    changes.clear()
    woken = threading.Event()

    def wait() -> None:
        changes.wait(600, lambda: False)  # far longer than the test may take: only the commit can end it
        woken.set()

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    assert not woken.is_set()
    with other.write() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    assert woken.wait(60)
    waiter.join()
    changes.close()
    database.close()
    other.close()


def test_a_change_between_clear_and_wait_is_not_lost(tmp_path: Path) -> None:
    database, other = Database(sqlite_url(tmp_path / "state.db")), Database(sqlite_url(tmp_path / "state.db"))
    changes = wakeup(database)
    changes.clear()
    with other.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    changes.wait(600, lambda: False)  # returns at once
    changes.close()
    database.close()
    other.close()


def test_a_wait_ends_when_asked_to_stop(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "state.db"))
    changes = wakeup(database)
    changes.clear()
    changes.wait(600, lambda: True)
    changes.close()
    database.close()
