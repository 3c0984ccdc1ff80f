"""Snapshots of the lake for one query: the files of one tenant and the months it needs.

This module isolates tenants: a query reads only the files listed here, so its SQL cannot reach another tenant's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from offtake.lake.delta import Lake, LakeFile
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.model.timespan import Timespan
from offtake.model.view import TableView

_MICROSECOND = timedelta(microseconds=1)  # resolution of instants: the last one in [start, end) is end - 1 µs


@contextmanager
def snapshot(
    lake: Lake,
    uses: Sequence[TableUse],
    *,
    tenant: str,
    timespan: Timespan,
    check: Callable[[], None] = lambda: None,
) -> Iterator[tuple[TableView, ...]]:
    """Yield a view of the newest version of each table, limited to the tenant and the months of ``timespan``.

    A table that was never loaded has no files. The files are readable while the block runs. ``check`` is called
    repeatedly while files are fetched; an exception it raises aborts. Raises StorageUnavailable if a table cannot be
    opened or a file cannot be fetched.
    """
    remote = [_files(lake, use, tenant=tenant, timespan=timespan) for use in uses]
    with lake.local([file for files in remote for file in files], check) as local:
        remaining = iter(local)
        yield tuple(
            view(tables()[use.table], [next(remaining) for _ in files]) for use, files in zip(uses, remote, strict=True)
        )


def _files(lake: Lake, use: TableUse, *, tenant: str, timespan: Timespan) -> Sequence[LakeFile]:
    table = tables()[use.table]
    delta = lake.open(table)
    files = () if delta is None else lake.files(delta, table, tenant)
    return [file for file in files if _is_needed(file, use.prune, timespan)]


def view(table: Table, files: Sequence[LakeFile]) -> TableView:
    """Return the view of a table through these files only."""
    return TableView(
        table=table.name,
        files=tuple(file.path for file in files),
        columns=table.stored_columns,
        rows=sum(file.rows for file in files),
    )


def _is_needed(file: LakeFile, prune: Prune, timespan: Timespan) -> bool:
    if file.month is None or prune is Prune.ALL:
        return True
    last = month_of(timespan.end - _MICROSECOND)
    if prune is Prune.UNTIL:
        return file.month <= last
    return month_of(timespan.start) <= file.month <= last


def month_of(instant: datetime) -> str:
    """Return the month partition (YYYY-MM, UTC) of an instant. Years have four digits, so months sort as text."""
    at = instant.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"
