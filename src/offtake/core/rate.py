"""How many requests a principal may send in a time: counted in the store, because several nodes may answer them."""

from __future__ import annotations

import math

from offtake.core.services import Services
from offtake.errors import RateExceeded
from offtake.model.tenant import Principal
from offtake.store import rates


def admit(principal: Principal, dialect: str, on: Services) -> None:
    """Count a request against the dialect's rate.

    The window begins with the first request in it. Raises RateExceeded, which knows when the window ends; a refused
    request does not make it longer.
    """
    rate = on.limits[dialect].of(principal.tenant).rate
    if rate is None:
        return
    now = on.clock()
    with on.database.write() as connection:
        counted = rates.count(connection, principal, dialect, now=now, period=rate.period)
    if counted.number > rate.requests:
        left = (counted.began_at + rate.period - now).total_seconds()
        message = f"More than {rate.requests} requests in {rate.period.total_seconds():g} seconds; go slower."
        raise RateExceeded(message, retry_after=max(1, math.ceil(left)))
