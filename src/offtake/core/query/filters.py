"""Input of a report's filters from the lake: the account's calendar and the stored smart view.

The attempt's session reads them through its views, which show only the tenant's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from offtake.catalogue.macros import MACROS
from offtake.engine.duckdb import Session
from offtake.engine.filter_sql import filter_condition, smart_view_relation
from offtake.lake.queries import read_query
from offtake.model.expression import parse
from offtake.model.query import Query
from offtake.model.report import Prune, Report, TableUse
from offtake.model.request import BusinessHours, ExportRequest

_CALENDAR = ("business_hours", "holiday")
_SMART_VIEW = ("conversation", "conversation_tag", "smart_view")


def tables(report: Report) -> Sequence[TableUse]:
    """Return the lake tables that only the report's filters read."""
    required: dict[str, Prune] = {}
    if "business_hours" in report.parameters:
        required |= dict.fromkeys(_CALENDAR, Prune.ALL)
    if "smart_view_id" in report.parameters:
        required |= dict.fromkeys(_SMART_VIEW, Prune.ALL)
    of_query = {use.table for use in report.tables}
    return [TableUse(table=name, prune=prune) for name, prune in required.items() if name not in of_query]


def prepare(session: Session, report: Report, request: ExportRequest) -> ExportRequest:
    """Define the macros, variables and views of the filters. Return the request, as its smart view overrides it."""
    session.define(MACROS)
    if "business_hours" in report.parameters:
        session.set_variable("business_zone", request.account_zone)
        session.select_variable("business_minutes", read_query("business_minutes"))
        session.select_variable("holidays", read_query("holidays"))
    if "smart_view_id" in report.parameters:
        return _with_smart_view(session, request, is_partitioned=report.partition_by == "conversation_id")
    return request


def _with_smart_view(session: Session, request: ExportRequest, *, is_partitioned: bool) -> ExportRequest:
    """Create the view ``in_smart_view``, which is empty for an unknown smart view."""
    rows = session.rows(
        Query(
            sql=read_query("smart_view"),
            values=MappingProxyType({"id": request.parameters.smart_view_id}),
            columns=("expression", "business_hours"),
        )
    )
    condition, values = filter_condition(parse(rows[0]["expression"])) if rows else ("false", [])
    session.set_variable("smart_view_values", values)
    session.define(smart_view_relation(condition, is_partitioned=is_partitioned))
    if not rows or rows[0]["business_hours"] is None:
        return request
    override = BusinessHours(rows[0]["business_hours"])
    return replace(request, parameters=replace(request.parameters, business_hours=override))
