"""The export request: what the caller asked for, in the product's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from offtake.model.timespan import Timespan


class BusinessHours(StrEnum):
    """Which rows a filter by business hours keeps."""

    INSIDE = "inside"
    OUTSIDE = "outside"


class Selection(StrEnum):
    """Which conversations a conversation export holds (Khoros contract 3.1)."""

    OPEN_AT_END = "open_at_end"
    CLOSED = "closed"
    CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportParameters:
    """Filters and options of a report. A filter that is None is off; an id that nobody has matches nothing.

    The fields are the names a query may bind (``$agent_ids``); a report declares which ones it honours, the others
    have no effect on it.
    """

    agent_ids: tuple[str, ...] | None = None
    team_ids: tuple[str, ...] | None = None
    queue_ids: tuple[str, ...] | None = None
    inbox_ids: tuple[str, ...] | None = None
    tag_ids: tuple[str, ...] | None = None  # at least one of them
    campaign_ids: tuple[str, ...] | None = None
    agent_emails: tuple[str, ...] | None = None  # lower case
    customer_emails: tuple[str, ...] | None = None  # lower case
    viewer_email: str | None = None  # lower case; who must be allowed to see the rows; None: nobody in particular
    priorities: tuple[str, ...] | None = None
    smart_view_id: str | None = None
    business_hours: BusinessHours | None = None
    include_disabled: bool = False  # agents who may not log in any more
    selection: Selection = Selection.OPEN_AT_END
    interval_milliseconds: int = 3_600_000  # length of a bucket; more than a week: calendar months
    actions_cap: int = 500  # newest actions kept per conversation


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
    watermark: datetime | None = None  # rows of that instant and later are left out: others may still arrive
    account_zone: str = "UTC"  # the tenant's own zone, where a report depends on the account's calendar
    locale: str | None = None  # whose words and patterns the file uses, where a dialect has locales
    columns: tuple[str, ...] = ()  # names on the wire, in the order asked for; empty: those shown by default
    parameters: ReportParameters = field(default_factory=ReportParameters)
    unknown: tuple[str, ...] = ()  # what a newer release stored with it and this one cannot read; never run like that

    @property
    def effective_end(self) -> datetime:
        """Where the rows end: with the timespan, or before, where the data may not be complete yet."""
        if self.watermark is None:
            return self.timespan.end
        return max(self.timespan.start, min(self.timespan.end, self.watermark))
