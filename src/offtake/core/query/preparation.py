"""Preparation of a session for the query of a report."""

from __future__ import annotations

from offtake.core.query import filters, intermediate, server_audit
from offtake.engine.duckdb import Session
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.store.database import Database


def prepare(session: Session, report: Report, request: ExportRequest, database: Database) -> ExportRequest:
    """Define the macros, filters and tables that the report's query reads, from the lake and the state database.

    Return the request, as its smart view overrides it.
    """
    request = filters.prepare(session, report, request)
    if report.server_audit:
        server_audit.expose(session, database, request)
    intermediate.create_tables(session, report, request)
    return request
