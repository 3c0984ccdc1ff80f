"""Number of partitions of an attempt's query, so that each partition fits into memory.

A report with ``partition_by`` can be partitioned (``docs/reference/report-folder.md``). The query runs once per
partition and reads the lake each time, so an attempt uses no more partitions than memory requires; most have one.
"""

from __future__ import annotations

from collections.abc import Sequence

from offtake.model.report import Report
from offtake.model.view import TableView

# Measured with reports that join and group all rows they read; `make bench ARGS=--reports` measures it again.
ROWS_PER_MEMORY_MB = 2_048
# Bytes of rows per sort range: a sixteenth of the memory, because the sort and, with long rows, the writer hold several
# copies (DuckDB 2.0: with an eighth, rows of 50 kB fail in 256 MiB).
SORTED_BYTES_PER_MEMORY_MB = 64 * 1024


def number_of_partitions(report: Report, views: Sequence[TableView], *, partition_rows: int) -> int:
    """Return the number of partitions; 1 for a report without ``partition_by``.

    The row count of the first table that has the partition column decides: it is the report's main table.
    """
    if report.partition_by is None:
        return 1
    rows = next(view.rows for view in views if report.partition_by in dict(view.columns))
    return max(1, -(-rows // partition_rows))
