"""The transactional outbox: messages are written with the job, and delivered at least once."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from offtake.core import dispatch
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.errors import QuotaExceeded
from offtake.model.job import Job, Status
from offtake.model.tenant import Tenant
from offtake.store import identity, job_claims, job_queries, jobs, outbox
from offtake.store.database import Database
from offtake.store.outbox import Message, MessageKind
from tests.fixtures.exports import EXPORT, NOON, caller, queued

CLAIM_TIME = timedelta(seconds=10)
SOON = NOON + CLAIM_TIME
MINUTE = timedelta(minutes=1)


@pytest.fixture
def dispatching(services: Services) -> Services:
    """Services with an engine and a tenant; the host's clock is fixed at noon."""
    with services.database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    return replace(services, dispatches=True, clock=lambda: NOON)


def current_time(dispatching: Services) -> datetime:
    """Return the current time: noon, or the database's clock."""
    with dispatching.database.read() as connection:
        return dispatching.now(connection)


def claimed(database: Database, *, now: datetime, limit: int = 100) -> list[tuple[str, MessageKind]]:
    with database.write() as connection:
        found = outbox.claim(connection, now=now, retry_at=now + CLAIM_TIME, limit=limit)
    return [(message.job, message.kind) for message in found]


def test_create_and_cancel_each_add_a_message(dispatching: Services) -> None:
    job = create_export(EXPORT, caller(), dispatching)
    cancel_export(JobRef(id=job.id, dialect="talkdesk"), caller(), dispatching)
    assert sorted(claimed(dispatching.database, now=current_time(dispatching))) == [
        (job.id, MessageKind.CANCEL),
        (job.id, MessageKind.START),
    ]


def test_without_an_engine_no_message_is_added(dispatching: Services) -> None:
    create_export(EXPORT, caller(), replace(dispatching, dispatches=False))
    assert claimed(dispatching.database, now=current_time(dispatching)) == []


def test_a_refused_create_adds_no_message(dispatching: Services) -> None:
    for _ in range(15):
        create_export(EXPORT, caller(), dispatching)
    with pytest.raises(QuotaExceeded):
        create_export(EXPORT, caller(), dispatching)
    assert len(claimed(dispatching.database, now=current_time(dispatching))) == 15


def test_a_repeated_create_adds_no_second_message(dispatching: Services) -> None:
    first = create_export(EXPORT, caller(), dispatching, key="k")
    assert create_export(EXPORT, caller(), dispatching, key="k").id == first.id
    assert claimed(dispatching.database, now=current_time(dispatching)) == [(first.id, MessageKind.START)]


def test_a_claimed_message_can_be_claimed_again_after_a_delay(dispatching: Services) -> None:
    job = create_export(EXPORT, caller(), dispatching)
    now = current_time(dispatching)
    assert claimed(dispatching.database, now=now) == [(job.id, MessageKind.START)]
    assert claimed(dispatching.database, now=now + CLAIM_TIME - timedelta(seconds=1)) == []
    with dispatching.database.write() as connection:
        (again,) = outbox.claim(connection, now=now + CLAIM_TIME, retry_at=now + MINUTE, limit=1)
    assert (again.job, again.tenant, again.tries) == (job.id, "acme", 2)


def test_an_acknowledged_message_is_deleted_and_a_postponed_one_returns(dispatching: Services) -> None:
    delivered, late = (create_export(EXPORT, caller(), dispatching) for _ in range(2))
    now = current_time(dispatching)
    with dispatching.database.write() as connection:
        for message in outbox.claim(connection, now=now, retry_at=now + MINUTE, limit=2):
            if message.job == delivered.id:
                outbox.acknowledge(connection, message)
            else:
                outbox.postpone(connection, message, now=now, delay=timedelta(seconds=2))
    with dispatching.database.read() as connection:
        assert not outbox.is_due(connection, now=now + timedelta(seconds=1))
        assert outbox.is_due(connection, now=now + timedelta(seconds=2))
    assert claimed(dispatching.database, now=now + timedelta(seconds=2)) == [(late.id, MessageKind.START)]


def test_the_oldest_messages_are_claimed_first(dispatching: Services) -> None:
    middle, oldest, youngest = queued(), queued(), queued()
    with dispatching.database.write() as connection:
        for job, age in ((middle, 2), (oldest, 3), (youngest, 1)):
            outbox.add(connection, job, MessageKind.START, now=NOON - timedelta(seconds=age))
    first = claimed(dispatching.database, now=NOON, limit=2)
    assert [job for job, _ in first] == [oldest.id, middle.id]


def test_concurrent_relays_claim_different_messages(dispatching: Services) -> None:
    made = {create_export(EXPORT, caller(), dispatching).id for _ in range(15)}
    now = current_time(dispatching)
    found: list[str] = []
    start = threading.Barrier(5)

    def take() -> None:
        start.wait()
        for _ in range(15):
            found.extend(job for job, _ in claimed(dispatching.database, now=now, limit=2))

    threads = [threading.Thread(target=take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(made)


def test_overdue_jobs_without_a_message_are_dispatched_again(dispatching: Services) -> None:
    database, now = dispatching.database, current_time(dispatching)
    lost, fresh, waiting, running, later = (
        replace(queued(), created_at=NOON - age, not_before=now - age)
        for age in (2 * MINUTE, MINUTE / 2, 3 * MINUTE, 4 * MINUTE, -MINUTE)
    )
    with database.write() as connection:
        for job in (lost, fresh, waiting, running, later):
            jobs.add(connection, job)
        outbox.add(connection, waiting, MessageKind.START, now=NOON)
        assert job_claims.claim_one(connection, running.id, worker="w", now=now, until=now + MINUTE) is not None
    assert dispatch.redispatch(dispatching, min_age=MINUTE) == 1
    assert dispatch.redispatch(dispatching, min_age=MINUTE) == 0  # its message is pending now
    assert {job for job, _ in claimed(database, now=current_time(dispatching))} == {lost.id, waiting.id}


def test_a_pending_message_is_not_duplicated(dispatching: Services) -> None:
    job = create_export(EXPORT, caller(), dispatching)
    now = current_time(dispatching)
    with dispatching.database.write() as connection:
        outbox.add(connection, job, MessageKind.START, now=now)
    assert claimed(dispatching.database, now=now) == [(job.id, MessageKind.START)]


def test_a_message_about_a_deleted_job_is_delivered(dispatching: Services) -> None:
    gone = queued()
    with dispatching.database.write() as connection:
        outbox.add(connection, gone, MessageKind.START, now=NOON)
        (message,) = outbox.claim(connection, now=NOON, retry_at=SOON, limit=1)
    assert message == Message(job=gone.id, kind=MessageKind.START, tenant="acme", tries=1)


def found(database: Database, job: Job) -> Job:
    with database.read() as connection:
        stored = job_queries.get(connection, job.id)
    assert stored is not None
    return stored


def test_a_job_is_claimed_by_its_id_once_and_only_when_due(dispatching: Services) -> None:
    database, job, other = dispatching.database, queued(created_at=NOON), queued(created_at=NOON - MINUTE)
    with database.write() as connection:
        jobs.add(connection, job)
        jobs.add(connection, other)
        early = job_claims.claim_one(connection, job.id, worker="w", now=NOON - MINUTE, until=SOON)
        lease = job_claims.claim_one(connection, job.id, worker="w", now=NOON, until=SOON)
        twice = job_claims.claim_one(connection, job.id, worker="w2", now=NOON, until=SOON)
    assert (early, twice) == (None, None)
    assert lease is not None
    assert (lease.job.id, lease.fence, lease.worker, lease.until) == (job.id, 1, "w", SOON)
    now = found(database, job)
    assert (now.status, now.fence, now.attempts, now.started_at) == (Status.RUNNING, 1, 1, NOON)
    assert found(database, other).status is Status.QUEUED
