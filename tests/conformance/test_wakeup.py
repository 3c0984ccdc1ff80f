"""A worker learns of a new job without asking for one, on every database, and goes on when the news is cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from offtake.model.job import Lease
from offtake.model.tenant import Tenant
from offtake.store import identity, jobs
from offtake.store.database import Database
from offtake.store.wakeup import Notices, Wakeup, wakeup
from tests.fixtures.orders import NOON, queued

EVER = 600.0  # seconds: far longer than a test may take


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """The same database as another process sees it, with one tenant."""
    opened = Database(database.url.render_as_string(hide_password=False))
    with opened.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    yield opened
    opened.close()


@pytest.fixture
def changes(database: Database, other: Database) -> Iterator[Wakeup]:
    """What a worker waits for; nothing has happened yet."""
    with closing(wakeup(database)) as made:
        made.clear()
        yield made


def queue(database: Database) -> None:
    with database.write() as connection:
        jobs.add(connection, queued())


GIVE_BACK: tuple[Callable[[Connection, Lease], bool], ...] = (
    lambda connection, lease: jobs.schedule_retry(connection, lease, not_before=NOON),
    lambda connection, lease: jobs.requeue(connection, lease, now=NOON),
)


def waiting(changes: Wakeup, stop: threading.Event) -> threading.Thread:
    """Somebody who waits for ever, until something changes or they are told to stop."""
    waiter = threading.Thread(target=changes.wait, args=(EVER, stop.is_set), daemon=True)
    waiter.start()
    return waiter


def test_a_queued_job_ends_the_wait(changes: Wakeup, other: Database) -> None:
    waiter = waiting(changes, threading.Event())
    assert waiter.is_alive()
    queue(other)
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_job_that_goes_back_to_the_queue_ends_the_wait(changes: Wakeup, other: Database) -> None:
    for give_back in GIVE_BACK:
        queue(other)
        with other.write() as connection:
            lease = jobs.claim(connection, worker="w", now=NOON, until=NOON)
        assert lease is not None
        changes.clear()
        with other.write() as connection:
            assert give_back(connection, lease)
        changes.wait(EVER, lambda: False)


def test_a_change_between_clear_and_wait_is_not_lost(changes: Wakeup, other: Database) -> None:
    queue(other)
    changes.wait(EVER, lambda: False)


def test_a_wait_ends_when_asked_to_stop(changes: Wakeup) -> None:
    changes.wait(EVER, lambda: True)


def test_what_is_rolled_back_wakes_nobody(changes: Wakeup, other: Database) -> None:
    job = queued()

    def queue_twice() -> None:
        with other.write() as connection:
            for _ in range(2):
                jobs.add(connection, job)

    with pytest.raises(IntegrityError):
        queue_twice()
    looks = iter([False] * 5 + [True])
    changes.wait(EVER, lambda: next(looks))
    assert list(looks) == []  # it was the stop that ended it


def test_a_listener_that_was_cut_off_listens_again(changes: Wakeup, other: Database) -> None:
    """SQLite's look at its file cannot be cut off."""
    if not isinstance(changes, Notices):
        return
    with other.write() as connection:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        assert connection.execute(text(f"{ended} AND datname = current_database()")).scalar_one() == 1
    changes.wait(EVER, lambda: False)  # the fresh connection may have missed something, so this ends
    waiter = waiting(changes, threading.Event())
    queue(other)
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_listener_without_a_server_waits_for_its_time_only() -> None:
    absent = Notices(Database("postgresql://nobody@127.0.0.1:1/nothing").connect_directly)
    absent.clear()
    absent.wait(0.05, lambda: False)
    absent.close()
