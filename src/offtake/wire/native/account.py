"""What the caller may export, and what the account uses of it."""

from __future__ import annotations

from fastapi import APIRouter

from offtake.core.exports.budget import account_usage, kept_bytes
from offtake.wire.native.documents import LimitsDocument, RateDocument, UsageDocument
from offtake.wire.native.responses import problems
from offtake.wire.native.route import NativeRoute, Reader
from offtake.wire.native.tables import API, FORMATS, LARGEST_BODY, NAME

routes = APIRouter(
    prefix=API, tags=["account"], route_class=NativeRoute, generate_unique_id_function=lambda route: route.name
)


@routes.get("/limits", summary="Read the limits.", responses=problems())
def read_limits(call: Reader) -> LimitsDocument:
    """Return what the caller may export and keep."""
    tenant = call.by.principal.tenant
    limits, budget = call.on.limits[NAME].of(tenant), call.on.budgets.of(tenant)
    return LimitsDocument(
        open_exports=limits.open_jobs,
        longest_days=None if limits.longest_timespan is None else limits.longest_timespan.days,
        rows=limits.rows,
        retention_days=call.settings.retention_days,
        longest_retention_days=call.settings.longest_retention_days,
        holds=call.settings.holds,
        link_seconds=call.settings.link_seconds,
        body_bytes=LARGEST_BODY,
        kept_bytes=kept_bytes(budget, call.on),
        kept_files=budget.kept_files,
        kept_rows=budget.kept_rows,
        daily_bytes=budget.daily_bytes,
        rates={
            name: RateDocument(requests=rate.requests, seconds=int(rate.period.total_seconds()))
            for name, rate in limits.rates.items()
        },
        formats=list(FORMATS),
    )


@routes.get("/usage", summary="Read the usage.", responses=problems())
def read_usage(call: Reader) -> UsageDocument:
    """Return what the account uses of its limits, over all dialects; a restricted caller's own exports only."""
    used = account_usage(call.by, NAME, call.on)
    return UsageDocument(
        open_exports=used.open_exports,
        kept_files=used.usage.files,
        kept_bytes=used.usage.bytes,
        kept_rows=used.usage.rows,
        daily_bytes=used.daily_bytes,
        next_expiry=used.next_expiry,
    )
