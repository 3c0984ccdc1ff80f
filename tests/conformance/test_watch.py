"""Clients that wait for jobs, and the holds of clients, on every state database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from offtake.core.exports.watch import JobWatch
from offtake.model.job import Job
from offtake.model.tenant import Tenant
from offtake.store import identity, job_states, jobs
from offtake.store.database import Database
from tests.fixtures.exports import NOON, queued
from tests.fixtures.polling import TIMEOUT_SECONDS


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """A second connection pool to the same database, as of another process, with one tenant."""
    opened = Database(database.url.render_as_string(hide_password=False))
    with opened.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    yield opened
    opened.close()


def add(database: Database, number: int = 0) -> Job:
    job = replace(queued(), id=f"00000000-0000-4000-8000-{number:012}", created_at=NOON + timedelta(seconds=number))
    with database.write() as connection:
        jobs.add(connection, job)
    return job


def cancel(database: Database, job: Job) -> None:
    with database.write() as connection:
        assert jobs.cancel(connection, job.id, tenant=job.tenant, now=NOON)


def test_a_waiter_hears_of_the_moves_of_its_job_only(database: Database, other: Database) -> None:
    first, second = add(other, 1), add(other, 2)
    watch = JobWatch(database)
    heard, unheard = threading.Event(), threading.Event()
    with watch.watch(first, heard.set), watch.watch(second, unheard.set):
        cancel(other, first)
        assert heard.wait(TIMEOUT_SECONDS)
    assert not unheard.is_set()


def test_a_move_before_the_wait_is_not_missed(database: Database, other: Database) -> None:
    job = add(other)
    cancel(other, job)
    heard = threading.Event()
    with JobWatch(database).watch(job, heard.set):
        assert heard.wait(TIMEOUT_SECONDS)


def test_the_thread_ends_with_the_last_waiter_and_begins_with_the_next(database: Database, other: Database) -> None:
    watch, before = JobWatch(database), set(threading.enumerate())
    for number in (1, 2):
        job, heard = add(other, number), threading.Event()
        with watch.watch(job, heard.set):
            (thread,) = set(threading.enumerate()) - before
            cancel(other, job)
            assert heard.wait(TIMEOUT_SECONDS)
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()


def test_the_place_of_a_job_counts_the_jobs_of_its_tenant_that_come_before(database: Database, other: Database) -> None:
    first, second, third = (add(other, number) for number in (1, 2, 3))
    with database.read() as connection:
        assert [job_states.count_before(connection, job) for job in (third, first, second)] == [2, 0, 1]


def test_a_hold_of_the_operator_replaces_that_of_a_client_and_not_vice_versa(
    database: Database, other: Database
) -> None:
    job = add(other)

    def hold(by: str | None) -> str | None:
        with database.write() as connection:
            held = jobs.hold(connection, job.id, now=NOON, by=by)
        assert held is not None
        assert held.held_at == NOON
        return held.held_by

    assert [hold("client"), hold("another"), hold(None), hold("client")] == ["client", "client", None, None]
    with database.write() as connection:
        released = jobs.release(connection, job.id)
    assert released is not None
    assert (released.held_at, released.held_by) == (None, None)
