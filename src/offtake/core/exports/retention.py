"""What must not stay: artifacts past their retention, and files that no job names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from offtake.artifacts.store import StoredFile
from offtake.core.services import Services
from offtake.errors import AttemptError
from offtake.model.audit import AuditEntry
from offtake.model.job import Job
from offtake.store import audit, jobs

EXPIRED_AT_ONCE = 100
_AT_ONCE = 500  # files whose rows are read by one statement


@dataclass(slots=True)
class RemovalCounts:
    """How many went, and how many could not: one stubborn file must not keep the others."""

    done: int = 0
    failed: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count what the block does."""
        try:
            yield
        except AttemptError:
            self.failed += 1
        else:
            self.done += 1


def expired_jobs(on: Services, *, limit: int | None = None, after: Job | None = None) -> Sequence[Job]:
    """Jobs whose files' retention is over, the longest over first, or those after one of them; held ones stay."""
    with on.database.read() as connection:
        return jobs.expired(connection, now=on.now(connection), limit=limit or EXPIRED_AT_ONCE, after=after)


def expire(on: Services) -> RemovalCounts:
    """Remove artifacts whose retention is over: the file first, then the state, so that no file outlives its row.

    As many as are listed at once; more only as long as none of them could be removed.
    """
    tally, found = RemovalCounts(), expired_jobs(on)
    while found:
        _expire(found, tally, on)
        found = () if tally.done else expired_jobs(on, after=found[-1])
    return tally


def _expire(found: Sequence[Job], tally: RemovalCounts, on: Services) -> None:
    for job in found:
        with on.database.write() as connection:
            goes = jobs.retire(connection, job.id, now=on.now(connection))
        if not goes:  # held, or gone, since it was listed
            continue
        with tally.one():
            if job.artifact is not None:
                on.artifacts.remove(job.artifact.key)
            with on.database.write() as connection:
                if jobs.expire(connection, job.id):
                    audit.record(connection, _entry(job), now=on.clock())


def _entry(job: Job) -> AuditEntry:
    return AuditEntry(
        operation="artifact.expire", dialect=job.request.dialect, tenant=job.tenant, principal=None, job=job.id
    )


def sweep(on: Services) -> RemovalCounts:
    """Remove files that no row has a use for: left by attempts that were killed, or that lost their lease.

    The row is read after the file was found. Files of an attempt that still runs are needed, half sent ones included;
    fences only grow, so an attempt that may still need the file is seen.
    """
    tally = RemovalCounts()
    try:
        for file in orphans(on):
            with tally.one():
                file.remove()
    except AttemptError:  # the store cannot be listed; what was found until then is gone
        tally.failed += 1
    return tally


def orphans(on: Services) -> Iterator[StoredFile]:
    """Files that no row has a use for. Raises StorageUnavailable when the store cannot be listed."""
    found = iter(on.artifacts.found())
    while files := tuple(islice(found, _AT_ONCE)):
        with on.database.read() as connection:
            needed = jobs.needed(connection, [(file.job, file.fence, file.key) for file in files])
        yield from (file for file in files if file.key not in needed)
