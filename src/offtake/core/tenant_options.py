"""Limits and budgets of tenants in the state database, which override those of the settings.

``offtake tenant set`` stores them, and running processes read them again every few seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from offtake.errors import Unavailable
from offtake.model.tenant import NO_OPTIONS, Options
from offtake.store import identity
from offtake.store.database import Database

Value = TypeVar("Value")
REFRESH_SECONDS = 2.0


class TenantOptions:
    """The stored options of all tenants; they are at most ``REFRESH_SECONDS`` old while the database responds."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._options: Mapping[str, Options] = {}

    def all(self) -> Mapping[str, Options]:
        """Return the options of each tenant that has any. Raises Unavailable if they were never read."""
        if self._read_at is None:
            with self._lock:
                if self._read_at is None:
                    self._read()
        elif self._clock() - self._read_at >= REFRESH_SECONDS and self._lock.acquire(blocking=False):
            if self._database.is_connected:  # no thread waits for a second connection while it has one
                threading.Thread(target=self._refresh, name="tenant-options", daemon=True).start()
            else:
                self._refresh()
        return self._options

    def _refresh(self) -> None:
        """Read the options and release the lock; if the database does not respond, the previous ones apply."""
        try:
            self._read()
        except Unavailable:
            self._read_at = self._clock()
        finally:
            self._lock.release()

    def of(self, tenant: str, table: str) -> Mapping[str, Any]:
        """Return the tenant's options of one table of the settings."""
        return self.all().get(tenant, NO_OPTIONS).get(table, NO_OPTIONS)

    def _read(self) -> None:
        with self._database.read() as connection:
            self._options = identity.tenant_options(connection)
        self._read_at = self._clock()


@dataclass(slots=True, kw_only=True)
class TenantOverrides(Mapping[str, Value], Generic[Value]):
    """What the tenants with options of their own have instead of the default value.

    ``build`` makes the value of a tenant from its stored options of ``table``, which may be none, and the settings.
    ``in_settings`` are the tenants that have that table in the settings.
    """

    table: str
    in_settings: frozenset[str]
    stored: TenantOptions
    build: Callable[[str, Mapping[str, Any]], Value]
    _built: dict[str, tuple[Mapping[str, Any], Value]] = field(default_factory=dict)

    def __getitem__(self, tenant: str) -> Value:
        own = self.stored.of(tenant, self.table)
        if not own and tenant not in self.in_settings:
            raise KeyError(tenant)
        built = self._built.get(tenant)
        if built is None or built[0] != own:
            built = (own, self.build(tenant, own))
            self._built[tenant] = built
        return built[1]

    def __iter__(self) -> Iterator[str]:
        stored = {tenant for tenant, options in self.stored.all().items() if options.get(self.table)}
        return iter(sorted(self.in_settings | stored))

    def __len__(self) -> int:
        return sum(1 for _ in self)
