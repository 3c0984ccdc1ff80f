"""Compaction: merge many small files of a partition into one, so that reports open fewer files.

Compaction is a separate commit that changes no row. Files that the newest version no longer references are kept for
Delta's default of one week, because running exports may still read them.
"""

from __future__ import annotations

from collections import Counter

from deltalake.exceptions import CommitFailedError

from offtake.lake.delta import WRITER, Lake, storage_faults
from offtake.lake.tables import Table

MAX_FILES = 16  # per partition: tenant and month, or tenant for a dimension


def compact(lake: Lake, table: Table, *, tenant: str, max_files: int = MAX_FILES) -> int:
    """Compact the tenant's partitions with more than ``max_files`` files; delete files replaced over a week ago.

    Returns the number of compacted partitions. Waits for the table's write lock. Raises StorageUnavailable; rows never
    change.
    """
    with lake.writing(table):
        delta = lake.open(table)
        if delta is None:
            return 0
        sizes = Counter(file.month for file in lake.files(delta, table, tenant))
        crowded = sorted((month or "") for month, files in sizes.items() if files > max_files)
        with storage_faults(table):
            for month in crowded:
                partition = [("tenant", "=", tenant), *([("month", "=", month)] if month else [])]
                try:
                    delta.optimize.compact(partition_filters=partition, writer_properties=WRITER)
                except CommitFailedError:
                    return 0  # a concurrent commit changed these files; the next load compacts again
            # Vacuum every time: a load that updates rows replaces files without adding any. Only a full vacuum lists
            # the table and finds files that a killed writer left; it is slow, so it runs together with compaction.
            delta.vacuum(dry_run=False, full=bool(crowded))
        return len(crowded)
