"""The rows that a report makes before its own, and keeps (``docs/reference/report-folder.md``)."""

from __future__ import annotations

from offtake.engine.duckdb import Session
from offtake.engine.plan import plan_intermediate
from offtake.model.report import Report, partition_markers
from offtake.model.request import ExportRequest


def create_tables(session: Session, report: Report, request: ExportRequest, *, tenant: str) -> None:
    """Make the report's steps in their order. A query that is not divided itself is then run once, over all of them."""
    for table in report.intermediate_tables:
        query = plan_intermediate(table, request, tenant=tenant)
        session.create_table(table.name, query, divided=bool(partition_markers(table.sql)))
    if report.intermediate_tables and not partition_markers(report.sql):
        session.merge_partitions()
