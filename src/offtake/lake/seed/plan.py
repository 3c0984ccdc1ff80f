"""The plan of the sample data: tenant, days, volume, seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType

SIZES: Mapping[str, int] = MappingProxyType({"small": 2_000, "medium": 200_000, "large": 2_000_000})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    """Plan for ``calls`` rows in the table call, all of them in the ``days`` that end with ``until`` (UTC).

    With ``clock_changes``, one call in 20 and other rows are near the latest clock changes, also outside these days.
    """

    tenant: str
    until: date
    calls: int
    days: int = 31
    seed: int = 7
    clock_changes: bool = False

    def __post_init__(self) -> None:
        if self.days < 1 or self.calls < 1:
            raise ValueError("sample data needs at least one day and one call")

    @property
    def start(self) -> datetime:
        """First instant of the plan's days."""
        return self.end - timedelta(days=self.days)

    @property
    def end(self) -> datetime:
        """First instant after the plan's days."""
        return datetime.combine(self.until, time(), tzinfo=UTC) + timedelta(days=1)

    @property
    def agents(self) -> int:
        """Number of agents; it grows with the number of calls."""
        return min(400, max(40, self.calls // 1_000))

    @property
    def teams(self) -> int:
        """Number of teams."""
        return max(6, self.agents // 20)

    @property
    def queues(self) -> int:
        """Number of queues."""
        return max(12, self.agents // 10)
