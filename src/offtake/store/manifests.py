"""Manifests and files of published exports. They are stored in the transaction that publishes the job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from offtake.model.artifact import ArtifactFile, only_file
from offtake.model.job import Job
from offtake.model.manifest import Manifest, ManifestColumn, Reconciliation
from offtake.store.records import instant_from_json, notices_from_json, notices_to_json
from offtake.store.schema import artifact_file, manifest

_FILES = select(artifact_file).where(artifact_file.c.job == bindparam("job_id")).order_by(artifact_file.c.number)
_FILE = _FILES.where(artifact_file.c.number == bindparam("file_number"))
_DOCUMENT = select(manifest.c.document).where(manifest.c.job == bindparam("job_id"))


def add(connection: Connection, job_id: str, published: Manifest) -> None:
    """Store the manifest of a job that this transaction publishes."""
    connection.execute(insert(manifest).values(job=job_id, document=_to_json(published)))
    connection.execute(
        insert(artifact_file),
        [
            {
                "job": job_id,
                "number": file.number,
                "key": file.key,
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "blocks": list(file.blocks or ()),
                "first_key": file.first_key,
                "last_key": file.last_key,
            }
            for file in published.files
        ],
    )


def get(connection: Connection, job: Job) -> Manifest | None:
    """Return the manifest of a published job; None if an older release published it."""
    document = connection.execute(_DOCUMENT, {"job_id": job.id}).scalar_one_or_none()
    return None if document is None else _from_json(document, files(connection, job))


def files(connection: Connection, job: Job) -> tuple[ArtifactFile, ...]:
    """Return the files of a published job in the order of their numbers; none if it has no artifact."""
    if job.artifact is None:
        return ()
    found = tuple(_file(row) for row in connection.execute(_FILES, {"job_id": job.id}))
    return found or (only_file(job.artifact),)


def file(connection: Connection, job: Job, number: int) -> ArtifactFile | None:
    """Return one file of a published job, or None if it has no such file."""
    if job.artifact is None or not 0 <= number < job.artifact.files:
        return None
    row = connection.execute(_FILE, {"job_id": job.id, "file_number": number}).one_or_none()
    return only_file(job.artifact) if row is None else _file(row)


def remove_files(connection: Connection, job_id: str) -> None:
    """Forget the files of a job, which were removed. The manifest stays until the job's record is purged."""
    connection.execute(delete(artifact_file).where(artifact_file.c.job == job_id))


def keys(connection: Connection, job_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return the pairs of job and key of all files of these jobs."""
    statement = select(artifact_file.c.job, artifact_file.c.key).where(artifact_file.c.job.in_(job_ids))
    return {(row.job, row.key) for row in connection.execute(statement)}


def _file(row: Row[Any]) -> ArtifactFile:
    return ArtifactFile(
        number=row.number,
        key=row.key,
        rows=row.rows,
        bytes=row.bytes,
        sha256=row.sha256,
        blocks=tuple(row.blocks),
        first_key=_key(row.first_key),
        last_key=_key(row.last_key),
    )


def _key(stored: Sequence[object] | None) -> tuple[object, ...] | None:
    return None if stored is None else tuple(stored)


def _to_json(published: Manifest) -> dict[str, Any]:
    return {
        "report": published.report,
        "report_version": published.report_version,
        "columns": [
            {
                "name": column.name,
                "source": column.source,
                "type": column.type,
                "meaning": column.meaning,
                "unit": column.unit,
                "personal": column.personal,
            }
            for column in published.columns
        ],
        "request": dict(published.request),
        "as_of": published.as_of.isoformat() if published.as_of else None,
        "watermark": published.watermark.isoformat() if published.watermark else None,
        "lake_versions": dict(published.lake_versions),
        "reconciled": [
            {"what": each.what, "expected": each.expected, "written": each.written} for each in published.reconciled
        ],
        "producer": published.producer,
        "notices": notices_to_json(published.notices),
    }


def _from_json(stored: dict[str, Any], published: tuple[ArtifactFile, ...]) -> Manifest:
    return Manifest(
        report=stored["report"],
        report_version=stored["report_version"],
        columns=tuple(ManifestColumn(**column) for column in stored["columns"]),
        request=stored["request"],
        as_of=instant_from_json(stored["as_of"]),
        watermark=instant_from_json(stored["watermark"]),
        lake_versions=stored["lake_versions"],
        reconciled=tuple(Reconciliation(**each) for each in stored["reconciled"]),
        producer=stored["producer"],
        files=published,
        notices=notices_from_json(stored.get("notices")),
    )
