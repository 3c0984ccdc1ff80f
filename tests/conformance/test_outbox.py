"""What an engine is to be told is written with the job or not at all, and told at least once, on every database."""

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
from offtake.store import identity, jobs, outbox
from offtake.store.database import Database
from offtake.store.outbox import Message, MessageKind
from tests.fixtures.orders import NOON, ORDER, caller, queued

WHILE = timedelta(seconds=10)
SOON = NOON + WHILE
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ringing(services: Services) -> Services:
    """Services of an installation with an engine, and a tenant; the clock stands at noon."""
    with services.database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    return replace(services, dispatches=True, clock=lambda: NOON)


def present(ringing: Services) -> datetime:
    """What rings are due by: noon, or the clock of a database that has one."""
    with ringing.database.read() as connection:
        return ringing.now(connection)


def taken(database: Database, *, now: datetime, limit: int = 100) -> list[tuple[str, MessageKind]]:
    with database.write() as connection:
        found = outbox.claim(connection, now=now, again=now + WHILE, limit=limit)
    return [(message.job, message.kind) for message in found]


def test_a_job_is_rung_for_when_it_is_made_and_when_it_is_cancelled(ringing: Services) -> None:
    job = create_export(ORDER, caller(), ringing)
    cancel_export(JobRef(id=job.id, dialect="talkdesk"), caller(), ringing)
    assert sorted(taken(ringing.database, now=present(ringing))) == [
        (job.id, MessageKind.CANCEL),
        (job.id, MessageKind.START),
    ]


def test_without_an_engine_nothing_is_told(ringing: Services) -> None:
    create_export(ORDER, caller(), replace(ringing, dispatches=False))
    assert taken(ringing.database, now=present(ringing)) == []


def test_an_order_that_is_refused_rings_for_nothing(ringing: Services) -> None:
    for _ in range(15):
        create_export(ORDER, caller(), ringing)
    with pytest.raises(QuotaExceeded):
        create_export(ORDER, caller(), ringing)
    assert len(taken(ringing.database, now=present(ringing))) == 15


def test_the_same_key_twice_rings_once(ringing: Services) -> None:
    first = create_export(ORDER, caller(), ringing, key="k")
    assert create_export(ORDER, caller(), ringing, key="k").id == first.id
    assert taken(ringing.database, now=present(ringing)) == [(first.id, MessageKind.START)]


def test_what_was_taken_is_nobody_elses_for_a_while_and_then_anybodys(ringing: Services) -> None:
    job = create_export(ORDER, caller(), ringing)
    now = present(ringing)
    assert taken(ringing.database, now=now) == [(job.id, MessageKind.START)]
    assert taken(ringing.database, now=now + WHILE - timedelta(seconds=1)) == []
    with ringing.database.write() as connection:
        (again,) = outbox.claim(connection, now=now + WHILE, again=now + MINUTE, limit=1)
    assert (again.job, again.tenant, again.tries) == (job.id, "acme", 2)


def test_what_was_told_is_gone_and_what_was_not_comes_back(ringing: Services) -> None:
    told, late = (create_export(ORDER, caller(), ringing) for _ in range(2))
    now = present(ringing)
    with ringing.database.write() as connection:
        for message in outbox.claim(connection, now=now, again=now + MINUTE, limit=2):
            if message.job == told.id:
                outbox.acknowledge(connection, message)
            else:
                outbox.postpone(connection, message, now=now, delay=timedelta(seconds=2))
    with ringing.database.read() as connection:
        assert not outbox.is_due(connection, now=now + timedelta(seconds=1))
        assert outbox.is_due(connection, now=now + timedelta(seconds=2))
    assert taken(ringing.database, now=now + timedelta(seconds=2)) == [(late.id, MessageKind.START)]


def test_the_oldest_are_told_first(ringing: Services) -> None:
    middle, oldest, youngest = queued(), queued(), queued()
    with ringing.database.write() as connection:
        for job, age in ((middle, 2), (oldest, 3), (youngest, 1)):
            outbox.add(connection, job, MessageKind.START, now=NOON - timedelta(seconds=age))
    first = taken(ringing.database, now=NOON, limit=2)
    assert [job for job, _ in first] == [oldest.id, middle.id]


def test_several_that_take_at_once_get_others(ringing: Services) -> None:
    made = {create_export(ORDER, caller(), ringing).id for _ in range(15)}
    now = present(ringing)
    found: list[str] = []
    start = threading.Barrier(5)

    def take() -> None:
        start.wait()
        for _ in range(15):
            found.extend(job for job, _ in taken(ringing.database, now=now, limit=2))

    threads = [threading.Thread(target=take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(made)


def test_jobs_that_wait_in_vain_are_rung_for_again(ringing: Services) -> None:
    database, now = ringing.database, present(ringing)
    lost, fresh, waiting, running, later = (
        replace(queued(), created_at=NOON - age, not_before=now - age)
        for age in (2 * MINUTE, MINUTE / 2, 3 * MINUTE, 4 * MINUTE, -MINUTE)
    )
    with database.write() as connection:
        for job in (lost, fresh, waiting, running, later):
            jobs.add(connection, job)
        outbox.add(connection, waiting, MessageKind.START, now=NOON)
        assert jobs.claim_one(connection, running.id, worker="w", now=now, until=now + MINUTE) is not None
    assert dispatch.redispatch(ringing, patience=MINUTE) == 1
    assert dispatch.redispatch(ringing, patience=MINUTE) == 0  # it is waiting to be told now
    assert {job for job, _ in taken(database, now=present(ringing))} == {lost.id, waiting.id}


def test_a_ring_that_waits_is_not_doubled(ringing: Services) -> None:
    job = create_export(ORDER, caller(), ringing)
    now = present(ringing)
    with ringing.database.write() as connection:
        outbox.add(connection, job, MessageKind.START, now=now)
    assert taken(ringing.database, now=now) == [(job.id, MessageKind.START)]


def test_a_ring_for_a_job_that_is_gone_is_told_all_the_same(ringing: Services) -> None:
    gone = queued()
    with ringing.database.write() as connection:
        outbox.add(connection, gone, MessageKind.START, now=NOON)
        (message,) = outbox.claim(connection, now=NOON, again=SOON, limit=1)
    assert message == Message(job=gone.id, kind=MessageKind.START, tenant="acme", tries=1)


def found(database: Database, job: Job) -> Job:
    with database.read() as connection:
        stored = jobs.get(connection, job.id)
    assert stored is not None
    return stored


def test_one_job_is_claimed_by_its_id_once_and_when_it_may_run(ringing: Services) -> None:
    database, job, other = ringing.database, queued(created_at=NOON), queued(created_at=NOON - MINUTE)
    with database.write() as connection:
        jobs.add(connection, job)
        jobs.add(connection, other)
        early = jobs.claim_one(connection, job.id, worker="w", now=NOON - MINUTE, until=SOON)
        lease = jobs.claim_one(connection, job.id, worker="w", now=NOON, until=SOON)
        twice = jobs.claim_one(connection, job.id, worker="w2", now=NOON, until=SOON)
    assert (early, twice) == (None, None)
    assert lease is not None
    assert (lease.job.id, lease.fence, lease.worker, lease.until) == (job.id, 1, "w", SOON)
    now = found(database, job)
    assert (now.status, now.fence, now.attempts, now.started_at) == (Status.RUNNING, 1, 1, NOON)
    assert found(database, other).status is Status.QUEUED
