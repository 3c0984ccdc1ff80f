"""Many small files become one: reports then open fewer files.

Compaction is a commit of its own that changes no row. Files that are no longer part of the newest version stay for
the default week, because an export that began earlier may still be reading them.
"""

from __future__ import annotations

from collections import Counter

from deltalake.exceptions import CommitFailedError

from offtake.lake.delta import WRITER, Lake, storage_faults
from offtake.lake.tables import Table

FILES_ALLOWED = 16  # per month (or dimension) and tenant


def compact(lake: Lake, table: Table, *, tenant: str, files_allowed: int = FILES_ALLOWED) -> int:
    """Compact the tenant's partitions that have more files than allowed, and remove files replaced a week ago.

    Returns how many partitions were compacted.

    Queues up with the table's writers. Raises StorageUnavailable; the rows are the same then, too.
    """
    with lake.writing(table):
        delta = lake.open(table)
        if delta is None:
            return 0
        sizes = Counter(file.month for file in lake.files(delta, table, tenant))
        crowded = sorted((month or "") for month, files in sizes.items() if files > files_allowed)
        with storage_faults(table):
            for month in crowded:
                partition = [("tenant", "=", tenant), *([("month", "=", month)] if month else [])]
                try:
                    delta.optimize.compact(partition_filters=partition, writer_properties=WRITER)
                except CommitFailedError:
                    return 0  # another writer touched these files just now; the next load compacts again
            # Every time: a load that corrects rows replaces files without crowding. Files that a killed writer left are
            # in no log and found only by listing the table, so that is done when there was much to do anyway.
            delta.vacuum(dry_run=False, full=bool(crowded))
        return len(crowded)
