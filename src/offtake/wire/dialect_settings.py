"""Options that every dialect has, and the limits that the core derives from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from offtake.core.policy import DialectLimits, Rate
from offtake.settings_section import SettingsSection

OpenJobs = Annotated[
    int, Field(ge=1, le=1_000_000, description="Open jobs of one tenant; further create requests are refused.")
]
LongestDays = Annotated[int, Field(ge=1, le=36_500, description="Longest timespan of one export, in days.")]
Rows = Annotated[
    int | None,
    Field(ge=1, description="Most rows of one export; an export with more rows fails."),
]
RetentionDays = Annotated[float, Field(gt=0, le=36_500, description="How long a finished file is kept, in days.")]
LinkSeconds = Annotated[
    int, Field(ge=1, le=31_556_952, description="Life of a download link, in seconds; each read makes a new link.")
]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
PerMinuteOrNone = Annotated[int, Field(ge=0, le=1_000_000)]  # 0: no limit
Gzip = Annotated[
    bool, Field(description="Send csv and json files with gzip to clients that accept it (Accept-Encoding).")
]
GuardFormulas = Annotated[
    bool,
    Field(
        description="Put an apostrophe before text in csv cells that a spreadsheet would run as a formula; a request "
        "can decide otherwise."
    ),
]


def per_minute(requests: int) -> Rate:
    """Return the rate of so many requests per minute."""
    return Rate(requests=requests, period=timedelta(minutes=1))


class DialectOptions(SettingsSection, ABC):
    """Options of one dialect."""

    link_seconds: LinkSeconds = 300

    @abstractmethod
    def limits(self) -> DialectLimits:
        """Return the limits of one tenant that the core enforces."""


class DialectSettings(DialectOptions):
    """Options of all dialects that create exports; each dialect has its own defaults and adds its own options."""

    open_jobs: OpenJobs = 10
    longest_days: LongestDays = 366
    rows: Rows = None
    retention_days: RetentionDays = 30.0
    gzip: Gzip = True

    def limits(self) -> DialectLimits:
        """Return the limits of one tenant that the core enforces."""
        return DialectLimits(
            open_jobs=self.open_jobs,
            longest_timespan=timedelta(days=self.longest_days),
            rows=self.rows,
            retention=timedelta(days=self.retention_days),
            link_life=timedelta(seconds=self.link_seconds),
            gzip=self.gzip,
            token_life=timedelta(0),  # only a dialect that issues tokens sets a life
        )
