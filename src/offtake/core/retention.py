"""What must not stay: artifacts past their retention, and files that no job names."""

from __future__ import annotations

from offtake.artifacts.store import remove_found
from offtake.core.services import Services
from offtake.store import jobs


def expire(on: Services) -> int:
    """Remove artifacts whose retention is over: the file first, then the state, so that no file outlives its row."""
    with on.database.read() as connection:
        over = jobs.expired(connection, now=on.clock())
    expired = 0
    for job in over:
        if job.artifact is not None:
            on.artifacts.remove(job.artifact.key)
        with on.database.write() as connection:
            expired += jobs.expire(connection, job.id)
    return expired


def sweep(on: Services) -> int:
    """Remove files that no row has a use for: left by attempts that were killed, or that lost their lease.

    The row is read after the file was found. Fences only grow, so an attempt that may still need the file is seen.
    """
    removed = 0
    for file in on.artifacts.found():
        with on.database.read() as connection:
            needed = jobs.names_file(connection, file.job, file.fence, file.key)
        if not needed:
            remove_found(file)
            removed += 1
    return removed
