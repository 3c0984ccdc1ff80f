"""Everything the core's verbs need, chosen once in ``app.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from offtake.artifacts.store import ArtifactStore
from offtake.catalogue.load import Catalogue
from offtake.core.policy import AttemptPolicy, DialectLimits, PerTenant
from offtake.core.presentation import Presentation
from offtake.lake.delta import Lake
from offtake.model.job import Lease
from offtake.store import clock
from offtake.store.database import Database


def _silent(point: str, lease: Lease) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The frozen bundle. Time, ids and randomness come from here, so tests can choose them."""

    database: Database
    lake: Lake
    artifacts: ArtifactStore
    catalogue: Catalogue
    presentations: Mapping[str, PerTenant[Presentation]]  # by dialect
    limits: Mapping[str, PerTenant[DialectLimits]]  # by dialect
    attempt: AttemptPolicy
    link_key: bytes  # signs download links
    clock: Callable[[], datetime]  # the present as a UTC instant
    new_id: Callable[[], str]  # a fresh lower-case UUID
    new_secret: Callable[[], str]  # unguessable, safe in URLs
    dispatches: bool = False  # an engine gives jobs to workers, and is told of them by way of the outbox
    reached: Callable[[str, Lease], None] = (
        _silent  # told when an attempt reaches a named point (``core.attempt.run.POINTS``)
    )

    def now(self, connection: Connection) -> datetime:
        """What leases, due times and the end of retention are set from and compared with (``store.clock``)."""
        return clock.present(connection, self.clock)
