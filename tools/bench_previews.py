"""Previews of calls: any timespan, with and without a filter, sorted or not. They run in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from bench_home import TENANT, BenchHome
from bench_result import Measurement
from offtake.app import build_services
from offtake.core.auth.caller import Caller
from offtake.core.exports.preview import preview
from offtake.home import Home
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.request import ExportRequest
from offtake.model.tenant import Principal, Scope
from offtake.model.timespan import Timespan
from offtake.settings import load_settings

_PREVIEWS = 40
_FILTERS = (
    (),
    (ColumnFilter(column="kind", operator=FilterOperator.EQ, values=("abandoned",)),),
    (ColumnFilter(column="talk_seconds", operator=FilterOperator.RANGE, values=(60, None)),),
)
# Every other preview is sorted; those by another column than the instant of the timespan read all of it.
_ORDERS = ((), ("ended_at",), (), ("-talk_seconds",), (), ("customer_number",), (), ("kind",))


def measure(home: BenchHome, *, calls: int) -> Measurement:
    """Time of a preview, one after the other."""
    on = build_services(Home(home.path), load_settings(Home(home.path).settings))
    by = Caller(principal=Principal(tenant=TENANT, credential="bench", scopes=frozenset(Scope)))
    times, rows = [], 0
    try:
        for request in _requests(home):
            begun = time.perf_counter()
            rows += len(preview(request, by, on).rows)
            times.append(time.perf_counter() - begun)
    finally:
        on.database.close()
    times.sort()
    p95 = times[int(len(times) * 0.95)]
    return Measurement(
        name=f"preview, {calls:,} calls",
        measured=f"p50 {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s, {rows / len(times):.0f} rows each",
        value=p95,
        unit=" s",
        budget=1,
    )


def _requests(home: BenchHome) -> Iterator[ExportRequest]:
    chance = Random(7)
    for number in range(_PREVIEWS):
        start = home.start + timedelta(hours=chance.randrange(24 * 20))
        yield ExportRequest(
            dialect="native",
            report="calls",
            format="json",
            timespan=Timespan(start=start, end=start + timedelta(days=chance.choice([1, 7, 11])), zone="UTC"),
            name="bench",
            filters=_FILTERS[number % len(_FILTERS)],
            order=_ORDERS[number % len(_ORDERS)],
        )
