"""The lake files that an attempt reads: of the versions that the job's first attempt found, and pinned."""

from __future__ import annotations

from offtake.core.query import filters
from offtake.core.services import Services
from offtake.errors import AttemptInterrupted
from offtake.lake.snapshot import Located, locate
from offtake.model.job import Lease, Pin
from offtake.model.report import Report
from offtake.store import jobs


def locate_pinned(lease: Lease, report: Report, on: Services) -> Located:
    """Locate the tenant's files of the tables that the report reads.

    The first attempt reads the newest versions and records them in the job; a later attempt reads the same ones, so
    that a retry makes the same rows. Raises LakeVersionGone, StorageUnavailable, AttemptInterrupted if the lease was
    lost.
    """
    job = lease.job
    located = locate(
        on.lake,
        (*report.tables, *filters.tables(report)),
        tenant=job.tenant,
        start=job.request.timespan.start,
        end=job.request.effective_end,
        versions=None if job.pin is None else job.pin.lake_versions,
    )
    pin = Pin(report_version=report.version, lake_versions=located.versions)
    if pin != job.pin:
        with on.database.write() as connection:
            if not jobs.pin(connection, lease, pin):
                raise AttemptInterrupted("The lease was lost before the export began to read.")
    return located
