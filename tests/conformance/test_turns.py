"""Fair claims: tenants share the workers, and short jobs pass long ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from offtake.core.admin import identity
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.executor.worker import Worker, claim_next
from offtake.model.artifact import Artifact
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Job, Lease
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan
from offtake.store import job_claims, jobs
from offtake.store.database import Database
from offtake.store.schema import job as table
from tests.fixtures.exports import EXPORT, NOON, caller, queued

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FILE = Artifact(key="files/acme/x", rows=3, bytes=99, sha256="0" * 64)


@pytest.fixture
def on(services: Services) -> Services:
    """Services with three tenants."""
    for name in ("acme", "umbra", "globex"):
        identity.add_tenant(Tenant(name=name), services)
    return services


def add(on: Services, *made: Job) -> None:
    with on.database.write() as connection:
        for job in made:
            jobs.add(connection, job)


def claim(on: Services, longest: timedelta | None = None) -> Lease | None:
    return claim_next(on, Worker(name="w", longest=longest))


def claimed(on: Services) -> Lease:
    lease = claim(on)
    assert lease is not None
    return lease


def end(on: Services, lease: Lease) -> None:
    with on.database.write() as connection:
        jobs.upload(connection, lease)
        now = on.now(connection)
        assert jobs.succeed(connection, lease, FILE, now=now, expires_at=now)


def test_a_thousand_jobs_of_one_tenant_delay_another_tenants_job_by_one_run(on: Services) -> None:
    add(on, *(queued("acme", created_at=NOON - timedelta(hours=1)) for _ in range(1_000)))
    running = claimed(on)
    single = queued("umbra")
    add(on, single)
    end(on, running)  # the only worker was busy when the second tenant created its job
    assert claimed(on).job.id == single.id


def test_tenants_share_the_workers_equally(on: Services) -> None:
    for name in ("acme", "umbra", "globex"):
        add(on, *(queued(name) for _ in range(10)))
    leases = [claimed(on) for _ in range(6)]
    assert Counter(lease.job.tenant for lease in leases) == {"acme": 2, "umbra": 2, "globex": 2}
    ended = leases[0]
    end(on, ended)
    assert claimed(on).job.tenant == ended.job.tenant  # it has the fewest running jobs
    for lease in leases[1:]:
        end(on, lease)
    assert {claimed(on).job.tenant for _ in range(2)} == {"acme", "umbra", "globex"} - {ended.job.tenant}


def test_a_job_yields_for_its_estimated_duration(on: Services) -> None:
    long = replace(queued(created_at=NOON), estimated_duration=10 * MINUTE)
    before = queued(created_at=NOON + 9 * MINUTE)
    after = queued(created_at=NOON + 11 * MINUTE)  # created after the long job's estimated end
    add(on, after, long, before)
    assert [claimed(on).job.id for _ in range(3)] == [before.id, long.id, after.id]


def test_the_quick_worker_takes_no_long_job(on: Services) -> None:
    long, short = (
        replace(queued(), estimated_duration=61 * SECOND),
        replace(queued("umbra"), estimated_duration=60 * SECOND),
    )
    add(on, long)
    assert claim(on, MINUTE) is None
    add(on, short)
    lease = claim(on, MINUTE)
    assert lease is not None
    assert lease.job.id == short.id
    assert claim(on, MINUTE) is None
    assert claimed(on).job.id == long.id


def test_the_duration_estimate_averages_earlier_exports(on: Services) -> None:
    assert create_export(EXPORT, caller(), on).estimated_duration == timedelta(0)
    took(on, claimed(on), 21 * SECOND)  # 20 seconds for a day, without the second that each takes
    assert create_export(EXPORT, caller(), on).estimated_duration == 20 * SECOND
    month = replace(EXPORT, timespan=Timespan(start=NOON - timedelta(days=30), end=NOON, zone="UTC"))
    assert create_export(month, caller(), on).estimated_duration == 600 * SECOND
    assert create_export(month, caller("umbra"), on).estimated_duration == timedelta(0)
    assert create_export(replace(month, format="json"), caller(), on).estimated_duration == timedelta(0)
    assert create_export(replace(month, report="user_status"), caller(), on).estimated_duration == timedelta(0)


def test_the_estimate_of_rows_averages_earlier_exports_with_the_same_filters(on: Services) -> None:
    assert create_export(EXPORT, caller(), on).estimated_rows is None
    took(on, claimed(on), 21 * SECOND)
    longer = replace(EXPORT, timespan=Timespan(start=NOON - timedelta(days=2), end=NOON, zone="UTC"), format="json")
    assert create_export(longer, caller(), on).estimated_rows == 2 * FILE.rows
    kept = ColumnFilter(column="kind", operator=FilterOperator.EQ, values=("inbound",))
    assert create_export(replace(longer, filters=(kept,)), caller(), on).estimated_rows is None
    assert create_export(longer, caller("umbra"), on).estimated_rows is None


def took(on: Services, lease: Lease, time: timedelta) -> None:
    """Publish the job as if it had run for that time."""
    started = lease.job.started_at
    assert started is not None
    with on.database.write() as connection:
        jobs.upload(connection, lease)
        jobs.succeed(connection, lease, FILE, now=started + time, expires_at=started + timedelta(days=1))


def test_a_claim_reads_only_indexes_of_open_jobs(on: Services) -> None:
    """With 20,000 ended and 1,000 queued jobs, the query plan uses the indexes of open jobs only."""
    database = on.database
    shape = {"principal": "p", "dialect": "talkdesk", "report": "calls", "format": "csv", "request": {}, "fence": 1}
    shape |= {"attempts": 1, "created_at": NOON, "not_before": NOON, "started_at": NOON, "failure_code": "c"}
    ended = shape | {"status": "failed", "failure_message": "m", "finished_at": NOON}
    open_ = shape | {"status": "queued", "failure_code": None}
    rows = [{"id": f"e{number}", "tenant": f"{('acme', 'umbra')[number % 2]}", **ended} for number in range(20_000)]
    with database.write() as connection:
        connection.execute(insert(table), rows)
        connection.execute(insert(table), [{"id": f"q{number}", "tenant": "acme", **open_} for number in range(1_000)])
        connection.execute(text("ANALYZE"))
    for longest in (None, MINUTE):
        plan = plan_of_claim(database, longest)
        assert "ix_job_served" in plan  # the latest start per tenant comes from an index
        assert "Seq Scan" not in plan
        assert "SEARCH waiting USING INDEX ix_job_claim" in plan or not database.reads_in_process
        assert not [
            line for line in plan.splitlines() if line.startswith("SCAN") and "USING" not in line + "USING queued"
        ]


def plan_of_claim(database: Database, longest: timedelta | None) -> str:
    """Return the database's query plan of a claim."""
    seen: list[tuple[str, Any]] = []
    explain = "EXPLAIN QUERY PLAN" if database.reads_in_process else "EXPLAIN"
    with database.write() as connection:
        event.listen(connection, "before_cursor_execute", lambda c, cursor, *sent: seen.append((sent[0], sent[1])))
        job_claims.claim(connection, worker="w", now=NOON - MINUTE, until=NOON, longest=longest)
        statement, parameters = seen[0]
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in plan)
