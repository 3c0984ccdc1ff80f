"""Health checks of the server's dependencies.

A probe needs no credentials, so messages contain no address, path or secret. The catalogue needs no check: a server
with a faulty catalogue does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from offtake.core.admin import worker_registry
from offtake.core.services import Services
from offtake.errors import AttemptError, ResourceExhausted, SettingsError, Unavailable
from offtake.lake.tables import tables
from offtake.store.migrate import is_older


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A dependency of the server; ``check`` returns what is wrong with it, or None.

    ``warns``: the server stays ready and reports the fault as a warning.
    """

    name: str
    check: Callable[[], str | None]
    warns: bool = False


def health_checks(on: Services, *, free_bytes: int, silence: timedelta) -> tuple[HealthCheck, ...]:
    """Return the health checks.

    A non-zero ``silence`` adds a check that some worker has sent a heartbeat within that time.
    """

    def state() -> str | None:
        try:
            older = is_older(on.database)
        except (Unavailable, SQLAlchemyError):
            return "The state database cannot be reached."
        return "The state database has the schema of an older release." if older else None

    def lake() -> str | None:
        try:
            on.lake.check(next(iter(tables().values())))
        except (AttemptError, SettingsError):
            return "The lake cannot be opened."
        return None

    def workers() -> str | None:
        try:
            alive = worker_registry.count_alive(on, within=silence)
        except (Unavailable, SQLAlchemyError):
            return None  # the check of the state database reports it
        return None if alive else f"No worker has been alive for {silence.total_seconds():g} seconds."

    checks = (
        HealthCheck(name="The state database", check=state),
        HealthCheck(name="The artifact store", check=partial(_artifact_store, on)),
        HealthCheck(name="The free space", check=partial(_free_space, on, free_bytes), warns=True),
        HealthCheck(name="The lake", check=lake),
    )
    return (*checks, HealthCheck(name="The list of workers", check=workers)) if silence else checks


def _artifact_store(on: Services) -> str | None:
    try:
        with suppress(ResourceExhausted):  # ``_free_space`` reports it
            on.artifacts.require_room(0)
    except AttemptError as error:
        return error.message
    try:
        on.artifacts.check()
    except (AttemptError, SettingsError):
        return "The artifact store does not answer, or refuses access."
    return None


def _free_space(on: Services, free_bytes: int) -> str | None:
    """A full disk delays exports. It is a warning, because otherwise all servers would leave the service together, with
    downloads and deletions, which need no space."""
    try:
        on.artifacts.require_room(free_bytes)
    except ResourceExhausted as error:
        return error.message
    except AttemptError:  # ``_artifact_store`` reports it
        return None
    return None
