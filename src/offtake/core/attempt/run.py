"""One attempt of a job: plan, count, query, write, verify, reconcile, publish.

The last statement makes the artifact visible. It has no effect unless this attempt holds the lease with the newest
fence. An attempt that ends earlier leaves at most an invisible staging file, which the sweep removes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from offtake.artifacts.store import storage_error
from offtake.core.attempt import filters, intermediate, server_audit
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.manifest import build_manifest
from offtake.core.attempt.memory_reduction import reduced_until_it_fits
from offtake.core.attempt.pinned_files import locate_pinned
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.attempt.publish import publish
from offtake.core.attempt.reconciliation import count_rows, reconcile
from offtake.core.attempt.resource_plan import ResourcePlan
from offtake.core.attempt.verification import FileStats, FileVerification
from offtake.core.exports import budget
from offtake.core.exports.budget import FileAllowance
from offtake.core.presentation import choose
from offtake.core.services import Services
from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import plan
from offtake.errors import (
    ArtifactMismatch,
    AttemptInterrupted,
    MemoryExhausted,
    NotUnderstood,
    RowLimitExceeded,
    TenantBudgetExhausted,
)
from offtake.formats import Format, Writer, format_named, partition_file
from offtake.lake.snapshot import local_views
from offtake.model.artifact import Artifact, ArtifactFile
from offtake.model.job import Job, Lease, Phase
from offtake.model.layout import Framing, Layout
from offtake.model.query import Query, RowTooWideError
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.view import TableView

# Points that an attempt reaches in order. A worker killed at any of them leaves the job in a consistent state.
POINTS = ("claimed", "querying", "writing", "staged", "renamed", "published")


def run_attempt(
    lease: Lease, on: Services, cancellation: Cancellation, progress: AttemptProgress | None = None
) -> Artifact:
    """Produce and publish the artifact of a leased job. Raises AttemptError if the attempt fails or is interrupted."""
    on.reached("claimed", lease)
    job, progress = lease.job, progress or AttemptProgress()
    file_format, report = format_named(job.request.format), _report(job.request, on)
    staged = _staging_file(lease, on)
    try:
        located = locate_pinned(lease, report, on)
        with local_views(on.lake, located, cancellation.check) as views:
            stats, expected = reduced_until_it_fits(
                lease,
                report,
                views,
                on,
                is_sorted=bool(_layout(job, job.request, on).shown.order),
                produce=lambda plan: _produce(lease, views, plan, on=on, cancellation=cancellation, progress=progress),
            )
        on.reached("staged", lease)
        cancellation.check()
        reconciled = reconcile(report, expected, stats.rows)
        progress.enter(Phase.PUBLISHING)
        file = ArtifactFile(
            number=0,
            key=on.artifacts.key(job.tenant, job.id, lease.fence, file_format.suffix),
            rows=stats.rows,
            bytes=stats.bytes,
            sha256=stats.sha256,
            blocks=stats.blocks,
        )
        shown = _layout(job, job.request, on).shown
        manifest = build_manifest(
            report, job.request, shown, lake_versions=located.versions, reconciled=reconciled, files=[file]
        )
        publish(lease, manifest, [staged], on=on, cancellation=cancellation)
    except AttemptInterrupted as error:
        if cancellation.reason is CancelReason.OVER_BUDGET:
            raise _budget_error(job.tenant, on) from error
        if cancellation.reason is not CancelReason.TOO_MANY_ROWS:
            raise
        message = f"The export has more than {job.request.row_limit} rows; ask for a shorter timespan."
        raise RowLimitExceeded(message) from error
    except OSError as error:
        raise storage_error(error) from error
    finally:
        on.artifacts.discard(job.id, lease.fence, file_format.suffix)
    on.reached("published", lease)
    return manifest.artifact


def _produce(
    lease: Lease,
    views: Sequence[TableView],
    plan: ResourcePlan,
    *,
    on: Services,
    cancellation: Cancellation,
    progress: AttemptProgress,
) -> tuple[FileStats, int | None]:
    """Write the staging file and verify it: the row counts of the writer and of the file must agree.

    Return it with the number of rows that the lake has for the request; None if they are not counted.

    The row limit is enforced by counting rows while the file grows; SQL LIMIT would hold the whole result in memory.
    """
    job, request = lease.job, lease.job.request
    report, file_format, staged = _report(request, on), format_named(request.format), _staging_file(lease, on)
    on.reached("querying", lease)
    progress.enter(Phase.QUERYING)
    writable = (staged, partition_file(staged))
    engine = Session(_limits(lease, plan, on), views, tenant=job.tenant, writable=writable, partitions=plan.partitions)
    with engine as session, cancellation.interrupting(session.interrupt):
        request = filters.prepare(session, report, request)
        if report.server_audit:
            server_audit.expose(session, on.database, request)
        intermediate.create_tables(session, report, request)
        expected = count_rows(session, report, request)
        query, framing = _plan_query(job, request, file_format, on)
        if query.order:
            query = session.sort(query, range_bytes=plan.range_bytes)
        on.reached("writing", lease)
        progress.enter(Phase.WRITING)
        limiter = _limiter(request.row_limit, _allowance(job.tenant, on), cancellation, progress)
        stats = _write(file_format, session, query, staged, framing=framing, on_progress=limiter)
    if request.row_limit is not None and stats.rows > request.row_limit:
        cancellation.request(CancelReason.TOO_MANY_ROWS)
    return stats, expected


def _write(
    file_format: Format,
    session: Session,
    query: Query,
    staged: Path,
    *,
    framing: Framing,
    on_progress: Callable[[int, int], None],
) -> FileStats:
    """Write and verify the staging file with the first of the format's writers that has enough memory for the rows.

    If the query itself needs more memory, the fast writer fails with MemoryExhausted, and no other one is tried.
    """

    def write(writer: Writer) -> FileStats:
        staged.unlink(missing_ok=True)
        with FileVerification(
            staged, file_format.counter(), on_progress, in_order=file_format.in_order
        ) as verification:
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
            with suppress(RowTooWideError, MemoryExhausted):
                return write(wide)
        return write(last)


def _limiter(
    row_limit: int | None, allowed: FileAllowance, cancellation: Cancellation, progress: AttemptProgress
) -> Callable[[int, int], None]:
    """Return a callback that notes the progress, and cancels the attempt when the file has more rows than the request's
    limit, or more rows or bytes than the tenant's budget has left."""

    def check(rows: int, size: int) -> None:
        progress.write(rows)
        if row_limit is not None and rows > row_limit:
            cancellation.request(CancelReason.TOO_MANY_ROWS)
        try:
            budget.check(size, rows, allowed)
        except TenantBudgetExhausted:
            cancellation.request(CancelReason.OVER_BUDGET)

    return check


def _allowance(tenant: str, on: Services) -> FileAllowance:
    with on.database.read() as connection:
        return budget.allowance(connection, tenant, on, now=on.now(connection))


def _budget_error(tenant: str, on: Services) -> TenantBudgetExhausted:
    """Return the failure of an attempt whose file outgrew the budget."""
    allowed = _allowance(tenant, on)
    return budget.exhausted(allowed)


def _report(request: ExportRequest, on: Services) -> Report:
    """Return the job's report. Raises NotUnderstood, so that a worker of the right release retries the job."""
    if request.unknown:  # a file that ignores some of the request's fields would be wrong
        fields = ", ".join(request.unknown)
        raise NotUnderstood(f"A newer release created the export; this worker does not know its fields: {fields}.")
    if on.catalogue.publication(request.dialect, request.report) is None:
        raise NotUnderstood(f"The worker's catalogue does not publish the report {request.report}.")
    return on.catalogue.reports[request.report]


def _plan_query(job: Job, request: ExportRequest, file_format: Format, on: Services) -> tuple[Query, Framing]:
    """Return the query and the framing of its rows; ``request`` includes the changes of the smart view."""
    layout = _layout(job, request, on)
    query = plan(
        on.catalogue.reports[request.report],
        layout.shown,
        request,
        empty_text_is_null=file_format.empty_text_is_null,
    )
    return query, replace(layout.framing, about=layout.about(job, on.clock()))


def _layout(job: Job, request: ExportRequest, on: Services) -> Layout:
    """Return the layout of the job's file, by the settings of its tenant."""
    publication = on.catalogue.publications[request.dialect, request.report]
    publication = choose(publication, request.columns, request.format)
    return on.presentations[request.dialect].of(job.tenant)(publication, request)


def _staging_file(lease: Lease, on: Services) -> Path:
    return on.artifacts.staging(lease.job.id, lease.fence, format_named(lease.job.request.format).suffix)


def _limits(lease: Lease, plan: ResourcePlan, on: Services) -> Limits:
    """Return the limits of the session. A query with one thread has fixed join sides, which need the least memory."""
    policy = on.attempt
    return Limits(
        threads=plan.threads,
        memory_mb=policy.memory_mb,
        temp_folder=on.artifacts.spill(lease.job.id, lease.fence),
        temp_mb=policy.temp_mb,
        fixed_join_sides=plan.threads == 1,
    )
