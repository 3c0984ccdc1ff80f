"""When a request is sent again: the rule of all operations.

A request is repeated after a connection failed and after a status of ``REPEATED``. The pause is the one that the server
states (``Retry-After``, or the reset of an exhausted ``RateLimit``); otherwise it doubles from a tenth of a second up
to ``LONGEST_PAUSE``, with jitter. When the failures last longer than the patience, the last one is raised; a stated
pause that is longer than the remaining patience is not waited for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

REPEATED = frozenset({408, 429, 502, 503, 504})
LONGEST_PAUSE = 30.0  # seconds
_FIRST_PAUSE = 0.1
_RATE_LIMIT = re.compile(r"\br=0\b.*?\bt=(\d{1,9})")


def stated_pause(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that the response asks the client to wait; None if it does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    if text:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, (moment - (now or datetime.now(timezone.utc))).total_seconds())
    exhausted = _RATE_LIMIT.search(headers.get("ratelimit", ""))
    return float(exhausted[1]) if exhausted else None


@dataclass
class Patience:
    """How long failures in a row are tolerated, in seconds."""

    seconds: float
    clock: Callable[[], float]
    random: Callable[[], float] = field(default=random.random)
    _since: float | None = None
    _failures: int = 0

    def renew(self) -> None:
        """Begin again, after a success."""
        self._since, self._failures = None, 0

    def pause(self, stated: float | None = None) -> float | None:
        """Return the seconds to wait after one more failure; None if the patience is exhausted."""
        now = self.clock()
        if self._since is None:
            self._since = now
        left = self._since + self.seconds - now
        pause = stated if stated is not None else self._growing_pause()
        self._failures += 1
        return pause if pause < left else None

    def _growing_pause(self) -> float:
        longest = min(LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** min(self._failures, 16)))
        return longest * (0.5 + self.random() / 2)
