"""What one query may see of the lake: the files of one tenant and the months it needs.

The first of the two barriers between tenants: a session is given nothing but the file lists made by this module, and
cannot open any other file. The second is the condition in the views that the engine makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from offtake.lake.delta import Lake, LakeFile
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.model.view import TableView

_TICK = timedelta(microseconds=1)  # instants have microseconds, so the last one inside [start, end) is one tick earlier


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
    """The newest version of each table, cut to this tenant and these months; a table never loaded has no files.

    ``start`` and ``end`` are the bounds of an export's rows (``ExportRequest.effective_end``): months before and after
    them are left out as ``prune`` says. A bound that is None leaves out no month.

    The files can be read while the block runs. ``check`` is called again and again while they are brought here; what it
    raises ends that. Raises StorageUnavailable if a table exists and cannot be opened, or a file cannot be had.
    """
    listed = [_files(lake, use, tenant=tenant, start=start, end=end) for use in uses]
    with lake.local([file for files in listed for file in files], check) as found:
        left = iter(found)
        yield tuple(
            view(tables()[use.table], [next(left) for _ in files]) for use, files in zip(uses, listed, strict=True)
        )


def _files(
    lake: Lake, use: TableUse, *, tenant: str, start: datetime | None, end: datetime | None
) -> Sequence[LakeFile]:
    table = tables()[use.table]
    delta = lake.open(table)
    files = () if delta is None else lake.files(delta, table, tenant)
    return [file for file in files if _needed(file.month, use.prune, start, end)]


def view(table: Table, files: Sequence[LakeFile]) -> TableView:
    """A table exposed through these files only."""
    return TableView(
        table=table.name,
        files=tuple(file.path for file in files),
        columns=table.stored_columns,
        rows=sum(file.rows for file in files),
    )


def _needed(month: str | None, prune: Prune, start: datetime | None, end: datetime | None) -> bool:
    if month is None or prune is Prune.ALL:
        return True
    if end is not None and month > month_of(end - _TICK):
        return False
    return prune is Prune.UNTIL or start is None or month >= month_of(start)


def month_of(instant: datetime) -> str:
    """The partition of an instant. Years have four digits, so months sort as text."""
    at = instant.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"
