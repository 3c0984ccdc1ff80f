"""The audit log for the operator: list entries, and write those of refused requests."""

from __future__ import annotations

from collections.abc import Sequence

from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.model.audit import AuditFilter, AuditRow
from offtake.store import audit


def list_entries(condition: AuditFilter, on: Services, *, limit: int) -> Sequence[AuditRow]:
    """Return the newest entries that match, newest first."""
    with on.database.read() as connection:
        return audit.newest(connection, condition, limit=limit)


def write_denials(on: Services) -> None:
    """Write the denials counted so far. If that fails, they stay counted. Raises Unavailable, AuditUnavailable."""
    entries = on.denials.take()
    if not entries:
        return
    try:
        with on.database.write() as connection:
            for entry in entries:
                audit.record(connection, entry, now=on.clock())
    except OfftakeError:
        on.denials.put_back(entries)
        raise
