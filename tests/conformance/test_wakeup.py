"""Wake-up of idle workers: queued jobs end the wait, and a lost connection is reopened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from offtake.model.job import Lease
from offtake.model.tenant import Tenant
from offtake.store import identity, job_claims, jobs
from offtake.store.database import Database
from offtake.store.wakeup import NotificationListener, Wakeup, wakeup
from tests.fixtures.exports import NOON, queued

EVER = 600.0  # seconds: far longer than a test may take


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """A second connection pool to the same database, as of another process, with one tenant."""
    opened = Database(database.url.render_as_string(hide_password=False))
    with opened.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    yield opened
    opened.close()


@pytest.fixture
def changes(database: Database, other: Database) -> Iterator[Wakeup]:
    """The wake-up of a worker, without changes so far."""
    with closing(wakeup(database)) as made:
        made.clear()
        yield made


def queue(database: Database) -> None:
    with database.write() as connection:
        jobs.add(connection, queued())


REQUEUE: tuple[Callable[[Connection, Lease], bool], ...] = (
    lambda connection, lease: jobs.schedule_retry(connection, lease, not_before=NOON),
    lambda connection, lease: jobs.requeue(connection, lease, now=NOON),
)


def waiting(changes: Wakeup, stop: threading.Event) -> threading.Thread:
    """Start a thread that waits for a change or for ``stop``."""
    waiter = threading.Thread(target=changes.wait, args=(EVER, stop.is_set), daemon=True)
    waiter.start()
    return waiter


def test_a_queued_job_ends_the_wait(changes: Wakeup, other: Database) -> None:
    waiter = waiting(changes, threading.Event())
    assert waiter.is_alive()
    queue(other)
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_requeued_job_ends_the_wait(changes: Wakeup, other: Database) -> None:
    for requeue in REQUEUE:
        queue(other)
        with other.write() as connection:
            lease = job_claims.claim(connection, worker="w", now=NOON, until=NOON)
        assert lease is not None
        changes.clear()
        with other.write() as connection:
            assert requeue(connection, lease)
        changes.wait(EVER, lambda: False)


def test_a_change_between_clear_and_wait_is_not_lost(changes: Wakeup, other: Database) -> None:
    queue(other)
    changes.wait(EVER, lambda: False)


def test_a_wait_ends_when_asked_to_stop(changes: Wakeup) -> None:
    changes.wait(EVER, lambda: True)


def test_a_rolled_back_transaction_wakes_no_worker(changes: Wakeup, other: Database) -> None:
    job = queued()

    def queue_twice() -> None:
        with other.write() as connection:
            for _ in range(2):
                jobs.add(connection, job)

    with pytest.raises(IntegrityError):
        queue_twice()
    looks = iter([False] * 5 + [True])
    changes.wait(EVER, lambda: next(looks))
    assert list(looks) == []  # ``stop`` ended the wait


def test_a_lost_listener_reconnects(changes: Wakeup, other: Database) -> None:
    """PostgreSQL only: SQLite has no connection that can be lost."""
    if not isinstance(changes, NotificationListener):
        return
    with other.write() as connection:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        assert connection.execute(text(f"{ended} AND datname = current_database()")).scalar_one() == 1
    changes.wait(EVER, lambda: False)  # returns at once, because notifications may have been missed
    waiter = waiting(changes, threading.Event())
    queue(other)
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_listener_without_a_server_waits_for_its_timeout() -> None:
    absent = NotificationListener(Database("postgresql://ann@127.0.0.1:1/nothing").connect_directly)
    absent.clear()
    absent.wait(0.05, lambda: False)
    absent.close()
