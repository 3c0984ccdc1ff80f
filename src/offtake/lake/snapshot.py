"""What one query may see of the lake: the files of one tenant and the months it needs.

The first tenant wall stands here: a session is given nothing but the file lists made by this module, and cannot open
any other file. The second is in the views that the engine makes of them.
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

_TICK = timedelta(microseconds=1)  # instants have microseconds, so the last one inside [start, end) is one tick earlier


@contextmanager
def snapshot(
    lake: Lake,
    uses: Sequence[TableUse],
    *,
    tenant: str,
    timespan: Timespan,
    check: Callable[[], None] = lambda: None,
) -> Iterator[tuple[TableView, ...]]:
    """The newest version of each table, cut to this tenant and these months; a table never loaded has no files.

    The files can be read while the block runs. ``check`` is called again and again while they are brought here; what it
    raises ends that. Raises StorageUnavailable if a table exists and cannot be opened, or a file cannot be had.
    """
    listed = [_files(lake, use, tenant=tenant, timespan=timespan) for use in uses]
    with lake.local([file for files in listed for file in files], check) as found:
        left = iter(found)
        yield tuple(
            view(tables()[use.table], [next(left) for _ in files]) for use, files in zip(uses, listed, strict=True)
        )


def _files(lake: Lake, use: TableUse, *, tenant: str, timespan: Timespan) -> Sequence[LakeFile]:
    table = tables()[use.table]
    delta = lake.open(table)
    files = () if delta is None else lake.files(delta, table, tenant)
    return [file for file in files if _needed(file, use.prune, timespan)]


def view(table: Table, files: Sequence[LakeFile]) -> TableView:
    """A table exposed through these files only."""
    return TableView(
        table=table.name,
        files=tuple(file.path for file in files),
        columns=table.stored_columns,
        rows=sum(file.rows for file in files),
    )


def _needed(file: LakeFile, prune: Prune, timespan: Timespan) -> bool:
    if file.month is None or prune is Prune.ALL:
        return True
    last = month_of(timespan.end - _TICK)
    if prune is Prune.UNTIL:
        return file.month <= last
    return month_of(timespan.start) <= file.month <= last


def month_of(instant: datetime) -> str:
    """The partition of an instant. Years have four digits, so months sort as text."""
    at = instant.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"
