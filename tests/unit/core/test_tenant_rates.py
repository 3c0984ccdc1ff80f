"""Rates of tenants: a window begins with its first request, and the time to wait is that until the next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offtake.core.policy import Rate
from offtake.core.tenant_rates import TenantRates
from offtake.errors import Throttled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATE = Rate(requests=3, period=timedelta(minutes=1))


def count(rates: TenantRates, *, after: float, tenant: str = "acme", dialect: str = "talkdesk") -> None:
    rates.count(tenant, dialect, RATE, now=NOON + timedelta(seconds=after))


def test_requests_beyond_the_rate_wait_for_the_next_window() -> None:
    rates = TenantRates()
    for second in (0, 10, 20):
        count(rates, after=second)
    for later, wait in ((20.5, 40), (59.5, 1)):
        with pytest.raises(Throttled) as refused:
            count(rates, after=later)
        assert refused.value.retry_after == wait
    count(rates, after=20, tenant="globex")
    count(rates, after=20, dialect="another")
    count(rates, after=60)


def test_a_clock_that_is_set_back_does_not_prolong_a_window() -> None:
    rates = TenantRates()
    for _ in range(3):
        count(rates, after=3600)
    count(rates, after=0)


def test_without_a_rate_there_is_no_limit() -> None:
    rates = TenantRates()
    for _ in range(10):
        rates.count("acme", "talkdesk", None, now=NOON)
