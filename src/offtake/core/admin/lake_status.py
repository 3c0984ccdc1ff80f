"""What the lake holds of one tenant, table by table.

This is what the tables themselves tell; ``core/loads`` knows by which loads the rows came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from offtake.core.query.operator_session import operator_session
from offtake.core.services import Services
from offtake.lake.snapshot import Located, locate
from offtake.lake.statistics import dangling_query, event_query, references
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.store import completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table of a tenant, at one version."""

    table: str
    version: int | None  # of the Delta table, which all tenants share; None: it was never loaded
    rows: int
    files: int
    bytes: int
    written_at: datetime | None  # of the newest file, by a load or by a compaction; None: there is no file
    complete_until: datetime | None = None  # as the loads declared; None: none did
    first_event: str | None = None  # ISO 8601 in UTC; None: not read, or the table has no events
    last_event: str | None = None
    dangling: Mapping[str, int] | None = None  # dangling references by column, where there are any; None: not read


def lake_status(
    tenant: str,
    on: Services,
    *,
    scan: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[TableStatus]:
    """Yield the status of each table in the order of the model.

    Without ``scan``, only the logs of the tables are read: events and references are not known. ``progress`` is called
    with the number of finished tables and of all tables. Raises StorageUnavailable.
    """
    model = tables()
    with on.database.read() as connection:
        declared = completeness.complete_until(connection, tenant, model.keys())
    for done, table in enumerate(model.values()):
        progress(done, len(model))
        yield replace(_status(table, tenant, on, scan=scan), complete_until=declared.get(table.name))
    progress(len(model), len(model))


def _status(table: Table, tenant: str, on: Services, *, scan: bool) -> TableStatus:
    referenced = dict.fromkeys(column.references for column in references(table)) if scan else {}
    names = dict.fromkeys([table.name, *filter(None, referenced)])
    located = locate(on.lake, [TableUse(table=name, prune=Prune.ALL) for name in names], tenant=tenant)
    files = located.files[0]
    found = TableStatus(
        table=table.name,
        version=located.versions[table.name],
        rows=sum(file.rows for file in files),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        written_at=max((file.written_at for file in files), default=None),
    )
    return _scanned(found, table, located, tenant, on) if scan and files else found


def _scanned(found: TableStatus, table: Table, located: Located, tenant: str, on: Services) -> TableStatus:
    """Return the status with what only the rows tell."""
    with operator_session(located, tenant, on) as session:
        ((rows, first, last),) = session.stream(event_query(table))
        dangling = {
            column.name: number
            for column in references(table)
            for ((number,),) in [tuple(session.stream(dangling_query(table, column)))]
            if number
        }
    return replace(found, rows=rows, first_event=first, last_event=last, dangling=dangling)
