"""The artifacts that may hold an erased person, by what they were made of and by a search of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from offtake.core.admin.erasure.file_scan import has_trace
from offtake.core.exports.files import remove_files
from offtake.core.query import filters
from offtake.core.services import Services
from offtake.lake.erasure.search import TableFindings
from offtake.lake.snapshot import month_of
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.data_subject import DataSubject
from offtake.model.job import SHARED_TABLE, Failure, Job, JobFilter, Status
from offtake.model.manifest import Manifest
from offtake.model.report import Prune, TableUse
from offtake.store import audit, job_queries, jobs, manifests

_PAGE = 200  # jobs
_INSTANT_STEP = timedelta(microseconds=1)  # the last instant of a timespan is one before its end
ERASED = Failure(
    code="erased", message="The files were deleted, because they held or may have held the data of an erased person."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedArtifact:
    """An artifact that is to be deleted, with the reason."""

    job: Job
    reason: str


def affected_artifacts(
    tenant: str, subject: DataSubject, changed: Mapping[str, TableFindings], on: Services
) -> Iterator[AffectedArtifact]:
    """Yield the tenant's published artifacts that may hold the person. Raises StorageUnavailable.

    An artifact may hold the person if its report reads a changed table in a month of changed rows and publishes
    personal columns. Of the others, the files are searched.
    """
    for job in _published(tenant, on):
        with on.database.read() as connection:
            manifest = manifests.get(connection, job)
        table = _changed_table(job, manifest, changed, on)
        if table is not None:
            yield AffectedArtifact(job=job, reason=f"rows of {table}")
        elif _has_trace(job, subject, on):
            yield AffectedArtifact(job=job, reason="search of the files")


def delete_artifact(job: Job, operator: str, on: Services) -> bool:
    """Delete the files of a published job, which says why. Return False if it is held or was removed meanwhile.

    A shared table does not keep its newest version from it.
    """
    with on.database.write() as connection:
        jobs.release(connection, job.id, of=SHARED_TABLE)
        if not jobs.end_retention(connection, job.id, now=on.now(connection)):
            return False
    remove_files(job, on)
    with on.database.write() as connection:
        if jobs.erase(connection, job.id, ERASED):
            audit.record(connection, _entry(job, operator), now=on.clock())
    return True


def _entry(job: Job, operator: str) -> AuditEntry:
    return AuditEntry(
        operation="artifact.erase", dialect="operator", tenant=job.tenant, principal=None, job=job.id, actor=operator
    )


def _published(tenant: str, on: Services) -> Iterator[Job]:
    condition, before = JobFilter(tenant=tenant, status=Status.SUCCEEDED), None
    while True:
        with on.database.read() as connection:
            page = job_queries.newest(connection, condition, limit=_PAGE, before=before)
        yield from page
        if len(page) < _PAGE:
            return
        before = (page[-1].created_at, page[-1].id)


def _changed_table(
    job: Job, manifest: Manifest | None, changed: Mapping[str, TableFindings], on: Services
) -> str | None:
    """Return a changed table of which the artifact has rows of the months that changed; None: there is none."""
    if manifest is not None and not any(column.personal for column in manifest.columns):
        return None
    uses = _uses(job, on)
    facts = [use for use in uses if tables()[use.table].event_time]
    # A dimension is joined to facts, whose rows tell more exactly what the file has.
    for use in facts or uses:
        found = changed.get(use.table)
        if found is None or not found.changed:
            continue
        if not found.months or use.prune is Prune.ALL or any(_reads(job, use, month) for month in found.months):
            return use.table
    return None


def _uses(job: Job, on: Services) -> Sequence[TableUse]:
    """Return the tables that the report reads; of a report that is not in the catalogue any more, all tables."""
    report = on.catalogue.reports.get(job.request.report)
    if report is None:
        return [TableUse(table=name, prune=Prune.ALL) for name in tables()]
    return (*report.tables, *filters.tables(report))


def _reads(job: Job, use: TableUse, month: str) -> bool:
    first, last = job.request.timespan.start, job.request.timespan.end - _INSTANT_STEP
    return month <= month_of(last) and (use.prune is Prune.UNTIL or month >= month_of(first))


def _has_trace(job: Job, subject: DataSubject, on: Services) -> bool:
    trace = subject.trace
    if trace is None:
        return False
    with on.database.read() as connection:
        files = manifests.files(connection, job)
    for file in files:
        size = on.artifacts.size(file.key)
        if size is None:
            continue
        try:
            if has_trace(file.key, on.artifacts.read(file.key, 0, size), trace):
                return True
        except ValueError:  # it cannot be read, so it may hold anything
            return True
    return False
