"""What an idle worker does now and then: take back lost leases, expire artifacts, sweep files nobody names."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from offtake.core import counters
from offtake.core.admin import worker_registry
from offtake.core.attempt import outcome
from offtake.core.exports import retention
from offtake.core.services import Services

_log = structlog.get_logger("offtake.maintenance")
_RECOVER_EVERY = 1.0  # seconds
_EXPIRE_EVERY = 60.0  # seconds
_SWEEP_EVERY = 600.0  # seconds; it lists every file there is, and there should be nothing to find


class Maintenance:
    """Remembers when each chore was last done; the first time it is asked, all are due."""

    def __init__(self, on: Services) -> None:
        self._on = on
        self._recovered = float("-inf")
        self._expired = float("-inf")
        self._swept = float("-inf")

    def when_due(self) -> None:
        """Do what is due. Several workers may do it at once: every step is conditional on what it finds."""
        now = time.monotonic()
        if now - self._recovered >= _RECOVER_EVERY:
            self._recovered = now
            recovered = outcome.rescue_expired_leases(self._on)
            if recovered:
                _log.info("leases_rescued", jobs=recovered)
                self._swept = float("-inf")  # whoever lost them may have left files
        if now - self._expired >= _EXPIRE_EVERY:
            worker_registry.forget_stale(self._on)
            caught_up = outcome.fix_future_timestamps(self._on)
            if caught_up:
                _log.warning("clock_put_back", jobs=caught_up)
            done = self._counted("expiry", retention.expire)
            self._expired = float("-inf") if done >= retention.EXPIRED_AT_ONCE else now  # more may be over
        if now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            self._counted("sweep", retention.sweep)

    def _counted(self, event: str, task: Callable[[Services], retention.RemovalCounts]) -> int:
        tally = task(self._on)
        counters.swept(event, self._on, done=tally.done, failed=tally.failed)
        if tally.done or tally.failed:
            level = _log.warning if tally.failed else _log.info
            level(event, removed=tally.done, failed=tally.failed)
        return tally.done
