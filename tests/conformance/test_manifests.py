"""Manifests: what a job publishes, on every database, and what a retry reads."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, select, text

from offtake.core.admin import identity
from offtake.core.attempt import run
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.verification import BlockHash
from offtake.core.auth.caller import Caller
from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.core.exports.retention import count_orphans
from offtake.core.services import Services
from offtake.errors import ArtifactGone, ArtifactNotFound, AttemptError, JobStateConflict, LakeVersionGone, LinkRefused
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.artifact import ArtifactFile, artifact_of
from offtake.model.job import Failure, Job, Lease, Phase, Pin, Progress, Status
from offtake.model.manifest import Manifest
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Tenant
from offtake.store import job_claims, job_queries, jobs, manifests, migrate, usage
from offtake.store.database import Database
from offtake.store.schema import artifact_file, manifest
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, caller
from tests.fixtures.storage_paths import artifact_path

HOUR = timedelta(hours=1)
FIRST, LATER = "2026-02-28T13:00:00Z", "2026-03-01T10:00:00Z"
REQUEST = replace(EXPORT, format="json")


@pytest.fixture
def on(services: Services, tmp_path: Path) -> Services:
    """Services with one call in the lake."""
    identity.add_tenant(Tenant(name="acme"), services)
    _load(services, tmp_path, FIRST)
    return services


def _load(on: Services, folder: Path, *ended: str) -> None:
    file = folder / "call.jsonl"
    file.write_text("".join(json.dumps(call(at, at)) + "\n" for at in ended))
    load(on.lake, tables()["call"], [file], tenant="acme")


def _lease(on: Services) -> Lease:
    with on.database.write() as connection:
        now = on.now(connection)
        lease = job_claims.claim(connection, worker="w", now=now, until=now + HOUR)
    assert lease is not None
    return lease


def _run(on: Services) -> Job:
    lease = _lease(on)
    run.run_attempt(lease, on, Cancellation())
    return _job(on, lease.job.id)


def _job(on: Services, job_id: str) -> Job:
    with on.database.read() as connection:
        job = job_queries.get(connection, job_id)
    assert job is not None
    return job


def _client(on: Services) -> Caller:
    """A caller whose credential is stored, as a link requires."""
    made = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    return Caller(principal=replace(caller().principal, credential=made.credential.id))


def _ref(job: Job) -> JobRef:
    return JobRef(id=job.id, dialect=job.request.dialect)


def _ended(on: Services, file: ArtifactFile) -> list[str]:
    entries = json.loads(artifact_path(on, file.key).read_text("utf-8"))["entries"]
    return sorted(entry["call_id"] for entry in entries)


def test_a_manifest_says_what_the_file_was_made_of(on: Services) -> None:
    create_export(REQUEST, caller(), on)
    job = _run(on)
    _, found = read_manifest(_ref(job), caller(), on)
    assert found.report_version == on.catalogue.reports["calls"].version
    assert found.lake_versions["call"] == 1  # the table was created, then loaded
    assert found.lake_versions["queue"] is None  # it was never loaded
    assert found.request["timespan"]["timezone"] == REQUEST.timespan.zone
    (file,) = found.files
    data = artifact_path(on, file.key).read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    assert (file.rows, file.bytes, file.sha256, file.blocks) == (1, len(data), checksum, (checksum,))
    written = json.loads(data)["entries"][0]
    assert [column.name for column in found.columns] == list(written)
    by_name = {column.name: column for column in on.catalogue.reports["calls"].columns}
    assert all(column.meaning == by_name[column.source].meaning for column in found.columns)


def test_a_block_can_be_checked_without_the_rest_of_the_file() -> None:
    for size in (0, 1, 9, 10, 11, 20, 35):
        data, hashed = bytes(range(size)), BlockHash(10)
        for start in range(0, size, 7):
            hashed.update(data[start : start + 7])
        assert hashed.hexdigest() == hashlib.sha256(data).hexdigest()
        blocks = [data[at : at + 10] for at in range(0, max(1, size), 10)]
        assert hashed.blocks() == tuple(hashlib.sha256(block).hexdigest() for block in blocks)


def test_a_retry_reads_the_versions_that_the_first_attempt_found(on: Services, tmp_path: Path) -> None:
    """A load between two attempts does not change the rows of the export."""

    def end(point: str, lease: Lease) -> None:
        if point == "staged":
            raise AttemptError("The worker ended.")

    create_export(REQUEST, caller(), on)
    lease = _lease(on)
    with suppress(AttemptError):
        run.run_attempt(lease, replace(on, reached=end), Cancellation())
    with on.database.write() as connection:
        assert jobs.schedule_retry(connection, lease, not_before=on.now(connection))
    _load(on, tmp_path, FIRST, LATER)
    job = _run(on)
    _, found = read_manifest(_ref(job), caller(), on)
    assert (_ended(on, found.files[0]), found.lake_versions["call"]) == ([FIRST], 1)
    create_export(REQUEST, caller(), on)
    _, newer = read_manifest(_ref(_run(on)), caller(), on)
    assert (_ended(on, newer.files[0]), newer.lake_versions["call"]) == ([FIRST, LATER], 2)


def test_an_export_whose_lake_was_replaced_between_two_attempts_fails_with_its_own_code(on: Services) -> None:
    create_export(REQUEST, caller(), on)
    lease = _lease(on)
    job = run.run_attempt(lease, on, Cancellation())
    assert job.rows == 1
    pin = _job(on, lease.job.id).pin
    assert pin is not None
    lost = replace(lease.job, pin=replace(pin, lake_versions={**pin.lake_versions, "call": 9}))
    with pytest.raises(LakeVersionGone, match="call"):
        run.run_attempt(replace(lease, job=lost), on, Cancellation())


def test_a_job_that_the_operator_retries_reads_the_newest_versions(on: Services, tmp_path: Path) -> None:
    create_export(REQUEST, caller(), on)
    lease = _lease(on)
    pin = Pin(report_version="v", lake_versions={"call": 1})
    with on.database.write() as connection:
        assert jobs.pin(connection, lease, pin)
        assert jobs.fail(connection, lease, Failure(code="x", message="X."), now=on.now(connection))
        assert jobs.reset_failed(connection, lease.job.id, now=on.now(connection))
    _load(on, tmp_path, FIRST, LATER)
    assert _run(on).artifact == _job(on, lease.job.id).artifact
    assert read_manifest(_ref(lease.job), caller(), on)[1].lake_versions["call"] == 2


def test_the_progress_of_an_attempt_is_recorded_with_its_lease_and_ends_with_it(on: Services) -> None:
    create_export(REQUEST, caller(), on)
    lease, progress = _lease(on), Progress(phase=Phase.WRITING, rows=7)
    with on.database.write() as connection:
        assert jobs.renew(connection, lease, until=lease.until + HOUR, progress=progress)
        now = on.now(connection)
    assert _job(on, lease.job.id).progress == progress
    with on.database.write() as connection:
        assert jobs.schedule_retry(connection, lease, not_before=now)
    assert _lease(on).job.progress is None


@pytest.fixture
def three_files(on: Services) -> tuple[Job, tuple[ArtifactFile, ...]]:
    """A published job with three files."""
    create_export(REQUEST, caller(), on)
    lease = _lease(on)
    made = []
    for number in range(3):
        key = on.artifacts.key("acme", lease.job.id, lease.fence, f"{number}.json")
        path = artifact_path(on, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number + 1))
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        file = ArtifactFile(
            number=number, key=key, rows=number, bytes=number + 1, sha256=checksum, blocks=(checksum,),
            first_key=("a", number), last_key=("b", number),
        )  # fmt: skip
        made.append(file)
    files = tuple(made)
    stored = Manifest(
        report="calls", report_version="v", columns=(), request={}, as_of=None, watermark=None,
        lake_versions={"call": 1}, reconciled=(), producer="offtake", files=files,
    )  # fmt: skip
    with on.database.write() as connection:
        now = on.now(connection)
        assert jobs.upload(connection, lease)
        assert jobs.succeed(connection, lease, artifact_of(files), now=now, expires_at=now + HOUR)
        manifests.add(connection, lease.job.id, stored)
    return _job(on, lease.job.id), files


def test_every_file_of_an_artifact_is_listed_linked_and_removed(
    on: Services, three_files: tuple[Job, tuple[ArtifactFile, ...]]
) -> None:
    job, files = three_files
    assert read_manifest(_ref(job), caller(), on)[1].files == files
    with on.database.read() as connection:
        used = usage.read(connection, "acme")
    assert (used.files, used.rows, used.bytes) == (3, 3, 6)
    assert count_orphans(on) == 0
    client = _client(on)
    links = [download.mint(_ref(job), client, on, file=number) for number in range(3)]
    assert [link.file_name.rpartition("_")[2] for link in links] == ["1.json", "2.json", "3.json"]
    for link, file in zip(links, files, strict=True):
        opened = _open(on, link, link.file)
        assert (opened.file, b"".join(opened.read(0, file.bytes))) == (file, b"x" * file.bytes)
        with pytest.raises(LinkRefused):  # a link is valid for one file
            _open(on, link, (link.file + 1) % 3)
    with pytest.raises(ArtifactNotFound):
        download.mint(_ref(job), caller(), on, file=3)
    delete_export(_ref(job), caller(), on)
    assert not any(artifact_path(on, file.key).exists() for file in files)
    with on.database.read() as connection:
        used = usage.read(connection, "acme")
        assert connection.execute(select(artifact_file)).all() == []
    assert (used.files, used.rows, used.bytes) == (0, 0, 0)
    with pytest.raises(ArtifactGone):
        read_manifest(_ref(job), caller(), on)


def _open(on: Services, link: download.Link, file: int) -> download.Download:
    return download.open_link(link.job, file=file, expires=str(link.expires), signature=link.signature, on=on)


def test_an_open_export_has_no_manifest(on: Services) -> None:
    job = create_export(REQUEST, caller(), on)
    with pytest.raises(JobStateConflict, match="queued"):
        read_manifest(_ref(job), caller(), on)


def test_a_job_that_an_older_release_published_keeps_its_file(on: Services) -> None:
    """The migration leaves such jobs without rows in the new tables."""
    create_export(REQUEST, caller(), on)
    job = _run(on)
    with on.database.write() as connection:
        connection.execute(delete(artifact_file))
        connection.execute(delete(manifest))
        connection.execute(text("UPDATE job SET files = NULL, report_version = NULL, lake_versions = NULL"))
    old, found = read_manifest(_ref(job), caller(), on)
    assert (old.pin, found.report_version, found.lake_versions) == (None, None, {})
    (file,) = found.files
    assert (file.number, file.blocks) == (0, None)
    assert _open(on, download.mint(_ref(job), _client(on), on), 0).file == file
    assert count_orphans(on) == 0
    delete_export(_ref(job), caller(), on)
    assert _job(on, job.id).status is Status.DELETED
    assert not artifact_path(on, file.key).exists()


def test_the_migration_carries_existing_jobs_over(on: Services) -> None:
    """A database of the first schema, with a published job, gets the tables and keeps the job."""
    create_export(REQUEST, caller(), on)
    job = _run(on)
    assert job.artifact is not None
    _downgrade(on.database, "0001")
    migrate.migrate(on.database)
    kept = _job(on, job.id)
    assert (kept.status, kept.artifact, kept.pin) == (Status.SUCCEEDED, job.artifact, None)


def _downgrade(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
