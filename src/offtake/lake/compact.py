"""Compaction: merge many small files of a partition into few, so that reports open fewer files.

Compaction is a separate commit that changes no row. Files that the newest version no longer references are kept for
Delta's default of one week, because running exports may still read them and a load can be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from offtake.lake.change_log import ChangeEntry
from offtake.lake.delta import FileChanges, Lake, LakeFile, storage_faults
from offtake.lake.staging import staging
from offtake.lake.tables import Table
from offtake.lake.writer import FILE_BYTES, FileWriter, NewFile, groups
from offtake.sql_text import select_typed

KEPT = timedelta(days=7)  # of files that the newest version no longer references: Delta's default
MAX_FILES = 16  # per partition: tenant and month, or tenant for a dimension


def compact(lake: Lake, table: Table, *, tenant: str, max_files: int = MAX_FILES) -> int:
    """Compact the tenant's partitions with more than ``max_files`` small files; delete files replaced over a week ago.

    Returns the number of compacted partitions. Waits for the table's write lock. Raises StorageUnavailable; rows never
    change.
    """
    with lake.writing(table):
        delta = lake.open(table)
        if delta is None:
            return 0
        partitions: dict[str | None, list[LakeFile]] = {}
        for file in lake.files(delta, table, tenant):
            if file.bytes < FILE_BYTES // 2:
                partitions.setdefault(file.month, []).append(file)
        crowded = [files for files in partitions.values() if len(files) > max_files]
        with storage_faults(table):
            try:
                _compact(lake, delta, table, [file for files in crowded for file in files], tenant=tenant)
            except CommitFailedError:
                return 0  # a concurrent commit changed these files; the next load compacts again
            # Vacuum every time: a load that updates rows replaces files without adding any. Only a full vacuum lists
            # the table and finds files that a killed writer left; it is slow, so it runs together with compaction.
            delta.vacuum(dry_run=False, full=bool(crowded))
        return len(crowded)


def _compact(lake: Lake, delta: DeltaTable, table: Table, files: Sequence[LakeFile], *, tenant: str) -> None:
    if not files:
        return
    stored = select_typed(table.file_columns, files="compacted_files")
    rows = f"SELECT * EXCLUDE ({', '.join(table.partition_columns)}) FROM ({stored})"  # noqa: S608
    added: list[NewFile] = []
    with lake.local(files) as local, staging(lake.storage.staging) as area:
        writer = FileWriter(area, table)
        for month in sorted({file.month for file in files}, key=str):
            members = [file for file in local if file.month == month]
            for group in groups([file.bytes for file in members]):
                paths = [members[index].path for index in group]
                area.connection.execute("SET VARIABLE compacted_files = $files", {"files": paths})
                added.append(writer.concatenate(rows, month=month))
        entry = ChangeEntry(change_id=str(uuid4()), version=delta.version() + 1)
        lake.commit(
            delta, table, tenant=tenant, entry=entry, files=FileChanges(added=added, removed=files, changes_rows=False)
        )
