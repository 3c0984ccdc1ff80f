"""The files of a lake table that one query may read."""

from __future__ import annotations

from dataclasses import dataclass, replace

BUCKET = "_bucket"  # hidden column of files: a number of the row's group, below ``BUCKETS``
BUCKETS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A lake table restricted to one tenant's ``files``, possibly none."""

    table: str
    files: tuple[str, ...]  # absolute paths of Parquet files, hive-partitioned (``tenant=…/month=…/``)
    columns: tuple[tuple[str, str], ...]  # name and DuckDB type of every column, partition columns included
    rows: int  # total of the files
    bucketed_by: str | None = None  # the column whose value determines ``BUCKET``, if every file has that


def with_bucket_column(view: TableView) -> TableView:
    """Return the view with ``BUCKET`` as one of its columns, if its files have it."""
    return view if view.bucketed_by is None else replace(view, columns=(*view.columns, (BUCKET, "BIGINT")))
