"""Load files into a lake table in one commit, all or nothing; every row is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.files import SourceFile, open_source, unreadable
from offtake.lake.ingest.folders import parquet_parts
from offtake.lake.ingest.rejects import bad_rows, broken_rows, refuse_unknown_keys, reject_file, rejected
from offtake.lake.ingest.staging import INCOMING, create_incoming, scalar, staging
from offtake.lake.ingest.upsert import upsert
from offtake.lake.ingest.validate import stage
from offtake.lake.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Number of rows read, by what happened to them."""

    read: int
    inserted: int
    updated: int
    superseded: int  # replaced by a later row with the same key in the same call
    rejected: int

    def __post_init__(self) -> None:
        if self.read != self.inserted + self.updated + self.superseded + self.rejected:
            raise ValueError(f"rows were lost or counted twice: {self}")


def load(
    lake: Lake,
    table: Table,
    files: Sequence[Path],
    *,
    tenant: str,
    reject_to: Path | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> LoadCounts:
    """Upsert the rows of all files by key, in one commit; ``progress`` gets the number of rows read after each file.

    A later row replaces an earlier one with the same key. Raises LakeError for a file that cannot be loaded, and
    LoadRejected at the first bad row unless ``reject_to`` names a file for bad rows; nothing is stored in either case.
    Foreign keys are not enforced: facts may arrive before the agents and teams they reference.
    """
    if not files:
        raise LakeError("There is no file to load; name at least one.")
    files = [part for path in files for part in parquet_parts(path)]
    with staging() as connection:
        create_incoming(connection, table)
        sources = [open_source(connection, table, path, number) for number, path in enumerate(files)]
        read = _stage_all(connection, table, sources, tenant=tenant, progress=progress)
        refuse_unknown_keys(connection, table, sources)
        bad = scalar(connection, f"SELECT count(*) FROM {INCOMING} WHERE _faults IS NOT NULL")  # noqa: S608
        broken = sum(len(broken_rows(connection, source)) for source in sources)
        if bad + broken and reject_to is None:
            raise rejected(next(bad_rows(connection, sources)), bad + broken)
        with reject_file(reject_to, bad_rows(connection, sources), inputs=files), lake.writing(table):
            stored = upsert(connection, lake, table, tenant=tenant)
    with suppress(StorageUnavailable):  # the rows are stored; the next load tries to compact again
        compact(lake, table, tenant=tenant)
    return LoadCounts(
        read=read + broken,
        inserted=stored.inserted,
        updated=stored.updated,
        superseded=stored.superseded,
        rejected=bad + broken,
    )


def _stage_all(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    sources: Sequence[SourceFile],
    *,
    tenant: str,
    progress: Callable[[int], None],
) -> int:
    read = 0
    for source in sources:
        with unreadable(source.path):
            read += stage(connection, table, source, tenant)
        progress(read)
    return read
