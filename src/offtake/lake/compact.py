"""Compaction: merge many small files of a partition into few, so that reports open fewer files, and bring files of
earlier releases into the present layout (``buckets``).

Compaction is a separate commit that changes no row. Files that the newest version no longer references are kept for
Delta's default of one week, because running exports may still read them and a load can be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from offtake.lake.buckets import file_content
from offtake.lake.change_log import ChangeEntry
from offtake.lake.delta import FileChanges, Lake, LakeFile, storage_faults
from offtake.lake.staging import staging
from offtake.lake.tables import Table
from offtake.lake.writer import FILE_BYTES, FileWriter, NewFile, groups, row_bytes, sort_columns
from offtake.sql_text import quote_identifier, select_typed

KEPT = timedelta(days=7)  # of files that the newest version no longer references: Delta's default
MAX_FILES = 16  # per partition: tenant and month, or tenant for a dimension
_OLD_PARTITIONS = (
    4  # with files of earlier releases that one compaction writes again, so that a load does not wait long
)


def compact(lake: Lake, table: Table, *, tenant: str, max_files: int = MAX_FILES) -> int:
    """Compact the tenant's partitions with more than ``max_files`` small files; delete files replaced over a week ago.

    Of a table with a group key, up to four partitions with files of earlier releases are written again, the newest
    ones first. Returns the number of compacted partitions. Waits for the table's write lock. Raises
    StorageUnavailable; rows never change.
    """
    with lake.writing(table):
        delta = lake.open(table)
        if delta is None:
            return 0
        crowded = _crowded(lake.files(delta, table, tenant), table, max_files)
        with storage_faults(table):
            try:
                _compact(lake, delta, table, [file for files in crowded for file in files], tenant=tenant)
            except CommitFailedError:
                return 0  # a concurrent commit changed these files; the next load compacts again
            # Vacuum every time: a load that updates rows replaces files without adding any. Only a full vacuum lists
            # the table and finds files that a killed writer left; it is slow, so it runs together with compaction.
            delta.vacuum(dry_run=False, full=bool(crowded))
        return len(crowded)


def _crowded(files: Sequence[LakeFile], table: Table, max_files: int) -> list[list[LakeFile]]:
    """Return the files to write again, by partition."""
    partitions: dict[str | None, list[LakeFile]] = {}
    for file in files:
        partitions.setdefault(file.month, []).append(file)
    small = {month: [file for file in of if file.bytes < FILE_BYTES // 2] for month, of in partitions.items()}
    chosen = {month: of for month, of in small.items() if len(of) > max_files}
    if table.group_key is not None:
        old = [month for month, of in partitions.items() if not all(file.has_buckets for file in of)]
        chosen |= {month: partitions[month] for month in sorted(old, key=str, reverse=True)[:_OLD_PARTITIONS]}
    return list(chosen.values())


def _compact(lake: Lake, delta: DeltaTable, table: Table, files: Sequence[LakeFile], *, tenant: str) -> None:
    if not files:
        return
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
