"""Creation of a report's intermediate tables (``docs/reference/report-folder.md``)."""

from __future__ import annotations

from offtake.engine.duckdb import Session
from offtake.engine.plan import plan_intermediate
from offtake.model.report import Report, partition_markers
from offtake.model.request import ExportRequest


def create_tables(session: Session, report: Report, request: ExportRequest) -> None:
    """Create the report's intermediate tables in their order.

    If the report's query has no partition markers, it runs once, over all partitions of these tables.
    """
    for table in report.intermediate_tables:
        query = plan_intermediate(table, request)
        session.create_table(table.name, query, divided=bool(partition_markers(table.sql)))
    if report.intermediate_tables and not partition_markers(report.sql):
        session.merge_partitions()
