"""Exports that began to read older versions of the lake: they are awaited or cancelled before these versions go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from offtake.core.admin import jobs as admin_jobs
from offtake.core.services import Services
from offtake.errors import JobStateConflict
from offtake.lake.tables import tables
from offtake.model.job import LEASED, Job
from offtake.store import job_queries

_POLL_SECONDS = 0.2


def end_readers(
    tenant: str,
    operator: str,
    on: Services,
    *,
    wait: timedelta,
    cancel: bool,
    progress: Callable[[str], None],
) -> list[str]:
    """Wait until no open export of the tenant reads an older version, or cancel these; return the ids of the cancelled.

    Exports that begin now read the newest versions, and continue. Raises JobStateConflict if some still run after
    ``wait``, StorageUnavailable.
    """
    cancelled = []
    deadline = time.monotonic() + wait.total_seconds()
    while readers := _readers(tenant, on):
        if cancel:
            cancelled += [admin_jobs.cancel(job.id, operator, on).id for job in readers]
            continue
        if time.monotonic() >= deadline:
            raise JobStateConflict(
                f"{len(readers)} exports, such as {readers[0].id}, still read the rows as they were before. The newest "
                "versions of the lake are erased already. Repeat the command when these exports have ended, or cancel "
                "them with --cancel-running."
            )
        progress(f"waiting for {len(readers)} exports")
        time.sleep(_POLL_SECONDS)
    return cancelled


def _readers(tenant: str, on: Services) -> list[Job]:
    newest: Mapping[str, int | None] | None = None
    found = []
    with on.database.read() as connection:
        open_jobs = job_queries.open_jobs(connection, tenant)
    for job in open_jobs:
        if job.pin is None:
            if job.status in LEASED:  # it is about to record the versions that it reads
                found.append(job)
            continue
        newest = newest or _newest(on)
        if any(newest.get(table) != version for table, version in job.pin.lake_versions.items()):
            found.append(job)
    return found


def _newest(on: Services) -> dict[str, int | None]:
    opened = {name: on.lake.open(table) for name, table in tables().items()}
    return {name: None if delta is None else delta.version() for name, delta in opened.items()}
