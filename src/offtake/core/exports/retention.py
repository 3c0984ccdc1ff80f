"""Retention: removal of expired artifacts, orphaned files without a job, old records of jobs, and old tombstones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from offtake.artifacts.store import StoredFile
from offtake.core.exports.files import remove_files
from offtake.core.services import Services
from offtake.errors import AttemptError, LakeError, StorageUnavailable
from offtake.lake import tombstones
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.job import Job
from offtake.store import audit, job_queries, jobs, purge

EXPIRY_BATCH_SIZE = 100
PURGE_BATCH_SIZE = 500  # records; SQLite's other writers wait for one batch
_BATCH_SIZE = 500  # files per statement


@dataclass(slots=True)
class RemovalCounts:
    """Numbers of removals that succeeded and failed; a failed removal does not stop the others."""

    done: int = 0
    failed: int = 0

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count the block as done, or as failed if it raises AttemptError."""
        try:
            yield
        except AttemptError:
            self.failed += 1
        else:
            self.done += 1


def expired_jobs(on: Services, *, limit: int | None = None, after: Job | None = None) -> Sequence[Job]:
    """Return jobs whose retention is over and that are not held, longest expired first, starting behind ``after``."""
    with on.database.read() as connection:
        return job_queries.expired(connection, now=on.now(connection), limit=limit or EXPIRY_BATCH_SIZE, after=after)


def expire(on: Services) -> RemovalCounts:
    """Remove one batch of expired artifacts: first the file, then the state, so that no file outlives its row.

    If no artifact of the batch could be removed, continue with the next one.
    """
    counts, batch = RemovalCounts(), expired_jobs(on)
    while batch:
        _expire(batch, counts, on)
        batch = () if counts.done else expired_jobs(on, after=batch[-1])
    return counts


def purge_records(on: Services) -> int:
    """Remove the records of jobs that ended long ago and have no file, one batch for each retention of records.

    Return the number of records removed.
    """
    default, own = on.budgets.default, dict(on.budgets.overrides)
    with on.database.write() as connection:
        now = on.now(connection)
        done = purge.purge(connection, before=now - default.ended_life, other_than=own.keys(), limit=PURGE_BATCH_SIZE)
    for tenant, budget in own.items():
        with on.database.write() as connection:
            before = now - budget.ended_life
            done += purge.purge(connection, before=before, tenant=tenant, limit=PURGE_BATCH_SIZE)
    return done


def _expire(batch: Sequence[Job], counts: RemovalCounts, on: Services) -> None:
    for job in batch:
        with on.database.write() as connection:
            has_ended = jobs.end_retention(connection, job.id, now=on.now(connection))
        if not has_ended:  # held or removed since the job was listed
            continue
        with counts.count():
            remove_files(job, on)
            with on.database.write() as connection:
                if jobs.expire(connection, job.id):
                    audit.record(connection, _entry(job), now=on.clock())


def _entry(job: Job) -> AuditEntry:
    return AuditEntry(
        operation="artifact.expire", dialect=job.request.dialect, tenant=job.tenant, principal=None, job=job.id
    )


def sweep(on: Services) -> RemovalCounts:
    """Remove all orphaned files: those of attempts that were killed or lost their lease, and of killed loads.

    Remove old tombstones as well.
    """
    counts, old = _sweep_loads(_sweep(on.artifacts.found(), on), on), sweep_tombstones(on)
    return RemovalCounts(done=counts.done + old.done, failed=counts.failed + old.failed)


def sweep_local(on: Services) -> RemovalCounts:
    """Remove the orphaned files that attempts and loads staged or spilled on this machine."""
    return _sweep_loads(_sweep(on.artifacts.local(), on), on)


def sweep_published(on: Services) -> RemovalCounts:
    """Remove the orphaned files among those that clients can download."""
    return _sweep(on.artifacts.published(), on)


def sweep_tombstones(on: Services) -> RemovalCounts:
    """Remove the tombstones of deleted rows that are older than ``Lake.tombstone_life``."""
    counts = RemovalCounts()
    for table in tables().values():
        try:
            counts.done += tombstones.sweep_tombstones(on.lake, table, now=on.clock())
        except StorageUnavailable:
            counts.failed += 1
    return counts


def count_orphans(on: Services) -> int:
    """Return how many files ``sweep`` would remove. Raises StorageUnavailable, LakeError if they cannot be listed."""
    orphans = sum(1 for _ in _unreferenced(on.artifacts.found(), on)) + on.lake.sweep_staging(only_count=True)
    old = (tombstones.sweep_tombstones(on.lake, table, now=on.clock(), only_count=True) for table in tables().values())
    return orphans + sum(old)


def _sweep_loads(counts: RemovalCounts, on: Services) -> RemovalCounts:
    """Add what killed loads left; each load counts as one file."""
    try:
        counts.done += on.lake.sweep_staging()
    except LakeError:
        counts.failed += 1
    return counts


def _sweep(files: Iterator[StoredFile], on: Services) -> RemovalCounts:
    counts = RemovalCounts()
    try:
        for file in _unreferenced(files, on):
            with counts.count():
                file.remove()
    except AttemptError:  # the store cannot be listed any further
        counts.failed += 1
    return counts


def _unreferenced(files: Iterator[StoredFile], on: Services) -> Iterator[StoredFile]:
    """Yield the files that no job references.

    Files of a running attempt are kept, incomplete uploads included. The job is read after its file was listed, and
    fences only increase, so an attempt that still needs the file is never missed.
    """
    while batch := tuple(islice(files, _BATCH_SIZE)):
        with on.database.read() as connection:
            referenced = job_queries.referenced_keys(connection, [(file.job, file.fence, file.key) for file in batch])
        yield from (file for file in batch if file.key not in referenced)
