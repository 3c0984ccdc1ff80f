"""What a report sees of the lake: one tenant's files of one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A lake table as exposed to one query: only these ``files`` exist for it, possibly none."""

    table: str
    files: tuple[str, ...]  # absolute paths of Parquet files, hive-partitioned (``tenant=…/month=…/``)
    columns: tuple[tuple[str, str], ...]  # name and DuckDB type of every column, partition columns included
    rows: int  # in those files
