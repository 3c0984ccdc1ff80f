"""Clocks that are wrong, and clocks that jump: no job is lost, and none is published twice.

On PostgreSQL the database's clock decides and a host's does not matter; ``tests/conformance/test_clock.py`` checks
each rule, and this module checks whole workers. A SQLite file has one host, whose clock decides: when it is set
forward, leases expire early, and the fence separates the two attempts; when it is set back, leases and delays last
longer, up to a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.exports import retention
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker, attempt, claim_next
from offtake.model.job import Job, Lease, Status
from offtake.store import job_queries
from tests.fixtures.care import call
from tests.fixtures.databases import fresh_database, state_setting
from tests.fixtures.exports import caller
from tests.fixtures.installation import Installation
from tests.fixtures.maintenance import maintain
from tests.fixtures.talkdesk import TalkdeskWire
from tests.fixtures.workers import CALLS, job_row, skewed

HOUR = timedelta(hours=1)
NEVER = Shutdown(timedelta(days=1))


@dataclass(slots=True)
class Host:
    """A machine with SQLite and a clock that the test sets; all code on it reads this clock."""

    on: Services
    now: datetime

    def read(self, job: str) -> Job:
        with self.on.database.read() as connection:
            found = job_queries.get(connection, job)
        assert found is not None
        return found

    def create(self) -> str:
        """Create a job and return its id. The clock advances, so that of two jobs one is older."""
        self.now += timedelta(milliseconds=1)
        return create_export(CALLS, caller(), self.on).id

    def claim(self, worker: str) -> Lease | None:
        return claim_next(self.on, Worker(name=worker))

    def files(self) -> list[Path]:
        return [path for path in self.on.artifacts.root.rglob("*") if path.is_file()]


@pytest.fixture
def host(installation: Installation) -> Iterator[Host]:
    """A host with a tenant and a call. Heartbeats are so rare that none renews a lease before the clock is set."""
    installation.init("[worker]\nretry_seconds = 60\n")
    installation.add_tenant("acme")
    installation.load("call", [call("c1", "2026-03-02T10:00:00Z")], tenant="acme")
    with installation.services() as on:
        made = Host(on, datetime.now(UTC))
        made.on = replace(on, clock=lambda: made.now, attempt=replace(on.attempt, heartbeat=HOUR))
        yield made


@pytest.mark.parametrize("point", ["claimed", "writing", "staged", "renamed"])
def test_a_clock_set_forward_during_an_attempt_causes_two_attempts_and_one_file(host: Host, point: str) -> None:
    job = host.create()

    def step(name: str, lease: Lease) -> None:
        """Set the clock forward by an hour; another worker then takes the expired lease."""
        if name != point:
            return
        host.now += HOUR
        assert outcome.rescue_expired_leases(host.on) == 1
        taken = host.claim("second")
        assert taken is not None
        attempt(taken, host.on, NEVER, Cancellation())
        assert host.read(job).status is Status.SUCCEEDED

    first = host.claim("first")
    assert first is not None
    attempt(first, replace(host.on, reached=step), NEVER, Cancellation())
    done = host.read(job)
    assert (done.status, done.fence, done.attempts) == (Status.SUCCEEDED, 2, 2)
    retention.sweep(host.on)
    assert done.artifact is not None
    assert [path.relative_to(host.on.artifacts.root).as_posix() for path in host.files()] == [done.artifact.key]


def test_a_clock_set_back_prolongs_leases_and_delays_and_loses_no_job(host: Host) -> None:
    orphaned, waiting = host.create(), host.create()
    lease = host.claim("dies")
    assert lease is not None
    assert lease.job.id == orphaned
    host.now -= outcome.MAX_DELAY
    maintain(host.on)
    assert host.claim("lives") is None  # jobs created before are not due yet
    assert host.read(orphaned).status is Status.RUNNING
    fresh = host.create()  # a job created now is due
    run = host.claim("lives")
    assert run is not None
    assert run.job.id == fresh
    attempt(run, host.on, NEVER, Cancellation())
    host.now += outcome.MAX_DELAY + host.on.attempt.lease + timedelta(seconds=1)
    assert outcome.rescue_expired_leases(host.on) == 1
    for _ in range(2):
        run = host.claim("lives")
        assert run is not None
        attempt(run, host.on, NEVER, Cancellation())
    assert {host.read(job).status for job in (orphaned, waiting, fresh)} == {Status.SUCCEEDED}
    assert len(host.files()) == 3


def test_a_clock_set_back_by_days_ends_leases_and_delays(host: Host) -> None:
    """For example after a start with a wrong clock: workers do not wait for the instants written then."""
    orphaned, waiting = host.create(), host.create()
    assert host.claim("dies") is not None
    host.now -= 3 * 24 * HOUR
    assert host.claim("lives") is None
    maintain(host.on)
    for _ in range(2):
        run = host.claim("lives")
        assert run is not None
        attempt(run, host.on, NEVER, Cancellation())
    assert [(host.read(job).status, host.read(job).attempts) for job in (orphaned, waiting)] == [
        (Status.SUCCEEDED, 2),
        (Status.SUCCEEDED, 1),
    ]
    assert len(host.files()) == 2


def test_the_lease_of_a_dead_worker_is_rescued_whatever_the_clock_says(host: Host) -> None:
    job = host.create()
    assert host.claim("dies") is not None
    host.now -= HOUR
    assert outcome.rescue_expired_leases(host.on, dead_worker="dies") == 1
    host.now += HOUR
    assert host.claim("lives") is not None
    assert host.read(job).attempts == 2


def test_workers_with_clocks_hours_apart_run_each_job_once_on_postgresql(
    installation: Installation, postgresql: str
) -> None:
    """No worker takes a valid lease, and no worker delays a due job."""
    installation.init(state_setting(fresh_database(postgresql)))
    credential = installation.add_tenant("acme")
    installation.load("call", [call("c1", "2026-03-02T10:00:00Z")], tenant="acme")
    server = installation.serve(workers=0)
    with skewed(installation, HOUR) as ahead, skewed(installation, -HOUR) as behind:
        with TalkdeskWire.connect(server.url, credential) as client:
            made = [client.create("calls", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z") for _ in range(10)]
            assert {client.wait("calls", job) for job in made} == {"done"}
        assert (ahead.stop(), behind.stop()) == (0, 0)
        lines = [line for process in (ahead, behind) for line in process.lines("attempt")]
    assert sorted(str(line["job"]) for line in lines) == sorted(made)
    assert {job_row(installation, job)["fence"] for job in made} == {1}
    assert server.stop() == 0
