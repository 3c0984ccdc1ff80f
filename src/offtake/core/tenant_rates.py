"""Rate limits of tenants. Each server counts for itself, in memory: storing a count would cost more than a status poll.

``core/auth/rate_limit.py`` limits principals, for dialects whose limits all servers share.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime

from offtake.core.policy import Rate
from offtake.errors import Throttled

REASON = "tenant_rate"


@dataclass(slots=True)
class _Window:
    began_at: datetime
    requests: int = 0


class TenantRates:
    """Counts requests by tenant and dialect, in windows that begin with their first request. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}

    def count(self, tenant: str, dialect: str, rate: Rate | None, *, now: datetime) -> None:
        """Count a request. Raises Throttled with the time until the next window; None as a rate is no limit."""
        if rate is None:
            return
        with self._lock:
            window = self._windows.get((tenant, dialect))
            if window is None or not window.began_at <= now < window.began_at + rate.period:
                window = self._windows[tenant, dialect] = _Window(now)
            if window.requests < rate.requests:
                window.requests += 1
                return
            left = window.began_at + rate.period - now
        seconds = max(1, math.ceil(left.total_seconds()))
        message = (
            f"More than {rate.requests} requests of the account in {rate.period.total_seconds():g} seconds; "
            f"retry after {seconds} seconds."
        )
        raise Throttled(message, retry_after=seconds, reason=REASON)
