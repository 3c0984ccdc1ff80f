"""The lake files that an attempt reads: of the versions that the job's first attempt found, and pinned."""

from __future__ import annotations

from dataclasses import dataclass

from offtake.core.exports.notices import notices
from offtake.core.query import filters
from offtake.core.services import Services
from offtake.errors import AttemptInterrupted
from offtake.lake.snapshot import Located, locate
from offtake.model.job import Lease, Pin
from offtake.model.notice import Notice
from offtake.model.report import Report
from offtake.store import jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFiles:
    """The files that all attempts of a job read, and the notices about their tables."""

    located: Located
    notices: tuple[Notice, ...]


def locate_pinned(lease: Lease, report: Report, on: Services) -> PinnedFiles:
    """Locate the tenant's files of the tables that the report reads.

    The first attempt reads the newest versions and records them in the job, with the notices about them; a later
    attempt reads the same ones, so that a retry makes the same rows. Raises LakeVersionGone, StorageUnavailable,
    AttemptInterrupted if the lease was lost.
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
    found = notices(job.request, located, on)
    if pin != job.pin:
        with on.database.write() as connection:
            if not jobs.pin(connection, lease, pin, found):
                raise AttemptInterrupted("The lease was lost before the export began to read.")
    return PinnedFiles(located=located, notices=found)
