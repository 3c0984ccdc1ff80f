"""The changes of a tenant's rows that are being made now."""

from __future__ import annotations

from offtake.core.loads.resolve import resolve_all
from offtake.core.services import Services
from offtake.errors import JobStateConflict
from offtake.model.load import LoadFilter, LoadState
from offtake.store import loads


def require_no_running_load(tenant: str, on: Services) -> None:
    """Raise JobStateConflict while rows of the tenant are loaded, deleted or restored."""
    resolve_all(on)
    with on.database.read() as connection:
        found = loads.newest(connection, LoadFilter(tenant=tenant, state=LoadState.RUNNING), limit=1)
    if found:
        load = found[0]
        raise JobStateConflict(
            f"Rows of tenant {tenant} in the table {load.table} are being changed by {load.id}; wait until that ends."
        )
