"""Budgets of tenants: what one tenant may keep, publish in a day and leave in the state database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select, update

from offtake.core.admin import identity
from offtake.core.exports import budget, retention
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef
from offtake.core.policy import Budget, PerTenant
from offtake.core.services import Services
from offtake.errors import BudgetExceeded, TenantBudgetExhausted
from offtake.executor.worker import Worker, claim_next
from offtake.http.errors import retry_headers
from offtake.model.artifact import Artifact
from offtake.model.job import JobFilter
from offtake.model.tenant import Tenant
from offtake.store import job_queries, jobs, usage
from offtake.store.records import request_to_json, stored_bytes
from offtake.store.schema import idempotency
from offtake.store.schema import job as job_table
from tests.fixtures.exports import EXPORT, age_jobs, caller, published

MIB = 1024 * 1024
HOUR = timedelta(hours=1)


@pytest.fixture
def on(services: Services) -> Services:
    """Services with two tenants and no limit of open jobs."""
    for name in ("acme", "umbra"):
        identity.add_tenant(Tenant(name=name), services)
    default = replace(services.limits["talkdesk"].default, open_jobs=1_000)
    return replace(services, limits={"talkdesk": PerTenant(default=default)})


def limited(on: Services, limit: Budget) -> Services:
    """Return the services with a budget of the tenant acme; the other tenant has none."""
    return replace(on, budgets=PerTenant(default=Budget(), overrides={"acme": limit}))


def publish(on: Services, *, size: int = MIB, rows: int = 10) -> str:
    """Publish a file of the tenant acme as an attempt does; return the job's id."""
    job = create_export(EXPORT, caller(), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    assert lease.job.id == job.id
    artifact = Artifact(key=on.artifacts.key("acme", job.id, 1, "csv"), rows=rows, bytes=size, sha256="0" * 64)
    with on.database.write() as connection:
        now = on.now(connection)
        jobs.upload(connection, lease)
        budget.require_room_for(connection, "acme", artifact, on, now=now)
        assert jobs.succeed(connection, lease, artifact, now=now, expires_at=now + HOUR)
    return job.id


def ref(job_id: str) -> JobRef:
    return JobRef(id=job_id, dialect="talkdesk")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Budget(kept_files=2), r"limit of files is 2 \(kept: 2, open exports: 0\); delete files"),
        (Budget(kept_bytes=2 * MIB), "take 2 MiB and may take 2; delete files"),
        (Budget(kept_rows=20), "have 20 rows and may have 20; delete files"),
    ],
)
def test_a_tenant_over_its_budget_of_kept_files_is_refused_until_files_go(
    on: Services, limit: Budget, words: str
) -> None:
    on = limited(on, limit)
    first, _ = publish(on), publish(on)
    with pytest.raises(BudgetExceeded, match=words) as refused:
        create_export(EXPORT, caller(), on)
    assert refused.value.retry_after is not None
    assert HOUR.total_seconds() - 120 < refused.value.retry_after <= HOUR.total_seconds()  # the next file expires then
    create_export(EXPORT, caller("umbra"), on)
    delete_export(ref(first), caller(), on)
    create_export(EXPORT, caller(), on)


def test_open_exports_count_as_files(on: Services) -> None:
    on = limited(on, Budget(kept_files=2))
    publish(on)
    create_export(EXPORT, caller(), on)
    with pytest.raises(BudgetExceeded, match=r"kept: 1, open exports: 1") as refused:
        create_export(EXPORT, caller(), on)
    assert refused.value.retry_after is not None
    assert HOUR.total_seconds() - 120 < refused.value.retry_after <= HOUR.total_seconds()  # the kept file expires then


def test_the_time_to_wait_is_that_at_which_there_is_room_or_is_not_given(on: Services) -> None:
    """A client that waits as long as the answer says is not refused again for the same reason."""
    with limited_to_open(on) as refused:
        assert refused.retry_after == budget.QUOTA_RETRY_SECONDS
    kept = [publish(on, size=MIB) for _ in range(4)]
    age_one_by_one(on, kept)
    lowered = limited(on, Budget(kept_bytes=2 * MIB))  # three of four files have to expire
    with pytest.raises(BudgetExceeded) as of_bytes:
        create_export(EXPORT, caller(), lowered)
    assert of_bytes.value.retry_after is not None
    assert 3 * HOUR.total_seconds() - 120 < of_bytes.value.retry_after <= 3 * HOUR.total_seconds()
    with on.database.write() as connection:
        for each in kept:
            jobs.hold(connection, each, now=on.now(connection))
    with pytest.raises(BudgetExceeded) as held:
        create_export(EXPORT, caller(), lowered)
    assert held.value.retry_after is None
    assert retry_headers(held.value) == {}


@contextmanager
def limited_to_open(on: Services) -> Iterator[BudgetExceeded]:
    """Refuse an export because an open one takes the only file of the budget; the open one is cancelled afterwards."""
    on = limited(on, Budget(kept_files=1))
    job = create_export(EXPORT, caller(), on)
    with pytest.raises(BudgetExceeded, match="open exports: 1") as refused:
        create_export(EXPORT, caller(), on)
    yield refused.value
    cancel_export(ref(job.id), caller(), on)


def age_one_by_one(on: Services, kept: list[str]) -> None:
    """Let the first file expire in an hour, and each further one an hour later."""
    with on.database.write() as connection:
        now = on.now(connection)
        for number, each in enumerate(kept, 1):
            statement = update(job_table).where(job_table.c.id == each)
            connection.execute(statement.values(expires_at=now + number * HOUR))


def test_expired_files_free_the_budget(on: Services) -> None:
    on = limited(on, Budget(kept_bytes=MIB))
    publish(on)
    age_jobs(on, 2 * HOUR)
    assert retention.expire(on).done == 1
    publish(on)


def test_a_tenant_exports_its_bytes_of_the_day_and_no_more(on: Services) -> None:
    """Deleted files count, too; the next day begins at midnight UTC."""
    on = limited(on, Budget(daily_bytes=2 * MIB))
    for _ in range(2):
        delete_export(ref(publish(on)), caller(), on)
    with pytest.raises(BudgetExceeded, match="2 MiB today") as refused:
        create_export(EXPORT, caller(), on)
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 24 * 3600
    with on.database.write() as connection:
        tomorrow = on.now(connection) + timedelta(days=1)
        assert usage.read(connection, "acme").published_on(tomorrow) == 0
        budget.require_room(connection, JobFilter(tenant="acme"), on, request_bytes=1, now=tomorrow)


def test_a_file_beyond_the_budget_is_not_published(on: Services) -> None:
    on = limited(on, Budget(kept_bytes=2 * MIB, kept_rows=100))
    publish(on)
    with pytest.raises(TenantBudgetExhausted, match=r"1 MiB and 90 rows\); ask for a shorter timespan"):
        publish(on, size=MIB + 1)


def test_concurrent_publications_cannot_exceed_the_budget(on: Services) -> None:
    on = limited(on, Budget(kept_bytes=3 * MIB))
    leases = []
    for _ in range(8):
        create_export(EXPORT, caller(), on)
        leases.append(claim_next(on, Worker(name="w")))
    start, outcomes = threading.Barrier(len(leases)), []

    def run(number: int) -> None:
        lease = leases[number]
        assert lease is not None
        artifact = Artifact(key=f"files/acme/{number}", rows=1, bytes=MIB, sha256="0" * 64)
        start.wait()
        try:
            with on.database.write() as connection:
                now = on.now(connection)
                jobs.upload(connection, lease)
                budget.require_room_for(connection, "acme", artifact, on, now=now)
                outcomes.append(jobs.succeed(connection, lease, artifact, now=now, expires_at=now + HOUR))
        except TenantBudgetExhausted:
            outcomes.append(False)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(leases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(True), outcomes.count(False)) == (3, 5)


def test_an_export_that_ends_while_another_is_created_counts_once(
    on: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as an open export before it ends and as a file afterwards, and never as neither."""
    on = limited(on, Budget(kept_files=2))
    publish(on)
    create_export(EXPORT, caller(), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    artifact = Artifact(key="files/acme/last", rows=1, bytes=MIB, sha256="0" * 64)
    with on.database.write() as connection:
        jobs.upload(connection, lease)

    def end() -> None:
        with on.database.write() as connection:
            now = on.now(connection)
            budget.require_room_for(connection, "acme", artifact, on, now=now)
            assert jobs.succeed(connection, lease, artifact, now=now, expires_at=now + HOUR)

    ending, count_open = threading.Thread(target=end), job_queries.count_open

    def count_while_it_ends(connection: Connection, *, tenant: str, dialect: str | None = None) -> int:
        if dialect is None:  # the count for the budget
            ending.start()
            ending.join(1)  # it waits for the transaction
        return count_open(connection, tenant=tenant, dialect=dialect)

    monkeypatch.setattr(job_queries, "count_open", count_while_it_ends)
    with pytest.raises(BudgetExceeded, match="limit of files is 2"):
        create_export(EXPORT, caller(), on)
    ending.join()


def test_stored_requests_have_a_budget_and_ended_jobs_are_purged_by_age(on: Services) -> None:
    """A client that creates and cancels without end fills neither the database nor another tenant's share of it."""
    size = stored_bytes(request_to_json(replace(EXPORT, as_of=on.clock(), watermark=on.clock())))
    on = limited(on, Budget(request_bytes=3 * size, ended_life=timedelta(days=2)))
    for _ in range(3):
        cancel_export(ref(create_export(EXPORT, caller(), on).id), caller(), on)
    with pytest.raises(BudgetExceeded, match=r"stored requests .* removed after 2 days") as refused:
        create_export(EXPORT, caller(), on)
    assert refused.value.retry_after == 2 * 24 * 3600
    create_export(EXPORT, caller("umbra"), on)
    age_jobs(on, timedelta(days=1))
    assert retention.purge_records(on) == 0
    age_jobs(on, timedelta(days=1, seconds=1))
    assert retention.purge_records(on) == 3
    create_export(EXPORT, caller(), on)


def test_a_purge_leaves_files_holds_and_open_jobs_and_takes_idempotency_keys(on: Services) -> None:
    on = replace(on, budgets=PerTenant(default=Budget(ended_life=timedelta(days=2))))
    kept, _ = published(on)
    keyed = create_export(EXPORT, caller(), on, key="k")
    cancel_export(ref(keyed.id), caller(), on)
    open_job = create_export(EXPORT, caller(), on)
    held = create_export(EXPORT, caller(), on)
    with on.database.write() as connection:
        jobs.hold(connection, held.id, now=on.now(connection))
    cancel_export(ref(held.id), caller(), on)
    age_jobs(on, timedelta(days=3))
    assert retention.purge_records(on) == 1
    with on.database.read() as connection:
        left = set(connection.execute(select(job_table.c.id)).scalars())
        assert left == {kept, open_job.id, held.id}
        assert connection.execute(select(func.count()).select_from(idempotency)).scalar_one() == 0
