"""Counters and the worker registry: exact with concurrent writers; workers without heartbeat are not alive."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from offtake.core import counters as names
from offtake.core.admin import identity, worker_registry
from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import CancelReason
from offtake.core.services import Services
from offtake.errors import QueryFailed, StorageUnavailable
from offtake.model.job import Job, Lease, Status
from offtake.model.tenant import Tenant
from offtake.store import counters, job_claims, jobs
from offtake.store.counters import CounterValue
from offtake.store.database import Database
from tests.fixtures.exports import NOON, queued

THREADS, ROUNDS = 8, 10


def stored(database: Database) -> dict[tuple[str, str, str], int]:
    with database.read() as connection:
        return {(one.name, one.dialect, one.label): one.value for one in counters.read(connection)}


def test_concurrent_increments_are_complete_and_do_not_deadlock(database: Database) -> None:
    """Transactions that lock the same rows in different orders would deadlock."""
    several = [CounterValue(name=f"n{number}", dialect="talkdesk", label="k", value=number) for number in range(6)]
    start = threading.Barrier(THREADS)

    def add(thread: int) -> None:
        start.wait()
        for _ in range(ROUNDS):
            with database.write() as connection:
                counters.add(connection, several if thread % 2 else several[::-1])

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(add, range(THREADS)))
    total = THREADS * ROUNDS
    assert stored(database) == {(f"n{number}", "talkdesk", "k"): number * total for number in range(6)}


def test_a_counter_may_exceed_32_bits(database: Database) -> None:
    for _ in range(2):
        with database.write() as connection:
            counters.add(connection, [CounterValue(name=names.BYTES, value=2**40)])
    assert stored(database) == {(names.BYTES, "", ""): 2**41}


def test_a_rolled_back_transaction_increments_no_counter(database: Database) -> None:
    with database.write() as connection:
        counters.add(connection, [CounterValue(name="x")])
        connection.rollback()
    assert stored(database) == {}


def test_workers_without_heartbeat_are_not_alive_and_are_forgotten(services: Services) -> None:
    on, long = services, timedelta(days=1)
    worker_registry.heartbeat("one", on)
    worker_registry.heartbeat("two", on)
    worker_registry.heartbeat("two", on)
    assert worker_registry.count_alive(on, within=timedelta(seconds=30)) == 2
    worker_registry.deregister("two", on)
    assert worker_registry.count_alive(on, within=timedelta(seconds=30)) == 1
    with on.database.write() as connection:
        connection.execute(text("UPDATE worker SET seen_at = :then"), {"then": _stored(on.database, long)})
    assert worker_registry.count_alive(on, within=timedelta(seconds=30)) == 0
    assert worker_registry.count_alive(on, within=2 * long) == 1
    worker_registry.forget_stale(on)
    assert worker_registry.count_alive(on, within=2 * long) == 0


def _stored(database: Database, ago: timedelta) -> datetime | int:
    then = datetime.now(UTC) - ago
    is_sqlite = database.engine.dialect.name == "sqlite"
    return int(then.timestamp() * 1_000_000) if is_sqlite else then


def test_open_jobs_are_counted_by_state_with_their_earliest_due_time(services: Services) -> None:
    with_tenant(services)
    for minutes in (3, 1, 2):
        put(services, queued(created_at=NOON + timedelta(minutes=minutes)))
    lease = claim(services, at=NOON + timedelta(minutes=1))
    with services.database.read() as connection:
        found = {each.status: each for each in counters.open_jobs(connection)}
    assert {status: each.number for status, each in found.items()} == {Status.QUEUED: 2, Status.RUNNING: 1}
    assert found[Status.QUEUED].due_at == NOON + timedelta(minutes=2)
    assert found[Status.RUNNING].due_at == lease.job.not_before == NOON + timedelta(minutes=1)


def test_counting_open_jobs_reads_only_the_partial_index(migrated_sqlite: Path) -> None:
    """The statement reads the partial index of open jobs, not the table (PostgreSQL's plan depends on its rows)."""
    statement = str(counters.OPEN_JOBS.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with closing(sqlite3.connect(migrated_sqlite)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert any("USING INDEX ix_job_open" in step for step in plan), plan


def test_counters_of_attempts_by_outcome_and_of_lost_leases(services: Services) -> None:
    on = replace(services, attempt=replace(services.attempt, attempts=2))
    with_tenant(on)
    put(on, queued())
    first = claim(on)
    assert outcome.record_outcome(first, QueryFailed("no"), CancelReason.STOPPING, on) == "requeued"
    second = claim(on)
    assert outcome.record_outcome(second, StorageUnavailable("no"), None, on) == "retry"
    late = NOON + timedelta(days=9999)
    third = claim(on, at=late)
    assert outcome.record_outcome(second, QueryFailed("no"), None, on) == "lease_lost"  # the third has it now
    assert outcome.rescue_expired_leases(on, dead_worker="w") == 1
    assert third.job.attempts == 2
    put(on, queued())
    fourth = claim(on)
    assert outcome.record_outcome(fourth, QueryFailed("no"), None, on) == "failed"
    sums = stored(on.database)
    attempts = {label: value for (name, _, label), value in sums.items() if name == names.ATTEMPTS}
    assert attempts == {"requeued": 1, "retry": 1, "lease_lost": 1, "failed": 1}
    assert sums[names.LEASES_LOST, "talkdesk", ""] == 1
    assert sums[names.JOBS_ENDED, "talkdesk", "failed"] == 2  # one had no attempts left
    assert sum(value for (name, *_), value in sums.items() if name == names.ATTEMPTS_WITHIN) == 4


def with_tenant(on: Services) -> None:
    identity.add_tenant(Tenant(name="acme"), on)


def put(on: Services, job: Job) -> None:
    with on.database.write() as connection:
        jobs.add(connection, job)


def claim(on: Services, *, at: datetime | None = None) -> Lease:
    now = at or on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    return lease
