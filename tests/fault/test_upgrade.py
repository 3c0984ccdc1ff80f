"""Two releases on one database, as during an upgrade.

The next release's migration is ``fixtures/next_migration.py``. The effects of a process of this
release on the database are recorded here as text: ``OLD`` has its statements, ``REQUEST`` a request as it stored it.
They run on a database that the next release has migrated, together with the code of this release, on both kinds of
database. Other processes notice nothing else of an old process. Requests of the next release have words that this
release does not know.

When a release is made, the texts are recorded again; the code of an old release is not run, because a checkout of the
next one does not have it. Afterwards the texts stay unchanged while migrations are added.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, text, update

from offtake.core.attempt import outcome
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, get_export
from offtake.core.services import Services
from offtake.model.job import Job, Status
from offtake.store import job_queries
from offtake.store.database import Database
from offtake.store.migrate import migrate
from offtake.store.schema import Instant
from offtake.store.schema import job as table
from tests.fixtures.care import call
from tests.fixtures.databases import DATABASES, fresh_database, state_setting
from tests.fixtures.exports import caller
from tests.fixtures.installation import Installation
from tests.fixtures.next_migration import next_release, revision
from tests.fixtures.polling import wait_for
from tests.fixtures.workers import CALLS, job_row, run_next_attempt

REQUEST: dict[str, Any] = {
    "start": "2026-03-01T00:00:00+00:00",
    "end": "2026-04-01T00:00:00+00:00",
    "zone": "UTC",
    "name": "march",
    "row_limit": None,
    "as_of": "2026-04-02T00:00:00+00:00",
    "watermark": None,
    "account_zone": "UTC",
    "locale": None,
    "columns": [],
    "parameters": {"queue_ids": ["sales"]},
}
OLD = {
    "tenant": "INSERT INTO tenant (name, zone, created_at) VALUES (:tenant, 'UTC', :now)",
    "create": "INSERT INTO job (id, tenant, principal, dialect, report, format, request, status, fence, attempts, "
    "created_at, not_before, reference, actor, effective) VALUES (:id, :tenant, 'someone', 'talkdesk', 'calls', "
    "'json', :request, 'queued', 0, 0, :now, :now, NULL, NULL, NULL)",
    "audit": "INSERT INTO audit (at, tenant, principal, operation, dialect, job, outcome) "
    "VALUES (:now, :tenant, 'someone', 'job.create', 'talkdesk', :id, 'allowed')",
    "claim": "UPDATE job SET status = 'running', fence = fence + 1, attempts = attempts + 1, started_at = :now, "
    "lease_worker = 'old', lease_until = :until WHERE id = :id AND status IN ('queued')",
    "renew": "UPDATE job SET lease_until = :until WHERE id = :id AND fence = :fence AND status IN "
    "('running', 'uploading')",
    "upload": "UPDATE job SET status = 'uploading' WHERE id = :id AND fence = :fence AND status IN ('running')",
    "succeed": "UPDATE job SET status = 'succeeded', finished_at = :now, expires_at = :until, "
    "artifact_key = 'files/x', rows = 1, bytes = 1, sha256 = 'x', lease_worker = NULL, lease_until = NULL "
    "WHERE id = :id AND fence = :fence AND status IN ('uploading')",
    "retry": "UPDATE job SET status = 'queued', not_before = :now, lease_worker = NULL, lease_until = NULL "
    "WHERE id = :id AND fence = :fence AND status IN ('running', 'uploading')",
    "cancel": "UPDATE job SET status = 'cancelled', finished_at = :now, lease_worker = NULL, lease_until = NULL "
    "WHERE id = :id AND tenant = :tenant AND status IN ('queued', 'running', 'uploading')",
}
_TYPES = {"now": Instant(), "until": Instant(), "request": table.c.request.type}


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, installation: Installation) -> Installation:
    """An installation of this release."""
    state = ""
    if request.param == "postgresql":
        state = state_setting(fresh_database(request.getfixturevalue("postgresql")))
    installation.init(f"{state}\n[worker]\nretry_seconds = 0\nattempts = 2\n")
    return installation


def old(on: Database, statement: str, clock: Services, job: str = "", **values: object) -> int:
    """Run a statement of the previous release; return the number of rows it changed."""
    now = clock.clock()
    given: dict[str, object] = {"id": job, "tenant": "acme", "now": now, "until": now + timedelta(minutes=1), **values}
    sql = text(OLD[statement])
    used = [name for name in given if f":{name}" in OLD[statement].replace(f":{name}s", "")]
    typed = [bindparam(name, type_=_TYPES[name]) for name in used if name in _TYPES]
    with on.write() as connection:
        return connection.execute(sql.bindparams(*typed), {name: given[name] for name in used}).rowcount


def old_create(on: Services, request: Mapping[str, Any] = REQUEST) -> str:
    """Create a job as the previous release does."""
    job = str(uuid.uuid4())
    for statement in ("create", "audit"):
        assert old(on.database, statement, on, job, request=dict(request)) == 1
    return job


def read(on: Services, job: str) -> Job:
    with on.database.read() as connection:
        found = job_queries.get(connection, job)
    assert found is not None
    return found


@contextmanager
def upgraded(home: Installation, tmp_path: Path) -> Iterator[Services]:
    """Services of this release, on a database that the next release has migrated since they were opened, with a tenant
    and a call."""
    with home.services() as on:
        assert old(on.database, "tenant", on) == 1
        home.load("call", [call("c1", "2026-03-02T10:00:00Z", queue_ids=["sales"])], tenant="acme")
        migrate(on.database, next_release(tmp_path / "next"))
        yield on


def test_the_next_release_migrates_the_data_of_this_one(home: Installation, tmp_path: Path) -> None:
    with upgraded(home, tmp_path) as on, on.database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == revision
        assert connection.execute(text("SELECT tenant FROM next_thing")).scalar_one() == "acme"


def test_a_process_that_starts_on_a_newer_schema_exits_with_a_message(home: Installation, tmp_path: Path) -> None:
    with upgraded(home, tmp_path):
        pass
    done = home.run("worker")
    assert done.returncode == 3
    assert "newer release" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_server_and_an_old_worker_share_jobs_with_new_ones(home: Installation, tmp_path: Path) -> None:
    with upgraded(home, tmp_path) as on:
        # Created by the old server, run by a new worker.
        first = old_create(on)
        assert run_next_attempt(on).id == first
        assert read(on, first).status is Status.SUCCEEDED
        # Created by a new server, run by an old worker.
        second = create_export(CALLS, caller(), on).id
        assert old(on.database, "claim", on, second) == 1
        assert [old(on.database, name, on, second, fence=1) for name in ("renew", "upload", "succeed")] == [1, 1, 1]
        assert read(on, second).status is Status.SUCCEEDED
        # An old worker dies; a new one takes over, and the old one's fence is no longer valid.
        third = old_create(on)
        assert old(on.database, "claim", on, third) == 1
        assert outcome.rescue_expired_leases(on, dead_worker="old") == 1
        assert run_next_attempt(on).id == third
        assert [old(on.database, name, on, third, fence=1) for name in ("renew", "upload", "retry")] == [0, 0, 0]
        assert read(on, third).status is Status.SUCCEEDED
        # The old server cancels a job of the new server.
        fourth = create_export(CALLS, caller(), on).id
        assert old(on.database, "cancel", on, fourth) == 1
        assert read(on, fourth).status is Status.CANCELLED
    assert job_row(home, first)["rows"] == 1


@pytest.mark.parametrize(
    "added",
    [{"moon": "full"}, {"parameters": {"moon": "full"}}, {"parameters": {"selection": "of_the_moon"}}],
    ids=["word", "parameter", "value"],
)
def test_a_request_with_unknown_parameters_of_the_next_release_is_not_run(
    home: Installation, tmp_path: Path, added: Mapping[str, Any]
) -> None:
    """The job can be read and cancelled; a worker that does not know a parameter logs this and requeues the job."""
    with upgraded(home, tmp_path) as on:
        strange, other = (old_create(on, {**REQUEST, **added}) for _ in range(2))
        assert read(on, strange).request.unknown == (next(iter(added.get("parameters", added))),)
        ref = JobRef(id=other, dialect="talkdesk")
        assert get_export(ref, caller(), on).status is Status.QUEUED
        assert cancel_export(ref, caller(), on).status is Status.CANCELLED
        plain = old_create(on)
        ran = {run_next_attempt(on).id for _ in range(3)}  # the job with unknown words has two attempts
        assert ran == {strange, plain}
        assert read(on, plain).status is Status.SUCCEEDED
        failed = read(on, strange)
        assert failed.failure is not None
        assert (failed.status, failed.attempts, failed.failure.code) == (Status.FAILED, 2, "not_understood")
        # A worker of the next release would have run it.
        later = old_create(on, {**REQUEST, **added})
        assert run_next_attempt(on).id == later
        assert read(on, later).status is Status.QUEUED
        with on.database.write() as connection:
            connection.execute(update(table).where(table.c.id == later).values(request=REQUEST))
        assert run_next_attempt(on).id == later
        wait_for("its end", lambda: read(on, later).status is Status.SUCCEEDED)


def test_a_job_of_an_unknown_report_is_requeued_for_workers_of_the_next_release(
    home: Installation, tmp_path: Path
) -> None:
    """An old worker that claims the job first does not end it."""
    with upgraded(home, tmp_path) as on:
        job = old_create(on)
        with on.database.write() as connection:
            connection.execute(update(table).where(table.c.id == job).values(report="calls_of_tomorrow"))
        assert run_next_attempt(on).id == job
        assert read(on, job).status is Status.QUEUED
        with on.database.write() as connection:
            connection.execute(update(table).where(table.c.id == job).values(report="calls"))
        assert run_next_attempt(on).id == job
        assert read(on, job).status is Status.SUCCEEDED
