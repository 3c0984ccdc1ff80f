"""Reconciliation: the rows of the files are compared with a count of the lake's rows without the report's joins.

A storage engine that loses rows in a join which spills, or in its writer, reports and writes the same wrong number. The
count takes another way through the engine: a scan, at most grouped, in the session of the query, so it sees the same
files, bound values and partitions.
"""

from __future__ import annotations

from offtake.engine.duckdb import Session
from offtake.engine.plan import plan_count
from offtake.errors import RowsNotReconciled
from offtake.model.manifest import Reconciliation
from offtake.model.query import Query
from offtake.model.report import Report, partition_markers
from offtake.model.request import ExportRequest, changed_parameters

# Partitions of the query that are one of the count. It keeps only keys and instants, and every partition reads the
# files again. DuckDB 2.0 groups the history of 3 million conversations in 256 MiB.
QUERY_PARTITIONS = 8


def count_rows(
    session: Session, report: Report, request: ExportRequest, *, query_partitions: int = QUERY_PARTITIONS
) -> int | None:
    """Return the number of rows that the files of the request must have.

    If the count is partitioned, so many partitions of the query are one of its own.

    Return None if the report has no count, if the request has filters on columns, or if it sets a parameter that the
    count does not apply. ``request`` includes the changes of the smart view. Call it before the session sorts, which
    replaces its partitions.
    """
    if report.count is None or request.filters:
        return None
    query = plan_count(report.count, request)
    if not changed_parameters(request.parameters).keys() & set(report.parameters) <= query.values.keys():
        return None
    if not partition_markers(report.count.sql):
        return _total(session, query, partitions=1)
    partitions = session.partitions
    session.divide(-(-partitions // query_partitions))
    try:
        return _total(session, query, partitions=session.partitions)
    finally:
        session.divide(partitions)


def _total(session: Session, query: Query, *, partitions: int) -> int:
    counts = (number for partition in range(partitions) for (number,) in session.stream(query, partition=partition))
    return sum(int(number) for number in counts)


def reconcile(report: Report, expected: int | None, written: int) -> tuple[Reconciliation, ...]:
    """Return what was compared; nothing if the rows were not counted. Raises RowsNotReconciled for a difference."""
    if report.count is None or expected is None:
        return ()
    what = report.count.what
    if expected != written:
        raise RowsNotReconciled(
            f"The files have {written} rows, but the lake has {expected} ({what}). Nothing was published."
        )
    return (Reconciliation(what=what, expected=expected, written=written),)
