"""What an idle worker does now and then: take back lost leases, expire artifacts, sweep files nobody names."""

from __future__ import annotations

import time

import structlog

from offtake.core import figures, presence, retention, settlement
from offtake.core.services import Services

_log = structlog.get_logger("offtake.upkeep")
_RECOVER_EVERY = 1.0  # seconds
_SWEEP_EVERY = 60.0  # seconds


class Upkeep:
    """Remembers when each chore was last done; the first time it is asked, all are due."""

    def __init__(self, on: Services) -> None:
        self._on = on
        self._recovered = float("-inf")
        self._swept = float("-inf")

    def when_due(self) -> None:
        """Do what is due. Several workers may do it at once: every step is conditional on what it finds."""
        now = time.monotonic()
        if now - self._recovered >= _RECOVER_EVERY:
            self._recovered = now
            recovered = settlement.recover(self._on)
            if recovered:
                _log.info("leases_recovered", jobs=recovered)
        if now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            self._sweep()

    def _sweep(self) -> None:
        presence.forget(self._on)
        for event, chore in (("expiry", retention.expire), ("sweep", retention.sweep)):
            tally = chore(self._on)
            figures.swept(event, self._on, done=tally.done, failed=tally.failed)
            if tally.done or tally.failed:
                level = _log.warning if tally.failed else _log.info
                level(event, removed=tally.done, failed=tally.failed)
