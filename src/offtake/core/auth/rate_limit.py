"""Rate limits of principals. The store counts the requests, so that all nodes share one count."""

from __future__ import annotations

import math
from dataclasses import dataclass

from offtake.core.services import Services
from offtake.errors import RateExceeded
from offtake.model.tenant import Principal
from offtake.store import rate_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The state of a principal's rate limit."""

    requests: int  # maximum in each window
    left: int  # remaining in the current window
    resets_in: int  # seconds until the next window, rounded up


def count_request(principal: Principal, dialect: str, on: Services, *, operation: str = "") -> Allowance | None:
    """Count a request against the rate of the dialect, or of one operation. Return None if there is no rate.

    A window begins with its first request; a refused request does not extend it. Raises RateExceeded with the time
    until the next window.
    """
    limits = on.limits[dialect].of(principal.tenant)
    rate = limits.rates.get(operation) if operation else limits.rate
    if rate is None:
        return None
    now = on.clock()
    with on.database.write() as connection:
        window = rate_limits.count(connection, principal, (dialect, operation), now=now, period=rate.period)
    resets_in = max(1, math.ceil((window.began_at + rate.period - now).total_seconds()))
    if window.number > rate.requests:
        message = (
            f"More than {rate.requests} requests in {rate.period.total_seconds():g} seconds; wait for the next window."
        )
        raise RateExceeded(message, retry_after=resets_in, allowed=rate.requests)
    return Allowance(requests=rate.requests, left=rate.requests - window.number, resets_in=resets_in)
