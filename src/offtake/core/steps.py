"""The rows that a report makes before its own, and keeps (``docs/reference/report-folder.md``)."""

from __future__ import annotations

from offtake.engine.duckdb import Session
from offtake.engine.plan import plan_step
from offtake.model.report import Report, divisions
from offtake.model.request import ExportRequest


def make(session: Session, report: Report, request: ExportRequest) -> None:
    """Make the report's steps in their order. A query that is not divided itself is then run once, over all of them."""
    for step in report.steps:
        query = plan_step(step, request)
        session.keep(step.name, query, divided=bool(divisions(step.sql)))
    if report.steps and not divisions(report.sql):
        session.join_parts()
