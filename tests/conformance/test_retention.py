"""Retention and the sweep: which files are removed, and failures of removals."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from offtake.core.admin import identity
from offtake.core.exports import retention
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, get_export
from offtake.core.services import Services
from offtake.errors import StorageUnavailable
from offtake.model.job import Status
from offtake.model.tenant import Tenant
from offtake.store import job_claims, job_queries
from tests.fixtures.exports import EXPORT, age_jobs, caller, published
from tests.fixtures.maintenance import maintain


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def status(on: Services, job_id: str) -> Status:
    return get_export(JobRef(id=job_id, dialect="talkdesk"), caller(), on).status


def test_an_artifact_is_removed_when_its_retention_is_over(on: Services) -> None:
    job, path = published(on)
    assert retention.expire(on).done == 0
    assert path.is_file()
    age_jobs(on, timedelta(days=2))
    assert retention.expire(on).done == 1
    assert not path.exists()
    assert status(on, job) is Status.EXPIRED


def test_the_sweep_removes_orphaned_files_only(on: Services) -> None:
    job, path = published(on)
    running = create_export(EXPORT, caller(), on)
    now = on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    needed = on.artifacts.staging(running.id, lease.fence, "csv")
    needed.write_text("half")
    left = [on.artifacts.staging(job, 1, "csv"), path.with_name(f"{job}.0.csv"), path.with_name(f"{'0' * 36}.1.csv")]
    for orphan in left:
        orphan.write_text("y")
    on.artifacts.spill(job, 1).mkdir(parents=True)
    assert (retention.sweep(on).done, retention.sweep(on).done) == (4, 0)
    assert (path.is_file(), needed.is_file(), [orphan.exists() for orphan in left]) == (True, True, [False] * 3)


def test_a_batch_of_failed_removals_does_not_stop_the_next_batch(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk that refuses deletions does not end the worker."""
    monkeypatch.setattr(retention, "EXPIRY_BATCH_SIZE", 2)
    made = [published(on) for _ in range(4)]
    age_jobs(on, timedelta(days=2))
    undeletable, unlink = [path for _, path in made[:3]], Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path in undeletable:
            raise OSError(errno.ENOSPC, "no space left")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert retention.expire(on) == retention.RemovalCounts(done=1, failed=3)
    assert [status(on, job) for job, _ in made] == [Status.EXPIRED] * 4
    assert [path.exists() for _, path in made] == [True] * 3 + [False]


def test_a_store_that_cannot_be_listed_does_not_stop_the_worker(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, pattern: str) -> None:
        raise PermissionError(errno.EACCES, f"not permitted: {path.name}/{pattern}")

    monkeypatch.setattr(Path, "glob", refuse)
    assert retention.sweep(on) == retention.RemovalCounts(done=0, failed=1)


def test_a_failed_removal_stops_neither_the_other_removals_nor_the_worker(
    on: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [published(on) for _ in range(3)]
    age_jobs(on, timedelta(days=2))
    undeletable, unlink = made[0][1], Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == undeletable:
            raise PermissionError(1, "not permitted")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    orphan = undeletable.with_name(f"{'0' * 36}.1.csv")
    orphan.write_text("y")
    maintain(on)
    with on.database.read() as connection:
        stored = [job_queries.get(connection, job) for job, _ in made]
    found = [job.status for job in stored if job is not None]
    assert found == [Status.SUCCEEDED, Status.EXPIRED, Status.EXPIRED]
    assert not orphan.exists()
    with pytest.raises(StorageUnavailable):
        on.artifacts.remove(on.artifacts.key("acme", made[0][0], 1, "csv"))
