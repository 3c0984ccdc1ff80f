"""The clock of leases and retention: on PostgreSQL, a host with a wrong clock neither takes nor loses a lease.

A SQLite file has one host, whose clock is used.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from offtake.core.admin import identity
from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.auth.caller import Caller
from offtake.core.exports import download, retention
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, Listing, get_export, list_exports
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound
from offtake.executor.lease_heartbeat import LeaseHeartbeat
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker, claim_next
from offtake.model.job import Lease, Status
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Tenant
from offtake.store import job_queries, jobs
from tests.fixtures.exports import EXPORT, age_jobs, caller, published
from tests.fixtures.polling import wait_for

HOUR = timedelta(hours=1)


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def with_skew(on: Services, skew: timedelta) -> Services:
    """Return the services of a host of the same installation whose clock is off by ``skew``."""
    clock = on.clock
    return replace(on, clock=lambda: clock() + skew)


def claimed(on: Services, worker: str) -> Lease:
    lease = claim_next(on, Worker(name=worker))
    assert lease is not None
    return lease


@pytest.mark.parametrize("skew", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_leases_do_not_depend_on_the_hosts_clock(on: Services, skew: timedelta) -> None:
    if on.database.reads_in_process:  # SQLite
        with on.database.read() as connection:
            assert on.now(connection) - on.clock() < HOUR
            assert abs(with_skew(on, skew).now(connection) - on.clock() - skew) < timedelta(minutes=1)
        return
    wrong = with_skew(on, skew)
    create_export(EXPORT, caller(), wrong)
    mine = claimed(on, "right")  # the job of the host with the wrong clock is due
    assert outcome.rescue_expired_leases(wrong) == 0  # it takes no valid lease
    with on.database.write() as connection:
        assert job_queries.holds(connection, mine)
        jobs.cancel(connection, mine.job.id, tenant="acme", now=on.now(connection))
    create_export(EXPORT, caller(), on)
    theirs = claimed(wrong, "wrong")
    assert outcome.rescue_expired_leases(on) == 0  # it loses no valid lease
    brief = replace(wrong, attempt=replace(wrong.attempt, heartbeat=timedelta(seconds=0.01)))
    with LeaseHeartbeat(
        theirs, brief, cancellation=Cancellation(), progress=AttemptProgress(), shutdown=Shutdown(HOUR)
    ):
        wait_for("a renewal", lambda: lease_end(on, theirs) != theirs.until)
    assert timedelta(0) < lease_end(on, theirs) - theirs.until < HOUR
    assert outcome.rescue_expired_leases(on) == 0
    age_jobs(on, HOUR)
    assert outcome.rescue_expired_leases(wrong) == 1


@pytest.mark.parametrize("skew", [timedelta(days=-90), timedelta(days=90)], ids=["behind", "ahead"])
def test_a_wrong_host_clock_removes_no_file_early(on: Services, skew: timedelta) -> None:
    if on.database.reads_in_process:
        return
    wrong = with_skew(on, skew)
    _, path = published(wrong)
    assert retention.expire(wrong).done == 0
    age_jobs(on, timedelta(days=2))
    assert retention.expire(wrong).done == 1
    assert not path.exists()


@pytest.mark.parametrize("skew", [timedelta(days=-90), timedelta(days=90)], ids=["behind", "ahead"])
def test_a_wrong_host_clock_does_not_change_the_availability_of_files(on: Services, skew: timedelta) -> None:
    if on.database.reads_in_process:
        return
    wrong = with_skew(on, skew)
    job, _ = published(on)
    ref = JobRef(id=job, dialect="talkdesk")
    listing = Listing(dialect="talkdesk", per_page=10)
    assert get_export(ref, caller(), wrong).status is Status.SUCCEEDED
    assert [each.status for each in list_exports(listing, caller(), wrong).jobs] == [Status.SUCCEEDED]
    made = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    client = Caller(principal=replace(caller().principal, credential=made.credential.id))
    link = download.mint(ref, client, wrong)
    for host in (on, wrong):
        found = download.open_link(link.job, expires=str(link.expires), signature=link.signature, on=host)
        assert found.file.bytes
    age_jobs(on, timedelta(days=2))
    assert get_export(ref, caller(), wrong).status is Status.EXPIRED
    assert [each.status for each in list_exports(listing, caller(), wrong).jobs] == [Status.EXPIRED]
    with pytest.raises(ArtifactNotFound):
        download.mint(ref, caller(), wrong)
    with pytest.raises(ArtifactNotFound):
        download.open_link(link.job, expires=str(link.expires), signature=link.signature, on=wrong)


def lease_end(on: Services, lease: Lease) -> datetime:
    with on.database.read() as connection:
        (found,) = job_queries.expired_leases(connection, now=lease.until, horizon=HOUR, worker=lease.worker)
    return found.until
