"""The registry of workers: each worker on any host writes a heartbeat to the store every few seconds."""

from __future__ import annotations

from datetime import timedelta

from offtake.core.services import Services
from offtake.store import workers

HEARTBEAT_INTERVAL = timedelta(seconds=5)
_STALE_AFTER = timedelta(hours=1)


def heartbeat(worker: str, on: Services) -> None:
    """Record a heartbeat of the worker."""
    with on.database.write() as connection:
        workers.heartbeat(connection, worker, now=on.now(connection))


def deregister(worker: str, on: Services) -> None:
    """Remove a worker that has ended."""
    with on.database.write() as connection:
        workers.deregister(connection, worker)


def count_alive(on: Services, *, within: timedelta) -> int:
    """Return the number of workers with a heartbeat in that time."""
    with on.database.read() as connection:
        return workers.count_alive(connection, since=on.now(connection) - within)


def forget_stale(on: Services) -> None:
    """Remove workers without a heartbeat for an hour, which were killed."""
    with on.database.write() as connection:
        workers.forget_stale(connection, before=on.now(connection) - _STALE_AFTER)
