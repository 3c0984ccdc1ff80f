"""The export request: what the caller asked for, in the product's own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from offtake.model.timespan import Timespan


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A validated order. Everything an attempt needs is in here, so a job runs alike today and after a restart."""

    dialect: str  # whose words and renderings the file uses
    report: str  # catalogue name
    format: str  # name of a format (``formats.FORMATS``)
    timespan: Timespan
    name: str  # the caller's label for the job
    row_limit: int | None = None  # more rows fail the job; never a truncated file
    as_of: datetime | None = None  # when it was accepted: nothing later is known; None: the timespan's end
    account_zone: str = "UTC"  # the tenant's own zone, where a report depends on the account's calendar
