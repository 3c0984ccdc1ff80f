"""One attempt of a job: plan, count, query, write, verify, reconcile, publish.

The last statement makes the artifact visible. It has no effect unless this attempt holds the lease with the newest
fence. An attempt that ends earlier leaves at most an invisible staging file, which the sweep removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from offtake.artifacts.store import storage_error
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.compression_stage import written_file
from offtake.core.attempt.file_metadata import file_metadata
from offtake.core.attempt.manifest import build_manifest
from offtake.core.attempt.memory_reduction import reduced_until_it_fits
from offtake.core.attempt.output import FileLimits, Output, StagedFile
from offtake.core.attempt.pinned_files import locate_pinned
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.attempt.publish import publish
from offtake.core.attempt.reconciliation import count_rows, reconcile
from offtake.core.attempt.resource_plan import ResourcePlan
from offtake.core.exports import budget
from offtake.core.presentation import layout_of
from offtake.core.query.preparation import prepare
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan
from offtake.errors import (
    AttemptInterrupted,
    NotUnderstood,
    RowLimitExceeded,
    TenantBudgetExhausted,
)
from offtake.formats import Format, format_of, partition_file
from offtake.lake.snapshot import local_views
from offtake.model.artifact import Artifact, ArtifactFile
from offtake.model.job import Job, Lease, Phase
from offtake.model.layout import Framing, Layout
from offtake.model.query import Query
from offtake.model.report import Report, reads_buckets
from offtake.model.request import ExportRequest
from offtake.model.view import TableView

# Points that an attempt reaches in order, ``moved`` once for each file. A worker killed at any of them leaves the job
# in a consistent state.
POINTS = ("claimed", "querying", "writing", "staged", "moved", "renamed", "published")


def run_attempt(
    lease: Lease, on: Services, cancellation: Cancellation, progress: AttemptProgress | None = None
) -> Artifact:
    """Produce and publish the artifact of a leased job. Raises AttemptError if the attempt fails or is interrupted."""
    on.reached("claimed", lease)
    job, progress = lease.job, progress or AttemptProgress()
    report = _report(job.request, on)
    try:
        read = locate_pinned(lease, report, on)
        progress.empty_tables = tuple(notice.table for notice in read.notices)
        with local_views(on.lake, read.located, cancellation.check) as views:
            produced, expected = reduced_until_it_fits(
                lease,
                report,
                views,
                on,
                is_sorted=bool(_layout(job, job.request, on).shown.order or job.request.split),
                produce=lambda plan: _produce(lease, views, plan, on=on, cancellation=cancellation, progress=progress),
            )
        on.reached("staged", lease)
        cancellation.check()
        reconciled = reconcile(report, expected, sum(file.stats.rows for file in produced))
        progress.enter(Phase.PUBLISHING)
        files = _files(lease, produced, on)
        shown = _layout(job, job.request, on).shown
        manifest = build_manifest(report, job.request, shown, read=read, reconciled=reconciled, files=files)
        publish(lease, manifest, [file.path for file in produced], on=on, cancellation=cancellation)
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
        on.artifacts.discard(job.id, lease.fence)
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
) -> tuple[list[StagedFile], int | None]:
    """Write the staging files and verify them: the row counts of the writer and of each file must agree.

    Return them with the number of rows that the lake has for the request; None if they are not counted.

    The row limit is enforced by counting rows while the file grows; SQL LIMIT would hold the whole result in memory.
    """
    job, request = lease.job, lease.job.request
    report, file_format, staged = _report(request, on), format_of(request), _staging_file(lease, on)
    on.reached("querying", lease)
    progress.enter(Phase.QUERYING)
    written = written_file(staged, file_format)
    writable = (written, partition_file(written))
    engine = Session(
        _limits(lease, plan, on),
        views,
        tenant=job.tenant,
        writable=writable,
        partitions=plan.partitions,
        by_buckets=reads_buckets(report, views),
    )
    with engine as session, cancellation.interrupting(session.interrupt):
        request = prepare(session, report, request, on.database)
        expected = count_rows(session, report, request)
        query, framing = _plan_query(job, request, file_format, on)
        if query.order or request.split:
            query = session.sort(query, range_bytes=plan.range_bytes, keep_order=bool(request.order))
        on.reached("writing", lease)
        progress.enter(Phase.WRITING)
        limits = FileLimits(request.row_limit, budget.current_allowance(job.tenant, on), cancellation, progress)
        output = Output(file_format, session, query, framing, staged, limits)
        if request.split is None:
            files = output.write_whole()
        else:
            numbered = partial(on.artifacts.staging, job.id, lease.fence, file_format.suffix)
            files = output.write_split(request.split, lambda number: numbered(number=number))
    if request.row_limit is not None and sum(file.stats.rows for file in files) > request.row_limit:
        cancellation.request(CancelReason.TOO_MANY_ROWS)
    return files, expected


def _budget_error(tenant: str, on: Services) -> TenantBudgetExhausted:
    """Return the failure of an attempt whose file outgrew the budget."""
    return budget.exhausted(budget.current_allowance(tenant, on))


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
    report = on.catalogue.reports[request.report]
    query = plan(report, layout.shown, request, empty_text_is_null=file_format.empty_text_is_null)
    framing = replace(layout.framing, about=layout.about(job, on.clock()), metadata=file_metadata(report, layout.shown))
    return query, framing


def _layout(job: Job, request: ExportRequest, on: Services) -> Layout:
    """Return the layout of the job's file, by the settings of its tenant."""
    publication = on.catalogue.publications[request.dialect, request.report]
    return layout_of(publication, request, on.presentations[request.dialect].of(job.tenant))


def _files(lease: Lease, staged: Sequence[StagedFile], on: Services) -> list[ArtifactFile]:
    """Return the files as they will be published. Only those of a split export have a number in their keys."""
    job, suffix = lease.job, format_of(lease.job.request).suffix
    is_split = job.request.split is not None
    return [
        ArtifactFile(
            number=number,
            key=on.artifacts.key(job.tenant, job.id, lease.fence, suffix, number=number if is_split else None),
            rows=file.stats.rows,
            bytes=file.stats.bytes,
            sha256=file.stats.sha256,
            blocks=file.stats.blocks,
            first_key=file.first_key,
            last_key=file.last_key,
        )
        for number, file in enumerate(staged)
    ]


def _staging_file(lease: Lease, on: Services) -> Path:
    return on.artifacts.staging(lease.job.id, lease.fence, format_of(lease.job.request).suffix)


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
