"""Snapshots of the lake for one query: the files of one tenant and the months it needs.

This module isolates tenants: a session reads only the files listed here and cannot open any other file. The views that
the engine creates over them also show only files in the tenant's folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable

from offtake.lake.delta import Lake, LakeFile
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.model.view import TableView

_MICROSECOND = timedelta(microseconds=1)  # resolution of instants: the last one in [start, end) is end - 1 µs


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The files of one version of each table that a query reads, before they are local."""

    uses: Sequence[TableUse]
    files: Sequence[Sequence[LakeFile]]  # of each use
    versions: Mapping[str, int | None]  # Delta version by table; None: the table was never loaded
    filled: frozenset[str]  # tables with files of the tenant, of whatever months


def locate(
    lake: Lake,
    uses: Sequence[TableUse],
    *,
    tenant: str,
    start: datetime | None = None,
    end: datetime | None = None,
    versions: Mapping[str, int | None] | None = None,
) -> Located:
    """Locate the tenant's files in the months from ``start`` to ``end``, in the given version of each table.

    A table without a version is read in its newest one. ``start`` and ``end`` are the bounds of the exported rows
    (``ExportRequest.effective_end``); ``prune`` skips months outside them. Without a bound, no month is skipped on that
    side. A table that was never loaded has no files.

    Raises StorageUnavailable if a table cannot be opened, LakeVersionGone if it no longer has the version.
    """
    files: list[Sequence[LakeFile]] = []
    found: dict[str, int | None] = {}
    filled = set()
    for use in uses:
        table = tables()[use.table]
        delta = _open(lake, table, versions)
        found[use.table] = None if delta is None else delta.version()
        listed = () if delta is None else lake.files(delta, table, tenant)
        files.append([file for file in listed if _is_needed(file.month, use.prune, start, end)])
        if listed:
            filled.add(use.table)
    return Located(uses=uses, files=files, versions=found, filled=frozenset(filled))


def narrow(located: Located, *, start: datetime, end: datetime) -> Located:
    """Return the files among the located ones that a query of this part of the timespan reads."""
    files = [
        [file for file in listed if _is_needed(file.month, use.prune, start, end)]
        for use, listed in zip(located.uses, located.files, strict=True)
    ]
    return replace(located, files=files)


def _open(lake: Lake, table: Table, versions: Mapping[str, int | None] | None) -> DeltaTable | None:
    if versions is None or table.name not in versions:
        return lake.open(table)
    version = versions[table.name]
    return None if version is None else lake.open_version(table, version)


@contextmanager
def local_views(
    lake: Lake, located: Located, check: Callable[[], None] = lambda: None
) -> Iterator[tuple[TableView, ...]]:
    """Yield a view of each table through its located files, which are readable while the block runs.

    ``check`` is called repeatedly while files are fetched; an exception it raises aborts. Raises StorageUnavailable if
    a file cannot be fetched.
    """
    with lake.local([file for files in located.files for file in files], check) as local:
        remaining = iter(local)
        yield tuple(
            view(tables()[use.table], [next(remaining) for _ in files])
            for use, files in zip(located.uses, located.files, strict=True)
        )


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
    """Yield local views of the newest version of each table: ``locate`` and ``local_views`` in one call."""
    with local_views(lake, locate(lake, uses, tenant=tenant, start=start, end=end), check) as views:
        yield views


def view(table: Table, files: Sequence[LakeFile]) -> TableView:
    """Return the view of a table through these files only."""
    return TableView(
        table=table.name,
        files=tuple(file.path for file in files),
        columns=table.stored_columns,
        rows=sum(file.rows for file in files),
        bucketed_by=table.group_key if all(file.has_buckets for file in files) else None,
    )


def _is_needed(month: str | None, prune: Prune, start: datetime | None, end: datetime | None) -> bool:
    if month is None or prune is Prune.ALL:
        return True
    if end is not None and month > month_of(end - _MICROSECOND):
        return False
    return prune is Prune.UNTIL or start is None or month >= month_of(start)


def rows_between(files: Sequence[LakeFile], *, start: datetime, end: datetime, now: datetime) -> int:
    """Estimate how many rows of these files are in a timespan: those of its months, of a month in part its share.

    The rows of the present month are in its days until ``now``. Files of a table without months count whole.
    """
    return round(
        sum(file.rows * (1.0 if file.month is None else _share(file.month, start, end, now)) for file in files)
    )


def _share(month: str, start: datetime, end: datetime, now: datetime) -> float:
    """Return which share of a month is in the timespan."""
    begins = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    next_month = (begins + timedelta(days=31)).replace(day=1)
    ends = now if begins < now < next_month else next_month
    return max(timedelta(0), min(end, ends) - max(start, begins)) / (ends - begins)


def month_of(instant: datetime) -> str:
    """Return the month partition (YYYY-MM, UTC) of an instant. Years have four digits, so months sort as text."""
    at = instant.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"
