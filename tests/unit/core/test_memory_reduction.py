"""A query that runs out of memory is repeated with a smaller plan, never unchanged; later exports begin with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.resource_plan import partition_rows, resource_plan
from offtake.core.attempt.run import run_attempt
from offtake.core.exports.create import create_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker, attempt, claim_next
from offtake.home import Home
from offtake.model.job import Job, Status
from offtake.model.manifest import Reconciliation
from offtake.model.tenant import Tenant
from offtake.model.view import TableView
from offtake.settings import Settings
from offtake.store import job_queries, memory_reductions
from offtake.store.memory_reductions import ReductionKey
from offtake.store.schema import memory_reduction
from offtake.wire.khoros.settings import KhorosSettings
from tests.fixtures.exports import EXPORT, caller
from tests.fixtures.taggings import FOLDER, tagging_services

TAGGINGS, MEMORY_MB = 4_096, 32
# Aggregated text does not spill. All rows need about 50 MiB, and more while the list grows: too much for one partition
# and for two.
QUERY = """\
SELECT unnest(tag_ids) AS tag_id, attached_at
FROM (
    SELECT list(tag_id) AS tag_ids, min(attached_at) AS attached_at, list(repeat(tag_id, 2400)) AS fillers
    FROM conversation_tag
    WHERE attached_at >= $start AND attached_at < $end AND in_partition(tag_id)
)
WHERE len(fillers) > 0
"""
FILES = {
    **FOLDER,
    "report.toml": FOLDER["report.toml"].replace("tables =", 'count = "taggings"\ntables =', 1),
    "query.sql": QUERY,
    "count.sql": """\
SELECT count(*) FROM conversation_tag WHERE attached_at >= $start AND attached_at < $end AND in_partition(tag_id)
""",
}


def services(folder: Path, files: dict[str, str]) -> Services:
    """Services with the report, its rows, and attempts with 32 MiB."""
    made = tagging_services(folder, rows=TAGGINGS, files=files)
    policy = replace(made.attempt, memory_mb=MEMORY_MB, threads=2, partition_rows=TAGGINGS)
    return replace(made, attempt=policy)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Services]:
    made = services(tmp_path, FILES)
    yield made
    made.database.close()


@pytest.fixture
def on_whole(tmp_path: Path) -> Iterator[Services]:
    """Services whose report cannot be partitioned."""
    files = {name: text.replace('partition_by = "tag_id"\n', "") for name, text in FILES.items()}
    files = {name: text.replace(" AND in_partition(tag_id)", "") for name, text in files.items()}
    made = services(tmp_path, files)
    yield made
    made.database.close()


def export(on: Services) -> tuple[Job, list[str]]:
    """Create an export and run one attempt; return the job afterwards and the names of the logged events."""
    job = create_export(replace(EXPORT, report="taggings", row_limit=None), caller(), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    with structlog.testing.capture_logs() as events:
        attempt(lease, on, Shutdown(timedelta(0)), Cancellation())
    with on.database.read() as connection:
        found = job_queries.get(connection, job.id)
    assert found is not None
    return found, [str(event["event"]) for event in events]


def test_an_attempt_that_runs_out_of_memory_doubles_its_partitions_until_they_fit(on: Services) -> None:
    job, events = export(on)
    assert job.artifact is not None
    assert (job.status, job.artifact.rows, job.attempts) == (Status.SUCCEEDED, TAGGINGS, 1)
    assert events[-1] == "attempt"
    assert len(events) >= 3  # neither one partition nor two fit
    assert set(events[:-1]) == {"attempt_reduced"}
    _, manifest = read_manifest(JobRef(id=job.id, dialect=job.request.dialect), caller(), on)
    assert manifest.reconciled == (Reconciliation(what="taggings", expected=TAGGINGS, written=TAGGINGS),)


def test_later_exports_begin_with_the_plan_that_fitted(on: Services) -> None:
    first, events = export(on)
    later, later_events = export(on)
    assert first.artifact is not None
    assert later.artifact is not None
    assert later.artifact.rows == first.artifact.rows
    assert later_events == ["attempt"]
    with on.database.read() as connection:
        stored = connection.execute(select(memory_reduction)).one()
    assert (stored.tenant, stored.report, stored.format) == ("acme", "taggings", "csv")
    assert (stored.memory_mb, stored.reductions) == (MEMORY_MB, len(events) - 1)


def test_a_report_without_partitions_fails_once_and_names_the_setting_and_its_value(on_whole: Services) -> None:
    job, events = export(on_whole)
    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert events == ["attempt_reduced", "attempt"]  # to one thread
    assert job.failure is not None
    assert job.failure.code == "memory_exhausted"
    assert job.failure.message == (
        "The query needs more memory than its limit allows. Set worker.memory_mb to 64 or more (now 32), or ask for a "
        "shorter timespan."
    )


def test_too_little_temporary_space_names_its_own_setting(on_whole: Services) -> None:
    sql = """\
SELECT tag_id, attached_at
FROM conversation_tag, range(300) AS numbers (number)
WHERE attached_at >= $start AND attached_at < $end
ORDER BY md5(tag_id || CAST(number AS VARCHAR))
"""
    report = replace(on_whole.catalogue.reports["taggings"], sql=sql)
    catalogue = replace(on_whole.catalogue, reports={**on_whole.catalogue.reports, "taggings": report})
    job, _ = export(replace(on_whole, load_catalogue=lambda: catalogue, attempt=replace(on_whole.attempt, temp_mb=8)))
    assert job.failure is not None
    assert job.failure.message.startswith(
        "The query needs more temporary space than its limit allows. Set worker.temp_mb to 1024 or more (now 8)"
    )


@pytest.mark.parametrize(("sorts", "threads"), [(True, 1), (False, 2)])
def test_rows_that_a_setting_leaves_unsorted_use_all_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sorts: bool, threads: int
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    made = build_services(home, Settings(khoros=KhorosSettings(sorted_rows=sorts)))
    identity.add_tenant(Tenant(name="acme"), made)
    on = replace(made, attempt=replace(made.attempt, memory_mb=512, threads=2))
    used: list[int] = []

    def session(limits: Limits, *views: Any, **options: Any) -> Session:
        used.append(limits.threads)
        return Session(limits, *views, **options)

    monkeypatch.setattr("offtake.core.attempt.run.Session", session)
    create_export(replace(EXPORT, dialect="khoros", report="combined", format="json"), caller(), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    run_attempt(lease, on, Cancellation())
    made.database.close()
    assert used == [threads]


def test_plans_are_reduced_down_to_a_bound(on: Services) -> None:
    report = on.catalogue.reports["taggings"]
    views = [TableView(table="conversation_tag", files=(), columns=(("tag_id", "VARCHAR"),), rows=50_000)]
    policy = replace(on.attempt, memory_mb=256, partition_rows=partition_rows(256))
    plans = [resource_plan(report, views, policy, is_sorted=False, reductions=number) for number in range(12)]
    assert [plan.threads for plan in plans] == [2, *[1] * 11]
    assert [plan.partitions for plan in plans] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024]
    few = [replace(views[0], rows=3)]
    assert resource_plan(report, few, policy, is_sorted=True, reductions=12).partitions == 12  # they may be long
    in_order = [resource_plan(report, views, policy, is_sorted=True, reductions=number) for number in range(3)]
    assert [plan.range_bytes >> 20 for plan in in_order] == [16, 8, 4]
    assert {plan.threads for plan in in_order} == {1}


def test_many_events_of_few_conversations_are_partitioned_too(on: Services) -> None:
    report = on.catalogue.reports["conversation_actions"]
    columns = (("conversation_id", "VARCHAR"),)
    few = [TableView(table="conversation", files=(), columns=columns, rows=10_000)]
    many = [*few, TableView(table="conversation_action", files=(), columns=columns, rows=5_000_000)]
    policy = replace(on.attempt, memory_mb=256, partition_rows=partition_rows(256))
    found = [resource_plan(report, views, policy, is_sorted=False).partitions for views in (few, many)]
    assert found[0] == 1
    assert found[1] >= 7


def test_reductions_apply_to_the_kind_of_export_and_to_larger_ones(on: Services) -> None:
    key = ReductionKey(tenant="acme", report="combined", format="json", memory_mb=256, rows=100_000)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with on.database.write() as connection:
        memory_reductions.record(connection, key, 3, now=now)
        memory_reductions.record(connection, key, 2, now=now)  # of a worker that began earlier
        same = [key, replace(key, rows=120_000), replace(key, rows=9_000_000)]
        assert [memory_reductions.get(connection, each) for each in same] == [3, 3, 3]
        others = [
            replace(key, rows=50_000),
            replace(key, memory_mb=512),
            replace(key, format="csv"),
            replace(key, report="response"),
            replace(key, tenant="other"),
        ]
        assert [memory_reductions.get(connection, each) for each in others] == [0] * 5
