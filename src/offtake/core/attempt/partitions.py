"""How many partitions an attempt divides its query into, so that each fits into the memory of the attempt.

A report with ``partition_by`` can be partitioned (``docs/reference/report-folder.md``). The same query runs for one
partition after the other and reads the lake again for each, so there are only as many as the memory requires; an
ordinary export has one.
"""

from __future__ import annotations

from collections.abc import Sequence

from offtake.model.report import Report
from offtake.model.view import TableView

# Measured with reports that join and group everything they read; `make bench ARGS=--reports` shows whether it holds.
ROWS_PER_MEMORY_MB = 2_048
# Bytes of rows that are sorted at once: a sixteenth, for a sort holds them more than once, and so does the writer
# where rows are long (DuckDB 2.0: with an eighth, rows of 50 kB fail in 256 MiB).
SORTED_BYTES_PER_MEMORY_MB = 64 * 1024


def number_of_partitions(report: Report, views: Sequence[TableView], *, partition_rows: int) -> int:
    """As many as the table needs that the report is mostly made of: the first it names that has the column it is
    divided by. 1 where it cannot be divided."""
    if report.partition_by is None:
        return 1
    rows = next(view.rows for view in views if report.partition_by in dict(view.columns))
    return max(1, -(-rows // partition_rows))
