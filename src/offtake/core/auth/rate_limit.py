"""How many requests a principal may send in a time: counted in the store, because several nodes may answer them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from offtake.core.services import Services
from offtake.errors import RateExceeded
from offtake.model.tenant import Principal
from offtake.store import rate_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a principal's rate."""

    requests: int  # in each window
    left: int  # in the present one
    resets_in: int  # whole seconds until the next one, rounded up


def count_request(principal: Principal, dialect: str, on: Services, *, operation: str = "") -> Allowance | None:
    """Count a request against the dialect's rate, or against that of one operation; None where there is none.

    The window begins with the first request in it. Raises RateExceeded, which knows when the window ends; a refused
    request does not make it longer.
    """
    limits = on.limits[dialect].of(principal.tenant)
    rate = limits.rates.get(operation) if operation else limits.rate
    if rate is None:
        return None
    now = on.clock()
    with on.database.write() as connection:
        counted = rate_limits.count(connection, principal, (dialect, operation), now=now, period=rate.period)
    resets_in = max(1, math.ceil((counted.began_at + rate.period - now).total_seconds()))
    if counted.number > rate.requests:
        message = f"More than {rate.requests} requests in {rate.period.total_seconds():g} seconds; go slower."
        raise RateExceeded(message, retry_after=resets_in, allowed=rate.requests)
    return Allowance(requests=rate.requests, left=rate.requests - counted.number, resets_in=resets_in)
