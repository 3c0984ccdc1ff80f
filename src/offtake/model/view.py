"""The files of a lake table that one query may read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A lake table restricted to one tenant's ``files``, possibly none."""

    table: str
    files: tuple[str, ...]  # absolute paths of Parquet files, hive-partitioned (``tenant=…/month=…/``)
    columns: tuple[tuple[str, str], ...]  # name and DuckDB type of every column, partition columns included
    rows: int  # total of the files
