"""Workers that are there, wherever they run: each writes its name into the store every few seconds."""

from __future__ import annotations

from datetime import timedelta

from offtake.core.services import Services
from offtake.store import workers

EVERY = timedelta(seconds=5)
_FORGOTTEN_AFTER = timedelta(hours=1)


def heartbeat(worker: str, on: Services) -> None:
    """That worker is alive."""
    with on.database.write() as connection:
        workers.heartbeat(connection, worker, now=on.now(connection))


def deregister(worker: str, on: Services) -> None:
    """That worker is no more."""
    with on.database.write() as connection:
        workers.deregister(connection, worker)


def count_alive(on: Services, *, within: timedelta) -> int:
    """Workers that were alive in that time."""
    with on.database.read() as connection:
        return workers.count_alive(connection, since=on.now(connection) - within)


def forget_stale(on: Services) -> None:
    """Forget those that were killed long ago."""
    with on.database.write() as connection:
        workers.forget_stale(connection, before=on.now(connection) - _FORGOTTEN_AFTER)
