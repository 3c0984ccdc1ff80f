"""Input of a report's filters from the lake: the account's calendar and the stored smart view.

The attempt's session reads them through its views, which show only the tenant's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from offtake.catalogue.macros import MACROS
from offtake.engine.duckdb import Session
from offtake.engine.filter_sql import filter_condition
from offtake.model.expression import parse
from offtake.model.query import Query
from offtake.model.report import Prune, Report, TableUse
from offtake.model.request import BusinessHours, ExportRequest

_CALENDAR = ("business_hours", "holiday")
_SMART_VIEW = ("conversation", "conversation_tag")

# A flag for each minute of the week, from Monday 00:00 on; null if the account has no business hours.
_BUSINESS_MINUTES = """
SET VARIABLE business_minutes = (
    SELECT
        CASE
            WHEN EXISTS (SELECT 1 FROM business_hours) THEN list(is_open ORDER BY minute)
        END
    FROM (
        SELECT
            minute,
            EXISTS (
                SELECT 1 FROM business_hours AS day
                WHERE CAST(day.weekday AS INTEGER) - 1 = minute // 1440
                AND minute % 1440 >= 60 * CAST(day.opens[1:2] AS INTEGER) + CAST(day.opens[4:5] AS INTEGER)
                AND minute % 1440 < 60 * CAST(day.closes[1:2] AS INTEGER) + CAST(day.closes[4:5] AS INTEGER)
            ) AS is_open
        FROM range(10080) AS week (minute)
    )
)
"""
_HOLIDAYS = "SET VARIABLE holidays = (SELECT list(CAST(day AS DATE)) FROM holiday)"


def tables(report: Report) -> Sequence[TableUse]:
    """Return the lake tables that only the report's filters read."""
    required: dict[str, Prune] = {}
    if "business_hours" in report.parameters:
        required |= dict.fromkeys(_CALENDAR, Prune.ALL)
    if "smart_view_id" in report.parameters:
        required |= dict.fromkeys(_SMART_VIEW, Prune.UNTIL) | {"smart_view": Prune.ALL}
    of_query = {use.table for use in report.tables}
    return [TableUse(table=name, prune=prune) for name, prune in required.items() if name not in of_query]


def prepare(session: Session, report: Report, request: ExportRequest) -> ExportRequest:
    """Define the macros, variables and views of the filters. Return the request, as its smart view overrides it."""
    session.define(MACROS)
    if "business_hours" in report.parameters:
        session.define("SET VARIABLE business_zone = $zone", {"zone": request.account_zone})
        session.define(_BUSINESS_MINUTES)
        session.define(_HOLIDAYS)
    if "smart_view_id" in report.parameters:
        partition = " AND in_partition(conversation_id)" if report.partition_by == "conversation_id" else ""
        return _with_smart_view(session, request, partition=partition)
    return request


def _with_smart_view(session: Session, request: ExportRequest, *, partition: str) -> ExportRequest:
    """Create the view ``in_smart_view``, which is empty for an unknown smart view; ``partition`` restricts it."""
    rows = session.rows(
        Query(
            sql="SELECT expression, business_hours FROM smart_view WHERE smart_view_id = $id",
            values=MappingProxyType({"id": request.parameters.smart_view_id}),
            columns=("expression", "business_hours"),
        )
    )
    condition, values = filter_condition(parse(rows[0]["expression"])) if rows else ("false", [])
    session.define("SET VARIABLE smart_view_end = $end", {"end": request.effective_end})
    session.define("SET VARIABLE smart_view_values = $values", {"values": values})
    session.define(
        f"CREATE TEMP VIEW in_smart_view AS SELECT conversation_id FROM conversation WHERE ({condition}){partition}"  # noqa: S608 - see predicate
    )
    if not rows or rows[0]["business_hours"] is None:
        return request
    override = BusinessHours(rows[0]["business_hours"])
    return replace(request, parameters=replace(request.parameters, business_hours=override))
