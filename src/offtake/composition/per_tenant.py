"""Values that are built from a table of settings, with each tenant's own options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from offtake.core.policy import PerTenant
from offtake.core.tenant_options import TenantOptions, TenantOverrides
from offtake.settings import Settings
from offtake.tenant_settings import tenant_table

Built = TypeVar("Built")


def per_tenant(table: str, make: Callable[[Any], Built], settings: Settings, stored: TenantOptions) -> PerTenant[Built]:
    """Build a value from a table of settings: one for all tenants, and one for each tenant with options of its own."""
    overrides = TenantOverrides(
        table=table,
        in_settings=frozenset(tenant for tenant, own in settings.tenants.items() if table in own),
        stored=stored,
        build=lambda tenant, own: make(tenant_table(settings, table, tenant, own)),
    )
    return PerTenant(default=make(settings.table(table)), overrides=overrides)
