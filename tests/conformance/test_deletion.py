"""Listing and deleting jobs: order and pages, visibility, interrupted deletions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from offtake.core.admin import identity
from offtake.core.auth.caller import Caller
from offtake.core.exports import download, retention
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef, Listing, get_export, list_exports
from offtake.core.services import Services
from offtake.errors import ArtifactGone, ArtifactNotFound, AuditUnavailable, JobNotFound, JobStateConflict, Unavailable
from offtake.model.job import Status
from offtake.model.tenant import DEFAULT_SCOPES, Tenant
from offtake.store import jobs
from tests.fixtures.exports import EXPORT, NOON, age_jobs, caller, published, queued


@pytest.fixture
def on(services: Services) -> Services:
    """Services with two tenants."""
    for name in ("acme", "umbra"):
        identity.add_tenant(Tenant(name=name), services)
    return services


def ref(job_id: str) -> JobRef:
    return JobRef(id=job_id, dialect="talkdesk")


def status(on: Services, job_id: str) -> Status:
    return get_export(ref(job_id), caller(), on).status


def operations(on: Services, job_id: str) -> list[str]:
    """Return the audited operations on a job."""
    with on.database.read() as connection:
        statement = text("SELECT operation FROM audit WHERE job = :job ORDER BY id")
        return [row.operation for row in connection.execute(statement, {"job": job_id})]


def ids(on: Services, listing: Listing, tenant: str = "acme") -> tuple[int, Sequence[str]]:
    page = list_exports(listing, caller(tenant), on)
    return page.total, [job.id for job in page.jobs]


def test_pages_are_newest_first_and_contain_every_job_once(on: Services) -> None:
    at = [NOON + timedelta(seconds=second) for second in (5, 1, 3, 3, 3, 4, 2)]  # three jobs have the same instant
    made = [queued(created_at=instant) for instant in at]
    with on.database.write() as connection:
        for job in made:
            jobs.add(connection, job)
        jobs.add(connection, queued("umbra"))
        jobs.add(connection, replace(queued(), request=replace(EXPORT, dialect="loop")))
        jobs.add(connection, replace(queued(), request=replace(EXPORT, report="user_status")))
    expected = [job.id for job in sorted(made, key=lambda job: (job.created_at, job.id), reverse=True)]
    calls = Listing(dialect="talkdesk", report="calls", per_page=3)
    pages = [ids(on, replace(calls, page=number)) for number in (1, 2, 3, 4)]
    assert [page[1] for page in pages] == [expected[:3], expected[3:6], expected[6:], []]
    assert {page[0] for page in pages} == {7}
    since = replace(calls, per_page=50, since=NOON + timedelta(seconds=3))
    assert ids(on, since) == (5, expected[:5])
    assert ids(on, replace(calls, per_page=50, report=None))[0] == 8  # all reports of the dialect
    assert ids(on, calls, "umbra")[0] == 1


def test_a_list_contains_the_jobs_that_its_caller_may_see(on: Services) -> None:
    """The pages and the total contain the same jobs that ``get`` returns."""
    rita, olga, boss = "rita@acme.example", "olga@acme.example", "boss@acme.example"
    made = [
        replace(queued(), actor=actor, effective=effective, created_at=NOON + timedelta(seconds=second))
        for second, (actor, effective) in enumerate(((rita, rita), (olga, olga), (boss, rita), (None, None)))
    ]
    with on.database.write() as connection:
        for job in made:
            jobs.add(connection, job)
    hers, others, for_her, without_person = (job.id for job in made)
    acme = caller().principal
    readers = {
        "rita": replace(acme, user=rita, scopes=DEFAULT_SCOPES),
        "olga": replace(acme, user=olga, scopes=DEFAULT_SCOPES),
        "boss as rita": replace(acme, user=boss, effective=rita),
        "boss without admin": replace(acme, user=boss, scopes=DEFAULT_SCOPES),
        "boss": replace(acme, user=boss),
        "the tenant": acme,
    }
    found: dict[str, list[str]] = {}
    for name, principal in readers.items():
        by = replace(caller(), principal=principal)
        page = list_exports(Listing(dialect="talkdesk", per_page=2), by, on)
        second = list_exports(Listing(dialect="talkdesk", per_page=2, page=2), by, on)
        found[name] = [job.id for job in (*page.jobs, *second.jobs)]
        assert page.total == second.total == len(found[name])
        assert set(found[name]) == {job.id for job in made if _is_found(job.id, by, on)}
    all_of_them = [without_person, for_her, others, hers]
    assert found == {
        "rita": [for_her, hers],
        "olga": [others],
        "boss as rita": [for_her, hers],
        "boss without admin": [for_her],
        "boss": all_of_them,
        "the tenant": all_of_them,
    }


def _is_found(job_id: str, by: Caller, on: Services) -> bool:
    try:
        get_export(ref(job_id), by, on)
    except JobNotFound:
        return False
    return True


def test_a_deletion_is_recorded_and_removes_the_file(on: Services) -> None:
    job, path = published(on)
    delete_export(ref(job), caller(), on)
    assert not path.exists()
    assert status(on, job) is Status.DELETED
    assert operations(on, job) == ["job.create", "artifact.delete"]
    with pytest.raises(ArtifactGone):
        delete_export(ref(job), caller(), on)


def test_open_foreign_and_expired_jobs_cannot_be_deleted(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    with pytest.raises(JobStateConflict):
        delete_export(ref(job.id), caller(), on)
    with pytest.raises(JobNotFound):
        delete_export(ref(job.id), caller("umbra"), on)
    assert operations(on, job.id) == ["job.create"]
    cancel_export(ref(job.id), caller(), on)
    delete_export(ref(job.id), caller(), on)
    assert status(on, job.id) is Status.DELETED
    expired, _ = published(on)
    age_jobs(on, timedelta(days=2))
    retention.expire(on)
    with pytest.raises(ArtifactGone):
        delete_export(ref(expired), caller(), on)
    assert status(on, expired) is Status.EXPIRED


def test_without_an_audit_record_nothing_is_deleted(on: Services) -> None:
    job, path = published(on)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        delete_export(ref(job), caller(), on)
    assert path.is_file()
    assert status(on, job) is Status.SUCCEEDED
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    assert download.mint(ref(job), caller(), on).job == job


@pytest.mark.parametrize("removed", [False, True], ids=["before-the-file-goes", "after"])
def test_maintenance_completes_a_deletion_that_was_killed(
    removed: bool, on: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, path = published(on)
    unlink = Path.unlink

    def die(found: Path, missing_ok: bool = False) -> None:
        if removed:
            unlink(found, missing_ok=missing_ok)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            delete_export(ref(job), caller(), on)
    assert operations(on, job) == ["job.create", "artifact.delete"]
    with pytest.raises(ArtifactNotFound):  # no more links, whether or not the file still exists
        download.mint(ref(job), caller(), on)
    assert retention.expire(on).done == 1
    assert not path.exists()
    assert status(on, job) is Status.EXPIRED


def test_a_failed_removal_is_reported_and_can_be_repeated(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    job, path = published(on)

    def refuse(found: Path, missing_ok: bool = False) -> None:
        raise PermissionError(1, "not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(Unavailable):
            delete_export(ref(job), caller(), on)
    with pytest.raises(ArtifactNotFound):
        download.mint(ref(job), caller(), on)
    delete_export(ref(job), caller(), on)
    assert not path.exists()
    assert status(on, job) is Status.DELETED


def test_reads_are_audited_if_the_operator_enables_it(on: Services) -> None:
    job, _ = published(on)
    get_export(ref(job), caller(), on)
    assert operations(on, job) == ["job.create"]
    default = replace(on.limits["talkdesk"].default, audit_reads=True)
    watched = replace(on, limits={"talkdesk": replace(on.limits["talkdesk"], default=default)})
    get_export(ref(job), caller(), watched)
    list_exports(Listing(dialect="talkdesk", per_page=1), caller(), watched)
    download.mint(ref(job), caller(), watched)
    assert operations(on, job) == ["job.create", "job.read", "artifact.link"]
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        get_export(ref(job), caller(), watched)
    with pytest.raises(AuditUnavailable):
        list_exports(Listing(dialect="talkdesk", per_page=1), caller(), watched)
    get_export(ref(job), caller(), on)
