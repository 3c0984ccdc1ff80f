"""One attempt of a job: plan, query, write, verify, publish.

The last statement makes the artifact visible. It has no effect unless this attempt holds the lease with the newest
fence. An attempt that ends earlier leaves at most an invisible staging file, which the sweep removes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from offtake.artifacts.store import storage_error
from offtake.core.attempt import filters, intermediate, server_audit
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.partitions import SORTED_BYTES_PER_MEMORY_MB, number_of_partitions
from offtake.core.attempt.verification import FileStats, FileVerification
from offtake.core.counters import published as published_counters
from offtake.core.presentation import choose
from offtake.core.services import Services
from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import plan
from offtake.errors import ArtifactMismatch, AttemptInterrupted, NotUnderstood, ResourceExhausted, RowLimitExceeded
from offtake.formats import Format, Writer, format_named, partition_file
from offtake.lake.snapshot import snapshot
from offtake.model.artifact import Artifact
from offtake.model.job import Job, Lease
from offtake.model.layout import Framing
from offtake.model.query import Query, RowTooWideError
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.view import TableView
from offtake.store import counters, jobs

# Points that an attempt reaches in order. A worker killed at any of them leaves the job in a consistent state.
POINTS = ("claimed", "querying", "writing", "staged", "renamed", "published")


def run_attempt(lease: Lease, on: Services, cancellation: Cancellation) -> Artifact:
    """Produce and publish the artifact of a leased job. Raises AttemptError if the attempt fails or is interrupted."""
    on.reached("claimed", lease)
    job = lease.job
    file_format = format_named(job.request.format)
    staged = on.artifacts.staging(job.id, lease.fence, file_format.suffix)
    try:
        with _open_views(lease, on, cancellation) as views:
            stats = _produce(lease, file_format, staged, views, on=on, cancellation=cancellation)
        on.reached("staged", lease)
        cancellation.check()
        key = on.artifacts.key(job.tenant, job.id, lease.fence, file_format.suffix)
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
        on.artifacts.discard(job.id, lease.fence, file_format.suffix)
    on.reached("published", lease)
    return artifact


def _open_views(
    lease: Lease, on: Services, cancellation: Cancellation
) -> AbstractContextManager[tuple[TableView, ...]]:
    """Open the tenant's views of the tables that the report reads. A lost lease interrupts the transfer of files."""
    job, report = lease.job, _report(lease.job.request, on)
    uses = (*report.tables, *filters.tables(report))
    start, end = job.request.timespan.start, job.request.effective_end
    return snapshot(on.lake, uses, tenant=job.tenant, start=start, end=end, check=cancellation.check)


def _produce(
    lease: Lease,
    file_format: Format,
    staged: Path,
    views: Sequence[TableView],
    *,
    on: Services,
    cancellation: Cancellation,
) -> FileStats:
    """Write the staging file and verify it: the row counts of the writer and of the file must agree.

    The row limit is enforced by counting rows while the file grows; SQL LIMIT would hold the whole result in memory.
    """
    job, request = lease.job, lease.job.request
    report = _report(request, on)
    limits = _limits(lease, on, is_sorted=bool(on.catalogue.publications[request.dialect, request.report].order))
    on.reached("querying", lease)
    partitions = number_of_partitions(report, views, partition_rows=on.attempt.partition_rows)
    engine = Session(limits, views, tenant=job.tenant, writable=(staged, partition_file(staged)), partitions=partitions)
    with engine as session, cancellation.interrupting(session.interrupt):
        request = filters.prepare(session, report, request)
        if report.server_audit:
            server_audit.expose(session, on.database, request)
        intermediate.create_tables(session, report, request)
        query, framing = _plan(job, request, file_format, on)
        if query.order:
            query = session.sort(query, range_bytes=limits.memory_mb * SORTED_BYTES_PER_MEMORY_MB)
        on.reached("writing", lease)
        count_rows = _row_limiter(request.row_limit, cancellation)
        stats = _write(file_format, session, query, staged, framing=framing, count_rows=count_rows)
    if request.row_limit is not None and stats.rows > request.row_limit:
        cancellation.request(CancelReason.TOO_MANY_ROWS)
    return stats


def _write(
    file_format: Format,
    session: Session,
    query: Query,
    staged: Path,
    *,
    framing: Framing,
    count_rows: Callable[[int], None],
) -> FileStats:
    """Write and verify the staging file with the first of the format's writers that has enough memory for the rows.

    If the query itself needs more memory, the fast writer fails with ResourceExhausted, and no other one is tried.
    """

    def write(writer: Writer) -> FileStats:
        staged.unlink(missing_ok=True)
        with FileVerification(staged, file_format.counter(), count_rows, in_order=file_format.in_order) as verification:
            written = writer(session, query, staged, framing=framing)
            stats = verification.finish()
        if written != stats.rows:
            raise ArtifactMismatch(f"The writer reported {written} rows, the file has {stats.rows}.")
        return stats

    *others, last = file_format.write_wide
    try:
        return write(file_format.write)
    except RowTooWideError:
        for wide in others:
            with suppress(RowTooWideError, ResourceExhausted):
                return write(wide)
        return write(last)


def _row_limiter(limit: int | None, cancellation: Cancellation) -> Callable[[int], None]:
    """Return a callback that cancels the attempt when the file has more rows than the limit."""

    def count_rows(rows: int) -> None:
        if limit is not None and rows > limit:
            cancellation.request(CancelReason.TOO_MANY_ROWS)

    return count_rows


def _report(request: ExportRequest, on: Services) -> Report:
    """Return the job's report. Raises NotUnderstood, so that a worker of the right release retries the job."""
    if request.unknown:  # a file that ignores some of the request's fields would be wrong
        fields = ", ".join(request.unknown)
        raise NotUnderstood(f"A newer release created the export; this worker does not know its fields: {fields}.")
    if on.catalogue.publication(request.dialect, request.report) is None:
        raise NotUnderstood(f"The worker's catalogue does not publish the report {request.report}.")
    return on.catalogue.reports[request.report]


def _plan(job: Job, request: ExportRequest, file_format: Format, on: Services) -> tuple[Query, Framing]:
    """Return the query and the framing of its rows; ``request`` includes the changes of the smart view."""
    publication = on.catalogue.publications[request.dialect, request.report]
    publication = choose(publication, request.columns, request.format)
    layout = on.presentations[request.dialect].of(job.tenant)(publication, request)
    query = plan(
        on.catalogue.reports[request.report],
        layout.shown,
        request,
        empty_text_is_null=file_format.empty_text_is_null,
    )
    return query, replace(layout.framing, about=layout.about(job, on.clock()))


def _limits(lease: Lease, on: Services, *, is_sorted: bool) -> Limits:
    """Return the limits of the attempt's session.

    A sorted export uses one thread: others would buffer whole batches until it is their turn to write (DuckDB 2.0:
    130,000 rows of 2 kB fail in 256 MiB with two threads).
    """
    policy = on.attempt
    spill = on.artifacts.spill(lease.job.id, lease.fence)
    threads = 1 if is_sorted else policy.threads
    return Limits(threads=threads, memory_mb=policy.memory_mb, temp_folder=spill, temp_mb=policy.temp_mb)


def _publish(lease: Lease, artifact: Artifact, staged: Path, *, on: Services, cancellation: Cancellation) -> None:
    """Move the file to its final key, then publish it by one fenced UPDATE.

    If the lease was lost in between, remove the file and raise AttemptInterrupted.
    """
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
            counters.add(connection, published_counters(lease, artifact, now=now))
    if not published:
        on.artifacts.remove(artifact.key)
        raise AttemptInterrupted("The lease was lost before the file could be published.")
