"""Into how many parts an attempt divides its query, so that what a part holds at once fits into its memory.

A report with ``partition_by`` can be made in parts (``docs/reference/report-folder.md``). One part is made after the other
by the same query, which reads the lake again for each; so there are no more of them than the memory asks for, and an
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
