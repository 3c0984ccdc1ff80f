"""How far the tables of a tenant are declared to be complete.

The records of the loads say it, so the instant takes effect in the transaction that finishes a load, and an undo of
the load brings the earlier one back. The latest instant is in force; only a load that lowers it moves it back: the
declarations of the loads that were finished before it do not count any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from offtake.model.load import LoadState
from offtake.store.schema import load


def complete_until(connection: Connection, tenant: str, tables: Collection[str]) -> Mapping[str, datetime]:
    """Return the instant by table, for those of these tables that have one."""
    declared = and_(
        load.c.tenant == tenant,
        load.c.table_name.in_(sorted(tables)),
        load.c.complete_until.is_not(None),
        load.c.state == LoadState.COMMITTED.value,
    )
    lowered = (
        select(load.c.table_name, func.max(load.c.finished_at).label("at"))
        .where(declared, load.c.lowers_completeness.is_(True))
        .group_by(load.c.table_name)
        .subquery()
    )
    statement = (
        select(load.c.table_name, func.max(load.c.complete_until).label("until"))
        .select_from(load)
        .outerjoin(lowered, lowered.c.table_name == load.c.table_name)
        .where(declared, or_(lowered.c.at.is_(None), load.c.finished_at >= lowered.c.at))
        .group_by(load.c.table_name)
    )
    return {row.table_name: row.until for row in connection.execute(statement)}
