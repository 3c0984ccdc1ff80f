"""Rate limits of principals. The store counts the requests, so that all nodes share one count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import structlog

from offtake.core.policy import Rate
from offtake.core.services import Services
from offtake.errors import RateExceeded, Unavailable
from offtake.model.tenant import Principal
from offtake.store import rate_limits
from offtake.store.rate_limits import WindowCount

_log = structlog.get_logger("offtake.rate_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The state of a principal's rate limit."""

    requests: int  # maximum in each window
    left: int  # remaining in the current window
    resets_in: int  # seconds until the next window, rounded up


def count_request(principal: Principal, dialect: str, on: Services, *, operation: str = "") -> Allowance | None:
    """Count a request against the rate of the dialect, or of one operation. Return None if there is no rate.

    A window begins with its first request; a refused request does not extend it. If the count cannot be stored, as with
    a full disk, the stored one still applies, because reading an export needs no write. Raises RateExceeded with the
    time until the next window, Unavailable if the store cannot be read either.
    """
    limits = on.limits[dialect].of(principal.tenant)
    rate = limits.rates.get(operation) if operation else limits.rate
    if rate is None:
        return None
    now = on.clock()
    window = _count(principal, (dialect, operation), rate, on, now)
    resets_in = max(1, math.ceil((window.began_at + rate.period - now).total_seconds()))
    if window.number > rate.requests:
        message = (
            f"More than {rate.requests} requests in {rate.period.total_seconds():g} seconds; wait for the next window."
        )
        raise RateExceeded(message, retry_after=resets_in, allowed=rate.requests, operation=operation)
    return Allowance(requests=rate.requests, left=rate.requests - window.number, resets_in=resets_in)


def _count(principal: Principal, counted: tuple[str, str], rate: Rate, on: Services, now: datetime) -> WindowCount:
    """Count the request, or return the stored count of the current window."""
    try:
        with on.database.write() as connection:
            return rate_limits.count(connection, principal, counted, now=now, period=rate.period)
    except Unavailable:
        with on.database.read() as connection:
            stored = rate_limits.last_count(connection, principal, counted)
    _log.warning("request_not_counted", tenant=principal.tenant, principal=principal.credential)
    if stored is None or stored.began_at + rate.period <= now:
        return WindowCount(number=1, began_at=now)
    return stored
