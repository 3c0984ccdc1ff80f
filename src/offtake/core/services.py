"""The dependencies of the core's functions. ``app.py`` builds them once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from offtake.artifacts.store import ArtifactStore
from offtake.catalogue.load import Catalogue
from offtake.core.denials import Denials
from offtake.core.logins import Logins
from offtake.core.policy import AttemptPolicy, Budget, DialectLimits, PerTenant, PreviewPolicy
from offtake.core.presentation import Presentation
from offtake.core.preview_slots import PreviewSlots
from offtake.core.tenant_options import TenantOptions
from offtake.core.tenant_rates import TenantRates
from offtake.errors import SettingsError
from offtake.lake.delta import Lake
from offtake.model.job import Lease
from offtake.model.signing_key import SigningKeys
from offtake.objects.bucket import Bucket
from offtake.objects.location import ObjectLocation
from offtake.store import clock
from offtake.store.database import Database


def _ignore_point(point: str, lease: Lease) -> None:
    """Do nothing; the default of ``Services.reached``."""


def _no_bucket(location: ObjectLocation) -> Bucket:
    """Refuse; the default of ``Services.bucket``."""
    raise SettingsError(f"{location.url}: this installation has no access to buckets.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Stores, catalogue, limits, clock, ids and secrets. Tests replace the clock and the generators."""

    database: Database
    tenant_options: TenantOptions
    lake: Lake
    artifacts: ArtifactStore
    load_catalogue: Callable[[], Catalogue]  # the reports; loads them at the first call, which takes half a second
    presentations: Mapping[str, PerTenant[Presentation]]  # by dialect
    limits: Mapping[str, PerTenant[DialectLimits]]  # by dialect
    attempt: AttemptPolicy
    logins: Logins
    signing_keys: Callable[[], SigningKeys]  # the keys of download links that are in force
    clock: Callable[[], datetime]  # the current UTC instant of this host
    new_id: Callable[[], str]  # returns a new lower-case UUID
    new_secret: Callable[[], str]  # returns an unguessable, URL-safe text
    budgets: PerTenant[Budget] = field(default_factory=lambda: PerTenant(default=Budget()))
    previews: PreviewSlots = field(default_factory=lambda: PreviewSlots(PreviewPolicy()))
    tenant_rates: TenantRates = field(default_factory=TenantRates)
    denials: Denials = field(default_factory=Denials)  # denied requests that are not in the audit log yet
    bucket: Callable[[ObjectLocation], Bucket] = _no_bucket  # a client of a bucket from which rows are loaded
    dispatches: bool = False  # whether an engine (Temporal) dispatches jobs; messages to it go through the outbox
    # Called when an attempt reaches a point of ``core.attempt.run.POINTS``; fault tests stop an attempt there.
    reached: Callable[[str, Lease], None] = _ignore_point

    @property
    def catalogue(self) -> Catalogue:
        """The reports. Raises CatalogueError if one of the operator's own is invalid."""
        return self.load_catalogue()

    def now(self, connection: Connection) -> datetime:
        """Return the current time by the clock of leases, due times and retention (``store.clock``)."""
        return clock.current_time(connection, self.clock)
