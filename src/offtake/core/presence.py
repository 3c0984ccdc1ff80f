"""Workers that are there, wherever they run: each writes its name into the store every few seconds."""

from __future__ import annotations

from datetime import timedelta

from offtake.core.services import Services
from offtake.store import presence

EVERY = timedelta(seconds=5)
_FORGOTTEN_AFTER = timedelta(hours=1)


def see(worker: str, on: Services) -> None:
    """That worker is alive."""
    with on.database.write() as connection:
        presence.see(connection, worker, now=on.now(connection))


def leave(worker: str, on: Services) -> None:
    """That worker is no more."""
    with on.database.write() as connection:
        presence.leave(connection, worker)


def count(on: Services, *, within: timedelta) -> int:
    """Workers that were alive in that time."""
    with on.database.read() as connection:
        return presence.count(connection, since=on.now(connection) - within)


def forget(on: Services) -> None:
    """Forget those that were killed long ago."""
    with on.database.write() as connection:
        presence.forget(connection, before=on.now(connection) - _FORGOTTEN_AFTER)
