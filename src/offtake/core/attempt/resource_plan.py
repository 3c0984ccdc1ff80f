"""How an attempt uses its memory: threads, partitions of the query, and size of sort ranges.

A report with ``partition_by`` can be partitioned (``docs/reference/report-folder.md``). The query runs once per
partition and, if files have no buckets, reads them each time, so an attempt uses no more partitions than memory
requires; most have one.

The first plan is an estimate from row counts, which do not tell how long the rows are. Each time that a plan runs out
of memory, the next one is reduced: one thread, twice the partitions, half the sort range, down to a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from offtake.core.policy import AttemptPolicy
from offtake.model.report import Report
from offtake.model.view import TableView

# Measured with reports that join and group all rows they read; `make bench ARGS=--sweep` measures it again. The memory
# that every query needs, whatever its rows: hash tables of joins and groups, and buffers of the reader and the writer.
_BASE_MB = 96
_ROWS_PER_MEMORY_MB = 4_096  # rows of a partition, of all partitioned tables, for each MiB beyond the base
# Each thread needs the minimum memory of every join and group, and DuckDB's own join sides need more than fixed ones.
_ROWS_PER_MEMORY_MB_OF_THREADS = 1_024
# Bytes of rows per sort range: a sixteenth of the memory, because the sort and, with long rows, the writer hold several
# copies (DuckDB 2.0: with an eighth, rows of 50 kB fail in 256 MiB).
SORTED_BYTES_PER_MEMORY_MB = 64 * 1024
_MIN_RANGE_BYTES = 256 * 1024
_MAX_PARTITIONS = 1_024
# Few rows are divided, too, because they may be long, and an operator holds up to 2,048 at once. With four partitions
# for each row, nearly every row is alone in its partition; more partitions would only read the files again.
_MAX_PARTITIONS_PER_ROW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePlan:
    """Threads of the query, number of its partitions (1: not partitioned), and bytes of rows in a sort range."""

    threads: int
    partitions: int
    range_bytes: int


def partition_rows(memory_mb: int) -> int:
    """Return the maximum number of lake rows that one partition reads in an attempt with that memory, in MiB."""
    return max(memory_mb - _BASE_MB, memory_mb // 4) * _ROWS_PER_MEMORY_MB


def row_count(report: Report, views: Sequence[TableView]) -> int:
    """Return the number of rows that determine the memory of the report's query.

    These are the rows of all tables that have the partition column, because each of them may be joined or grouped: a
    conversation with many actions needs as much as many conversations. Without partitions, all tables count.
    """
    column = report.partition_by
    return sum(view.rows for view in views if column is None or column in dict(view.columns))


def resource_plan(
    report: Report, views: Sequence[TableView], policy: AttemptPolicy, *, is_sorted: bool, reductions: int = 0
) -> ResourcePlan:
    """Return the plan of an attempt after so many ``reductions``. At the bound, further reductions change nothing.

    A sorted export uses one thread: others would buffer whole batches until it is their turn to write (DuckDB 2.0:
    130,000 rows of 2 kB fail in 256 MiB with two threads).
    """
    rows = row_count(report, views)
    estimate = max(1, -(-rows // policy.partition_rows)) if report.partition_by else 1
    bound = max(estimate, min(_MAX_PARTITIONS, rows * _MAX_PARTITIONS_PER_ROW)) if report.partition_by else 1
    range_bytes = policy.memory_mb * SORTED_BYTES_PER_MEMORY_MB
    return ResourcePlan(
        threads=1 if reductions or is_sorted else _threads(report, rows, estimate, policy),
        partitions=min(estimate << reductions, bound),
        range_bytes=max(range_bytes >> reductions, _MIN_RANGE_BYTES) if is_sorted else range_bytes,
    )


def _threads(report: Report, rows: int, partitions: int, policy: AttemptPolicy) -> int:
    """Return the threads of the first plan.

    A query that is large for its memory has none for a second thread (DuckDB 2.0: two threads fail in 256 MiB, one does
    not). A report without ``partition_by`` reads its tables row by row and joins small ones, so it keeps its threads.
    """
    if report.partition_by is None:
        return policy.threads
    rows_of_threads = policy.partition_rows * _ROWS_PER_MEMORY_MB_OF_THREADS // _ROWS_PER_MEMORY_MB
    return max(1, min(policy.threads, rows_of_threads // max(1, rows))) if partitions == 1 else 1
