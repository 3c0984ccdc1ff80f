"""The export request, independent of a dialect: report, timespan, format, filters and options."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from offtake.model.column_filter import ColumnFilter
from offtake.model.format_options import Compression, CsvOptions
from offtake.model.timespan import Timespan


class BusinessHours(StrEnum):
    """Which rows the filter by business hours keeps."""

    INSIDE = "inside"
    OUTSIDE = "outside"


class Selection(StrEnum):
    """Which conversations a conversation export contains (Khoros contract 3.1)."""

    OPEN_AT_END = "open_at_end"
    CLOSED = "closed"
    CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportParameters:
    """Filters and options of a report. A filter that is None does not restrict; an unknown id matches no rows.

    A query binds the fields by their names (``$agent_ids``). A report declares which fields it uses; the others have
    no effect on it.
    """

    agent_ids: tuple[str, ...] | None = None
    team_ids: tuple[str, ...] | None = None
    queue_ids: tuple[str, ...] | None = None
    inbox_ids: tuple[str, ...] | None = None
    tag_ids: tuple[str, ...] | None = None  # rows with at least one of these tags
    campaign_ids: tuple[str, ...] | None = None
    agent_emails: tuple[str, ...] | None = None  # lower case
    customer_emails: tuple[str, ...] | None = None  # lower case
    viewer_email: str | None = None  # lower case; only rows that this person may see; None: all rows
    inboxes_without_members: bool = False  # whether that person, if an active agent, sees inboxes without members
    priorities: tuple[str, ...] | None = None
    smart_view_id: str | None = None
    business_hours: BusinessHours | None = None
    include_disabled: bool = False  # include agents whose login is disabled
    selection: Selection = Selection.OPEN_AT_END
    interval_milliseconds: int = 3_600_000  # bucket length; above one week: calendar months
    actions_cap: int = 500  # newest actions kept per conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How an export is divided into files. Exactly one of the limits is set; a file has at least one row."""

    rows: int | None = None  # of every file but the last
    bytes: int | None = None  # most bytes of a file, unless a single row is larger


_NO_PARAMETERS = ReportParameters()


def changed_parameters(parameters: ReportParameters) -> dict[str, Any]:
    """Return the parameters that differ from the defaults, by name."""
    values, default = asdict(parameters), asdict(_NO_PARAMETERS)
    return {name: value for name, value in values.items() if value != default[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A validated request. It contains all input of an attempt, so every attempt produces the same rows."""

    dialect: str  # determines the columns and renderings of the file
    report: str  # catalogue name
    format: str  # name of a format (``formats.FORMATS``)
    timespan: Timespan
    name: str  # the caller's label for the job
    row_limit: int | None = None  # a result with more rows fails the job; files are never truncated
    as_of: datetime | None = None  # creation of the export; later data is ignored; None: the timespan's end
    watermark: datetime | None = None  # rows from this instant on are excluded: the data may be incomplete
    account_zone: str = "UTC"  # the tenant's zone, for reports that use the account's calendar
    locale: str | None = None  # determines texts and patterns, in a dialect with locales
    columns: tuple[str, ...] = ()  # names on the wire, in the requested order; empty: the default columns
    filters: tuple[ColumnFilter, ...] = ()  # on columns of the report; a row fulfils all of them
    # Columns of the report by which the rows are sorted; a leading "-": descending. Empty: as the dialect publishes it.
    order: tuple[str, ...] = ()
    guard_formulas: bool | None = None  # of csv cells; None: the dialect's setting decides
    compression: Compression | None = None  # of the file; None: the default of its format
    format_options: CsvOptions | None = None  # None: the dialect, or else the format, decides
    parameters: ReportParameters = field(default_factory=ReportParameters)
    split: Split | None = None  # None: one file
    unknown: tuple[str, ...] = ()  # fields of a newer release that this one cannot read; such a job is not run

    def guards_formulas(self, *, default: bool) -> bool:
        """Return whether csv cells that a spreadsheet would run as formulas get an apostrophe.

        Other formats need none: a spreadsheet reads their cells as text. ``default`` is the dialect's setting.
        """
        return self.format == "csv" and (default if self.guard_formulas is None else self.guard_formulas)

    @property
    def effective_end(self) -> datetime:
        """End of the exported rows: the timespan's end, or the watermark if that is earlier.

        Every query and intermediate table binds it as ``$end``, and pruning by month reads no fact file after it. A
        report that needs later rows, such as the newest action of a conversation, reads them with ``prune = "all"``.
        """
        if self.watermark is None:
            return self.timespan.end
        return max(self.timespan.start, min(self.timespan.end, self.watermark))
