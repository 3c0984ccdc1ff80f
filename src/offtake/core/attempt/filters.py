"""What a report's filters need beside their bound values: the account's calendar and the stored smart view.

Both live in the lake, so they are read in the attempt's own session, from the tenant's own files.
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

# A flag for each minute of the week from Monday on; null where the account has no business hours.
_OPENING = """
SET VARIABLE business_minutes = (
    SELECT
        CASE
            WHEN EXISTS (SELECT 1 FROM business_hours AS any_day WHERE any_day.tenant = $tenant)
                THEN list(is_open ORDER BY minute)
        END
    FROM (
        SELECT
            minute,
            EXISTS (
                SELECT 1 FROM business_hours AS day
                WHERE day.tenant = $tenant AND CAST(day.weekday AS INTEGER) - 1 = minute // 1440
                AND minute % 1440 >= 60 * CAST(day.opens[1:2] AS INTEGER) + CAST(day.opens[4:5] AS INTEGER)
                AND minute % 1440 < 60 * CAST(day.closes[1:2] AS INTEGER) + CAST(day.closes[4:5] AS INTEGER)
            ) AS is_open
        FROM range(10080) AS week (minute)
    )
)
"""
_HOLIDAYS = "SET VARIABLE holidays = (SELECT list(CAST(day AS DATE)) FROM holiday WHERE holiday.tenant = $tenant)"


def tables(report: Report) -> Sequence[TableUse]:
    """The lake tables that the report's filters read, beyond those of its query."""
    wanted: dict[str, Prune] = {}
    if "business_hours" in report.parameters:
        wanted |= dict.fromkeys(_CALENDAR, Prune.ALL)
    if "smart_view_id" in report.parameters:
        wanted |= dict.fromkeys(_SMART_VIEW, Prune.UNTIL) | {"smart_view": Prune.ALL}
    own = {use.table for use in report.tables}
    return [TableUse(table=name, prune=prune) for name, prune in wanted.items() if name not in own]


def prepare(session: Session, report: Report, request: ExportRequest, *, tenant: str) -> ExportRequest:
    """Give the session what the report's query may name; the request, with what a smart view overrides in it."""
    session.define(MACROS)
    if "business_hours" in report.parameters:
        session.define("SET VARIABLE business_zone = $zone", {"zone": request.account_zone})
        session.define(_OPENING, {"tenant": tenant})
        session.define(_HOLIDAYS, {"tenant": tenant})
    if "smart_view_id" in report.parameters:
        own = " AND in_partition(conversation_id)" if report.partition_by == "conversation_id" else ""
        return _with_smart_view(session, request, tenant=tenant, own=own)
    return request


def _with_smart_view(session: Session, request: ExportRequest, *, tenant: str, own: str) -> ExportRequest:
    """Make the relation ``in_smart_view``; an unknown smart view shows nothing. ``own`` keeps it to one part."""
    found = session.rows(
        Query(
            sql="SELECT expression, business_hours FROM smart_view WHERE tenant = $tenant AND smart_view_id = $id",
            values=MappingProxyType({"tenant": tenant, "id": request.parameters.smart_view_id}),
            columns=("expression", "business_hours"),
        )
    )
    shown, values = filter_condition(parse(found[0]["expression"])) if found else ("false", [])
    session.define("SET VARIABLE smart_view_tenant = $tenant", {"tenant": tenant})
    session.define("SET VARIABLE smart_view_end = $end", {"end": request.effective_end})
    session.define("SET VARIABLE smart_view_values = $values", {"values": values})
    session.define(
        "CREATE TEMP VIEW in_smart_view AS SELECT conversation_id FROM conversation "  # noqa: S608 - see predicate
        f"WHERE tenant = getvariable('smart_view_tenant') AND ({shown}){own}"
    )
    if not found or found[0]["business_hours"] is None:
        return request
    own = BusinessHours(found[0]["business_hours"])
    return replace(request, parameters=replace(request.parameters, business_hours=own))
