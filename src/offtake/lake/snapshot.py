"""Snapshots of the lake for one query: the files of one tenant and the months it needs.

This module isolates tenants: a session reads only the files listed here and cannot open any other file. The views that
the engine creates over them also show only files in the tenant's folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from offtake.lake.delta import Lake, LakeFile
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.model.view import TableView

_MICROSECOND = timedelta(microseconds=1)  # resolution of instants: the last one in [start, end) is end - 1 µs


@contextmanager
def snapshot(
    lake: Lake,
    uses: Sequence[TableUse],
    *,
    tenant: str,
    start: datetime | None = None,
    end: datetime | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[tuple[TableView, ...]]:
    """Yield a view of the newest version of each table, limited to the tenant and the months from ``start`` to ``end``.

    ``start`` and ``end`` are the bounds of the exported rows (``ExportRequest.effective_end``); ``prune`` skips months
    outside them. Without a bound, no month is skipped on that side.

    A table that was never loaded has no files. The files are readable while the block runs. ``check`` is called
    repeatedly while files are fetched; an exception it raises aborts. Raises StorageUnavailable if a table cannot be
    opened or a file cannot be fetched.
    """
    remote = [_files(lake, use, tenant=tenant, start=start, end=end) for use in uses]
    with lake.local([file for files in remote for file in files], check) as local:
        remaining = iter(local)
        yield tuple(
            view(tables()[use.table], [next(remaining) for _ in files]) for use, files in zip(uses, remote, strict=True)
        )


def _files(
    lake: Lake, use: TableUse, *, tenant: str, start: datetime | None, end: datetime | None
) -> Sequence[LakeFile]:
    table = tables()[use.table]
    delta = lake.open(table)
    files = () if delta is None else lake.files(delta, table, tenant)
    return [file for file in files if _is_needed(file.month, use.prune, start, end)]


def view(table: Table, files: Sequence[LakeFile]) -> TableView:
    """Return the view of a table through these files only."""
    return TableView(
        table=table.name,
        files=tuple(file.path for file in files),
        columns=table.stored_columns,
        rows=sum(file.rows for file in files),
    )


def _is_needed(month: str | None, prune: Prune, start: datetime | None, end: datetime | None) -> bool:
    if month is None or prune is Prune.ALL:
        return True
    if end is not None and month > month_of(end - _MICROSECOND):
        return False
    return prune is Prune.UNTIL or start is None or month >= month_of(start)


def month_of(instant: datetime) -> str:
    """Return the month partition (YYYY-MM, UTC) of an instant. Years have four digits, so months sort as text."""
    at = instant.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"
