"""One attempt at a job: plan, stream, write, verify, publish.

Nothing is visible before the last statement, and that statement is refused unless this attempt still holds the lease
with the newest fence. Whatever goes wrong before leaves a staging file that nobody can see, and that is swept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from offtake.artifacts.store import storage_error
from offtake.core.attempt import filters, intermediate, server_audit
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.partitions import SORTED_BYTES_PER_MEMORY_MB, number_of_partitions
from offtake.core.attempt.verification import FileStats, FileVerification
from offtake.core.counters import published as figures_of
from offtake.core.presentation import choose
from offtake.core.services import Services
from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import plan
from offtake.errors import ArtifactMismatch, AttemptInterrupted, NotUnderstood, RowLimitExceeded
from offtake.formats import Format, format_named, partition_file
from offtake.lake.snapshot import snapshot
from offtake.model.artifact import Artifact
from offtake.model.job import Job, Lease
from offtake.model.layout import Framing
from offtake.model.query import Query
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.view import TableView
from offtake.store import counters, jobs

# Where an attempt may be at any moment; a worker killed at any of them leaves the job in a truthful state.
POINTS = ("claimed", "querying", "writing", "staged", "renamed", "published")


def run_attempt(lease: Lease, on: Services, cancellation: Cancellation) -> Artifact:
    """Produce and publish the artifact of a leased job. Raises an AttemptError when this attempt cannot."""
    on.reached("claimed", lease)
    job = lease.job
    kind = format_named(job.request.format)
    staged = on.artifacts.staging(job.id, lease.fence, kind.suffix)
    try:
        with _seen(lease, on, cancellation) as views:
            stats = _produce(lease, kind, staged, views, on=on, cancellation=cancellation)
        on.reached("staged", lease)
        cancellation.check()
        key = on.artifacts.key(job.tenant, job.id, lease.fence, kind.suffix)
        artifact = Artifact(key=key, rows=stats.rows, bytes=stats.bytes, sha256=stats.sha256)
        _publish(lease, artifact, staged, on=on, cancellation=cancellation)
    except AttemptInterrupted as error:
        if cancellation.reason is not CancelReason.TOO_MANY_ROWS:
            raise
        message = f"The export has more than {job.request.row_limit} rows; ask for a shorter timespan."
        raise RowLimitExceeded(message) from error
    except OSError as error:
        raise storage_error(error) from error
    finally:
        on.artifacts.discard(job.id, lease.fence, kind.suffix)
    on.reached("published", lease)
    return artifact


def _seen(lease: Lease, on: Services, cancellation: Cancellation) -> AbstractContextManager[tuple[TableView, ...]]:
    """What the job's report may see of the lake; a lease lost while files are brought here ends that."""
    job, report = lease.job, _report(lease.job.request, on)
    uses = (*report.tables, *filters.tables(report))
    return snapshot(on.lake, uses, tenant=job.tenant, timespan=job.request.timespan, check=cancellation.check)


def _produce(
    lease: Lease, kind: Format, staged: Path, views: Sequence[TableView], *, on: Services, cancellation: Cancellation
) -> FileStats:
    """Write the staging file and read it back: what the writer says it wrote must be what the bytes hold.

    A row limit is enforced by counting while the file grows; a LIMIT would hold the whole result in memory.
    """
    job, request = lease.job, lease.job.request
    report = _report(request, on)
    limits = _limits(lease, on, ordered=bool(on.catalogue.publications[request.dialect, request.report].order))
    on.reached("querying", lease)
    partitions = number_of_partitions(report, views, partition_rows=on.attempt.partition_rows)
    opened = Session(limits, views, writable=(staged, partition_file(staged)), partitions=partitions)
    with opened as session, cancellation.notifying(session.interrupt):
        request = filters.prepare(session, report, request, tenant=job.tenant)
        if report.server_audit:
            server_audit.expose(session, on.database, request, tenant=job.tenant)
        intermediate.create_tables(session, report, request, tenant=job.tenant)
        query, framing = _planned(job, request, kind, on)
        if query.order:
            query = session.sort(query, range_bytes=limits.memory_mb * SORTED_BYTES_PER_MEMORY_MB)
        on.reached("writing", lease)
        limited = _limited(request.row_limit, cancellation)
        with FileVerification(staged, kind.counter(), limited, in_order=kind.in_order) as verification:
            written = kind.write(session, query, staged, framing=framing)
            stats = verification.finish()
    if written != stats.rows:
        raise ArtifactMismatch("The writer and the file do not have the same number of rows.")
    if request.row_limit is not None and written > request.row_limit:
        cancellation.request(CancelReason.TOO_MANY_ROWS)
    return stats


def _limited(limit: int | None, cancellation: Cancellation) -> Callable[[int], None]:
    """Stops an attempt that has written more rows than it may."""

    def growing(rows: int) -> None:
        if limit is not None and rows > limit:
            cancellation.request(CancelReason.TOO_MANY_ROWS)

    return growing


def _report(request: ExportRequest, on: Services) -> Report:
    if request.unknown:  # half of an order would be a wrong file
        raise NotUnderstood("The export was ordered from a newer release than the worker's.")
    if on.catalogue.publication(request.dialect, request.report) is None:
        # accepted by another release, or before a folder was taken away; a worker that has it may come by
        raise NotUnderstood("The worker does not have the report.")
    return on.catalogue.reports[request.report]


def _planned(job: Job, request: ExportRequest, kind: Format, on: Services) -> tuple[Query, Framing]:
    """The query and what goes around its rows; ``request`` is the job's, as its smart view changes it."""
    publication = on.catalogue.publications[request.dialect, request.report]
    chosen = choose(publication, request.columns, request.format)
    layout = on.presentations[request.dialect].of(job.tenant)(chosen, request)
    query = plan(
        on.catalogue.reports[request.report],
        layout.shown,
        request,
        tenant=job.tenant,
        empty_text_is_null=kind.empty_text_is_null,
    )
    return query, replace(layout.framing, about=layout.about(job, on.clock()))


def _limits(lease: Lease, on: Services, *, ordered: bool) -> Limits:
    """Rows in order are sorted and written by one thread: a second one holds whole batches of the file until it is
    their turn (DuckDB 2.0: 130,000 rows of 2 kB fail in 256 MiB with two threads)."""
    policy = on.attempt
    spill = on.artifacts.spill(lease.job.id, lease.fence)
    threads = 1 if ordered else policy.threads
    return Limits(threads=threads, memory_mb=policy.memory_mb, temp_folder=spill, temp_mb=policy.temp_mb)


def _publish(lease: Lease, artifact: Artifact, staged: Path, *, on: Services, cancellation: Cancellation) -> None:
    """Keep the file, then the one fenced UPDATE. A lease lost in between takes the kept file away again."""
    with on.database.write() as connection:
        if not jobs.upload(connection, lease):
            raise AttemptInterrupted("The lease was lost before the file could be published.")
    on.artifacts.keep(staged, artifact.key, cancellation.check)
    on.reached("renamed", lease)
    retention = on.limits[lease.job.request.dialect].of(lease.job.tenant).retention
    with on.database.write() as connection:
        now = on.now(connection)
        published = jobs.succeed(connection, lease, artifact, now=now, expires_at=now + retention)
        if published:
            counters.add(connection, figures_of(lease, artifact, now=now))
    if not published:
        on.artifacts.remove(artifact.key)
        raise AttemptInterrupted("The lease was lost before the file could be published.")
