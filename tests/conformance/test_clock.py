"""Whose clock counts: where hosts share a database, one whose clock is off by an hour neither steals nor loses a lease.

On SQLite there is one host, and its clock is the only one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from offtake.core import download, exports, identity, retention, settlement
from offtake.core.exports import JobRef
from offtake.core.interruption import Interruption
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound
from offtake.executor.heartbeat import Heartbeat
from offtake.executor.stopping import Stopping
from offtake.executor.worker import Worker, claim_next
from offtake.model.job import Lease, Status
from offtake.model.tenant import Tenant
from offtake.store import jobs
from tests.fixtures.installation import wait_for
from tests.fixtures.orders import ORDER, caller, let_pass, published

HOUR = timedelta(hours=1)


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def off(on: Services, skew: timedelta) -> Services:
    """The same installation on a host whose clock is wrong."""
    clock = on.clock
    return replace(on, clock=lambda: clock() + skew)


def claimed(on: Services, worker: str) -> Lease:
    lease = claim_next(on, Worker(name=worker))
    assert lease is not None
    return lease


@pytest.mark.parametrize("skew", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_a_host_whose_clock_is_off_has_leases_like_any_other(on: Services, skew: timedelta) -> None:
    if on.database.reads_at_once:  # SQLite
        with on.database.read() as connection:
            assert on.now(connection) - on.clock() < HOUR
            assert abs(off(on, skew).now(connection) - on.clock() - skew) < timedelta(minutes=1)
        return
    wrong = off(on, skew)
    exports.create(ORDER, caller(), wrong)
    mine = claimed(on, "right")  # what the wrong clock ordered is due
    assert settlement.recover(wrong) == 0  # it does not steal
    with on.database.write() as connection:
        assert jobs.holds(connection, mine)
        jobs.cancel(connection, mine.job.id, tenant="acme", now=on.now(connection))
    exports.create(ORDER, caller(), on)
    theirs = claimed(wrong, "wrong")
    assert settlement.recover(on) == 0  # it does not lose
    brief = replace(wrong, attempt=replace(wrong.attempt, heartbeat=timedelta(seconds=0.01)))
    with Heartbeat(theirs, brief, interruption=Interruption(), stopping=Stopping(HOUR)):
        wait_for("a renewal", lambda: lease_end(on, theirs) != theirs.until)
    assert timedelta(0) < lease_end(on, theirs) - theirs.until < HOUR
    assert settlement.recover(on) == 0
    let_pass(on, HOUR)
    assert settlement.recover(wrong) == 1


@pytest.mark.parametrize("skew", [timedelta(days=-90), timedelta(days=90)], ids=["behind", "ahead"])
def test_a_host_whose_clock_is_off_removes_no_file_before_its_time(on: Services, skew: timedelta) -> None:
    if on.database.reads_at_once:
        return
    wrong = off(on, skew)
    _, path = published(wrong)
    assert retention.expire(wrong).done == 0
    let_pass(on, timedelta(days=2))
    assert retention.expire(wrong).done == 1
    assert not path.exists()


@pytest.mark.parametrize("skew", [timedelta(days=-90), timedelta(days=90)], ids=["behind", "ahead"])
def test_a_host_whose_clock_is_off_sees_files_as_long_as_they_are_to_be_had(on: Services, skew: timedelta) -> None:
    if on.database.reads_at_once:
        return
    wrong = off(on, skew)
    job, _ = published(on)
    ref = JobRef(id=job, dialect="talkdesk")
    listing = exports.Listing(dialect="talkdesk", per_page=10)
    assert exports.get(ref, caller(), wrong).status is Status.SUCCEEDED
    assert [each.status for each in exports.list_jobs(listing, caller(), wrong).jobs] == [Status.SUCCEEDED]
    link = download.mint(ref, caller(), wrong)
    for host in (on, wrong):
        found = download.open_link(link.job, expires=str(link.expires), signature=link.signature, on=host)
        assert found.artifact.bytes
    let_pass(on, timedelta(days=2))
    assert exports.get(ref, caller(), wrong).status is Status.EXPIRED
    assert [each.status for each in exports.list_jobs(listing, caller(), wrong).jobs] == [Status.EXPIRED]
    with pytest.raises(ArtifactNotFound):
        download.mint(ref, caller(), wrong)
    with pytest.raises(ArtifactNotFound):
        download.open_link(link.job, expires=str(link.expires), signature=link.signature, on=wrong)


def lease_end(on: Services, lease: Lease) -> datetime:
    with on.database.read() as connection:
        (found,) = jobs.abandoned(connection, now=lease.until, furthest=HOUR, worker=lease.worker)
    return found.until
