"""Random sequences of operations on jobs, compared with a model: moves, fences, files, holds and quota."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete

from offtake.core.admin import identity
from offtake.core.admin import jobs as admin_jobs
from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import CancelReason
from offtake.core.exports import retention
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef
from offtake.core.policy import Budget, PerTenant
from offtake.core.services import Services
from offtake.errors import (
    ArtifactGone,
    JobOnHold,
    JobStateConflict,
    OfftakeError,
    QueryFailed,
    QuotaExceeded,
    StorageUnavailable,
)
from offtake.executor.worker import Worker, claim_next
from offtake.model.artifact import Artifact
from offtake.model.job import ENDED, LEASED, MOVES, OPEN, JobFilter, Lease, Status
from offtake.model.tenant import Tenant
from offtake.store import job_queries, jobs, usage
from offtake.store.records import request_to_json, stored_bytes
from offtake.store.schema import job as table
from offtake.store.schema import tenant_usage
from tests.fixtures.exports import EXPORT, age_jobs, caller
from tests.fixtures.storage_paths import artifact_path

QUOTA, ATTEMPTS = 3, 2
LEASE, RETENTION = timedelta(seconds=15), timedelta(days=30)
TENANTS = ("acme", "umbra")
ANY = st.integers(min_value=0, max_value=1_000_000)  # index, modulo the number of items


@dataclass(slots=True)
class Model:
    """Expected state of a job."""

    tenant: str
    status: Status = Status.QUEUED
    fence: int = 0
    attempts: int = 0
    held: bool = False
    over: bool = False  # whether its retention is over

    def move(self, target: Status) -> None:
        """Move the job; fail if MOVES does not allow it."""
        assert target in MOVES[self.status]
        self.status = target


class Sequences(RuleBasedStateMachine):
    """Operations of clients, workers and operators, and the passing of time."""

    def __init__(self, on: Services) -> None:
        super().__init__()
        default = replace(on.limits["talkdesk"].default, open_jobs=QUOTA, retention=RETENTION)
        attempt = replace(on.attempt, attempts=ATTEMPTS, retry_delay=timedelta(0), lease=LEASE)
        self.on = replace(on, limits={"talkdesk": PerTenant(default=default)}, attempt=attempt)
        self.purging = replace(self.on, budgets=PerTenant(default=Budget(ended_life=timedelta(days=-1))))
        self.jobs: dict[str, Model] = {}
        self.leases: list[Lease] = []
        self.published: Counter[str] = Counter()
        self.workers = 0  # each claim has a worker of its own

    def teardown(self) -> None:
        """Remove all jobs and files."""
        with self.on.database.write() as connection:
            connection.execute(delete(table))
            connection.execute(delete(tenant_usage))
        for path in self.files():
            path.unlink()

    def files(self) -> list[Path]:
        """Return the files of the artifact store."""
        return [path for path in (self.on.artifacts.root / "files").rglob("*") if path.is_file()]

    def open(self, tenant: str) -> int:
        """Return the number of the tenant's open jobs."""
        return sum(job.tenant == tenant and job.status in OPEN for job in self.jobs.values())

    def some(self, number: int) -> tuple[str, Model]:
        """Return one of the jobs."""
        return list(self.jobs.items())[number % len(self.jobs)]

    def lease(self, number: int) -> tuple[Lease, Model, bool]:
        """Return one of all leases so far, its job, and whether the lease is still valid."""
        lease = self.leases[number % len(self.leases)]
        job = self.jobs[lease.job.id]
        return lease, job, job.status in LEASED and job.fence == lease.fence

    def retry_or_fail(self, job: Model) -> None:
        """Expect another attempt, or a failed job if no attempts are left."""
        job.move(Status.QUEUED if job.attempts < ATTEMPTS else Status.FAILED)

    @rule(tenant=st.sampled_from(TENANTS))
    def create(self, tenant: str) -> None:
        """A client creates an export."""
        try:
            created = create_export(EXPORT, caller(tenant), self.on)
        except QuotaExceeded:
            assert self.open(tenant) == QUOTA
        else:
            assert self.open(tenant) < QUOTA
            self.jobs[created.id] = Model(tenant=tenant)

    @rule()
    def claim(self) -> None:
        """A worker claims a job."""
        self.workers += 1
        lease = claim_next(self.on, Worker(name=f"w{self.workers}"))
        queued = [job for job in self.jobs.values() if job.status is Status.QUEUED]
        if lease is None:
            assert not queued
            return
        job = self.jobs[lease.job.id]
        job.move(Status.RUNNING)
        job.fence += 1
        job.attempts += 1
        assert (lease.fence, lease.job.attempts) == (job.fence, job.attempts)
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(number=ANY)
    def verified(self, number: int) -> None:
        """An attempt has verified its file; its lease may be lost."""
        lease, job, lasts = self.lease(number)
        allowed = lasts and job.status is Status.RUNNING
        with self.on.database.write() as connection:
            assert jobs.upload(connection, lease) is allowed
        if allowed:
            job.move(Status.UPLOADING)

    @precondition(lambda self: self.leases)
    @rule(number=ANY)
    def publish(self, number: int) -> None:
        """An attempt publishes, if its lease is valid."""
        lease, job, lasts = self.lease(number)
        allowed = lasts and job.status is Status.UPLOADING
        key = self.on.artifacts.key(job.tenant, lease.job.id, lease.fence, "csv")
        file = Artifact(key=key, rows=0, bytes=1, sha256="0" * 64)
        path = artifact_path(self.on, key)
        if allowed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        with self.on.database.write() as connection:
            now = self.on.now(connection)
            assert jobs.succeed(connection, lease, file, now=now, expires_at=now + RETENTION) is allowed
        if allowed:
            job.move(Status.SUCCEEDED)
            self.published[lease.job.id] += 1

    @precondition(lambda self: self.leases)
    @rule(number=ANY, error=st.sampled_from([QueryFailed("wrong"), StorageUnavailable("away")]))
    def attempt_fails(self, number: int, error: OfftakeError) -> None:
        """An attempt ends in an error."""
        lease, job, lasts = self.lease(number)
        ended = outcome.record_outcome(lease, error, None, self.on)
        if not lasts:
            assert ended == "lease_lost"
        elif error.retryable:
            self.retry_or_fail(job)
        else:
            job.move(Status.FAILED)

    @precondition(lambda self: self.leases)
    @rule(number=ANY)
    def requeue(self, number: int) -> None:
        """A worker shuts down and requeues its job."""
        lease, job, lasts = self.lease(number)
        outcome.record_outcome(lease, StorageUnavailable("stopped"), CancelReason.STOPPING, self.on)
        if lasts:
            job.move(Status.QUEUED)
            job.attempts -= 1

    @precondition(lambda self: self.leases)
    @rule(number=ANY)
    def crash(self, number: int) -> None:
        """A worker is known to be dead."""
        lease, job, lasts = self.lease(number)
        assert outcome.rescue_expired_leases(self.on, dead_worker=lease.worker) == lasts
        if lasts:
            self.retry_or_fail(job)

    @rule()
    def leases_expire(self) -> None:
        """No lease is renewed before its end."""
        age_jobs(self.on, LEASE * 2)
        abandoned = [job for job in self.jobs.values() if job.status in LEASED]
        assert outcome.rescue_expired_leases(self.on) == len(abandoned)
        for job in abandoned:
            self.retry_or_fail(job)

    @rule(sweep=st.booleans())
    def retention_ends(self, sweep: bool) -> None:
        """The retention of all files ends."""
        age_jobs(self.on, RETENTION)
        for job in self.jobs.values():
            job.over = job.over or job.status is Status.SUCCEEDED
        if sweep:
            self.expire()

    @rule()
    def expire(self) -> None:
        """What the maintenance does every minute."""
        going = [job for job in self.jobs.values() if job.status is Status.SUCCEEDED and job.over and not job.held]
        tally = retention.expire(self.on)
        assert (tally.done, tally.failed) == (len(going), 0)
        for job in going:
            job.move(Status.EXPIRED)
        assert retention.sweep(self.on).failed == 0

    @rule()
    def purge(self) -> None:
        """The maintenance removes the records of all jobs that have ended without a file."""
        gone = {id_ for id_, job in self.jobs.items() if job.status in ENDED - {Status.SUCCEEDED} and not job.held}
        assert retention.purge_records(self.purging) == len(gone)
        self.jobs = {id_: job for id_, job in self.jobs.items() if id_ not in gone}
        self.leases = [lease for lease in self.leases if lease.job.id not in gone]

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def cancel(self, number: int) -> None:
        """A client cancels."""
        id_, job = self.some(number)
        try:
            cancel_export(JobRef(id=id_, dialect="talkdesk"), caller(job.tenant), self.on)
        except JobStateConflict:
            assert job.status not in OPEN
        else:
            job.move(Status.CANCELLED)

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def delete(self, number: int) -> None:
        """A client deletes."""
        id_, job = self.some(number)
        try:
            delete_export(JobRef(id=id_, dialect="talkdesk"), caller(job.tenant), self.on)
        except JobOnHold:
            assert job.held
            assert job.status is Status.SUCCEEDED
        except JobStateConflict:
            assert job.status in OPEN
        except ArtifactGone:
            assert job.status in (Status.EXPIRED, Status.DELETED)
        else:
            job.move(Status.DELETED)

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def retry(self, number: int) -> None:
        """The operator retries a job."""
        id_, job = self.some(number)
        try:
            admin_jobs.retry(id_, "root", self.on)
        except QuotaExceeded:
            assert job.status is Status.FAILED
            assert self.open(job.tenant) == QUOTA
        except JobStateConflict:
            assert job.status is not Status.FAILED
        else:
            assert self.open(job.tenant) < QUOTA
            job.move(Status.QUEUED)
            job.attempts = 0

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def hold(self, number: int) -> None:
        """The operator holds a job."""
        id_, job = self.some(number)
        allowed = job.status in OPEN or (job.status is Status.SUCCEEDED and not job.over)
        try:
            admin_jobs.hold(id_, "root", self.on)
        except JobStateConflict:
            assert not allowed
        else:
            assert allowed
            job.held = True

    @precondition(lambda self: self.jobs)
    @rule(number=ANY)
    def release(self, number: int) -> None:
        """The operator releases a hold."""
        id_, job = self.some(number)
        try:
            admin_jobs.release(id_, "root", self.on)
        except JobStateConflict:
            assert not job.held
        else:
            assert job.held
            job.held = False

    @invariant()
    def the_store_matches_the_model(self) -> None:
        """Compare jobs, files, quotas and usage."""
        with self.on.database.read() as connection:
            stored = job_queries.newest(connection, JobFilter(), limit=1_000)
        actual = {job.id: (job.status, job.fence, job.attempts, job.held_at is not None) for job in stored}
        assert actual == {id_: (job.status, job.fence, job.attempts, job.held) for id_, job in self.jobs.items()}
        assert max(self.published.values(), default=0) <= 1
        published = {artifact_path(self.on, job.artifact.key) for job in stored if job.artifact is not None}
        assert set(self.files()) == published
        assert all(self.open(tenant) <= QUOTA for tenant in TENANTS)
        for tenant in TENANTS:
            own = [job for job in stored if job.tenant == tenant]
            kept = [job.artifact for job in own if job.artifact is not None]
            with self.on.database.read() as connection:
                used = usage.read(connection, tenant)
            assert (used.files, used.bytes, used.rows) == (len(kept), sum(each.bytes for each in kept), 0)
            assert used.request_bytes == sum(stored_bytes(request_to_json(job.request)) for job in own)


def test_any_sequence_of_operations_matches_the_model(services: Services) -> None:
    for name in TENANTS:
        identity.add_tenant(Tenant(name=name), services)
    few = settings(max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

    class Here(Sequences):
        def __init__(self) -> None:
            super().__init__(services)

    run_state_machine_as_test(Here, settings=few)
