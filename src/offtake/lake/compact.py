"""Compaction: merge many small files of a partition into few, so that reports open fewer files, and bring files of
earlier releases into the present layout (``buckets``).

Compaction is a separate commit that changes no row. Files that the newest version no longer references are kept for
Delta's default of one week, because running exports may still read them and a load can be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from offtake.errors import StorageUnavailable
from offtake.lake.buckets import file_content
from offtake.lake.change_log import ChangeEntry
from offtake.lake.delta import FileChanges, Lake, LakeFile, storage_faults
from offtake.lake.staging import staging
from offtake.lake.tables import Table
from offtake.lake.writer import FILE_BYTES, FileWriter, NewFile, groups, row_bytes, sort_columns
from offtake.sql_text import quote_identifier, select_typed

KEPT = timedelta(days=7)  # of files that the newest version no longer references: Delta's default
MAX_FILES = 16  # per partition: tenant and month, or tenant for a dimension
# Files of earlier releases that are written again after one load, so that it does not wait long.
_OLD_PARTITIONS = 4
_OLD_BYTES = 1024 * 1024 * 1024


def compact(lake: Lake, table: Table, *, tenant: str, max_files: int = MAX_FILES) -> int:
    """Compact the tenant's partitions with more than ``max_files`` small files; delete files replaced over a week ago.

    Of a table with a group key, some partitions with files that have no buckets are written again, the newest ones
    first, each in a commit of its own. Returns the number of compacted partitions. Waits for the table's write lock.
    Raises StorageUnavailable; rows never change.
    """
    with lake.writing(table):
        delta = lake.open(table)
        if delta is None:
            return 0
        files = lake.files(delta, table, tenant)
        crowded = _crowded(files, max_files)
        old = [] if table.group_key is None else _without_buckets(files)
        commits = [[file for of in crowded.values() for file in of], *(of for month, of in old if month not in crowded)]
        with storage_faults(table):
            try:
                for chosen in filter(None, commits):
                    delta = _compact(lake, delta, table, chosen, tenant=tenant)
            except CommitFailedError:
                return 0  # a concurrent commit changed the table; the next load compacts again
            except duckdb.OutOfMemoryException as error:
                raise StorageUnavailable(f"There is no space to sort rows of {table.name} in.") from error
            # Vacuum every time: a load that updates rows replaces files without adding any. Only a full vacuum lists
            # the table and finds files that a killed writer left; it is slow, so it runs together with compaction.
            delta.vacuum(dry_run=False, full=any(commits))
        return len(crowded) + len(commits) - 1


def _crowded(files: Sequence[LakeFile], max_files: int) -> dict[str | None, list[LakeFile]]:
    """Return the small files of partitions that have many, by month."""
    small: dict[str | None, list[LakeFile]] = {}
    for file in files:
        if file.bytes < FILE_BYTES // 2:
            small.setdefault(file.month, []).append(file)
    return {month: of for month, of in small.items() if len(of) > max_files}


def _without_buckets(files: Sequence[LakeFile]) -> list[tuple[str | None, list[LakeFile]]]:
    """Return months with files that have no buckets, newest first, and all their files: at least one, if there is one.

    The others come after later loads.
    """
    partitions: dict[str | None, list[LakeFile]] = {}
    for file in files:
        partitions.setdefault(file.month, []).append(file)
    chosen: list[tuple[str | None, list[LakeFile]]] = []
    size = 0
    for month, of in sorted(partitions.items(), key=lambda item: str(item[0]), reverse=True):
        if all(file.has_buckets for file in of):
            continue
        size += sum(file.bytes for file in of)
        if chosen and (size > _OLD_BYTES or len(chosen) == _OLD_PARTITIONS):
            break
        chosen.append((month, of))
    return chosen


def _compact(lake: Lake, delta: DeltaTable, table: Table, files: Sequence[LakeFile], *, tenant: str) -> DeltaTable:
    """Write the files again in one commit, and return the table with it. Raises CommitFailedError."""
    stored = select_typed(table.file_columns, files="compacted_files")
    rows = f"SELECT {file_content(table)} FROM ({stored})"  # noqa: S608
    sizes = f"SELECT {', '.join(map(quote_identifier, sort_columns(table)))}, {row_bytes(table)} FROM ({stored})"  # noqa: S608
    added: list[NewFile] = []
    with lake.local(files) as local, staging(lake.storage.staging) as area:
        writer = FileWriter(area, table)
        for month in sorted({file.month for file in files}, key=str):
            members = [file for file in local if file.month == month]
            for group in groups([file.bytes for file in members]):
                paths = [members[index].path for index in group]
                area.connection.execute("SET VARIABLE compacted_files = $files", {"files": paths})
                if table.group_key is None:
                    added.append(writer.concatenate(rows, month=month))
                else:  # the files are ranges of all buckets
                    added += writer.write_sorted(rows, sizes, month=month)
        entry = ChangeEntry(change_id=str(uuid4()), version=delta.version() + 1)
        lake.commit(
            delta, table, tenant=tenant, entry=entry, files=FileChanges(added=added, removed=files, changes_rows=False)
        )
    delta.update_incremental()
    return delta
