"""The bodies that clients send. Unknown fields are refused; ``requests.py`` checks what needs the report."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from offtake.model.column_filter import MOST_FILTERS, MOST_VALUES, FilterOperator
from offtake.model.format_options import Compression, CsvOptions
from offtake.model.request import BusinessHours, Selection
from offtake.wire.native.timespans import BOUND, LAST, PREVIOUS

_LONGEST_TEXT = 1000
_MANY_COLUMNS = 1000
_MANY_VALUES = 10_000


def _as_whole(value: object) -> object:
    """Return a whole number without its fraction: in JSON, 5.0 is 5. Any other value is left to the strict type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_digits(text: object) -> object:
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise ValueError("This is no whole number")
    return text


_DIGITS = re.compile(r"-?[0-9]{1,18}")
DIGITS = BeforeValidator(_as_digits)  # of whole numbers in paths and queries, as 10: not 1_0, +10 or 10.0
# Of whole numbers, besides ``strict``: texts, booleans and fractions are refused, not converted.
_AS_WHOLE = BeforeValidator(_as_whole)
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT)]
Values = Annotated[list[Name], Field(max_length=_MANY_VALUES)]
Scalar = Annotated[str, Field(max_length=_LONGEST_TEXT)] | bool | int | float
Bound = Annotated[str, Field(pattern=f"^{BOUND}$", max_length=40)]
_PERIOD = f"^({LAST}|{'|'.join(PREVIOUS)})$"
_DURATION = r"^[1-9][0-9]{0,4}(s|m|h|d)$"
FormatWord = Literal["parquet", "arrow", "csv", "ndjson", "json", "xlsx"]
Duration = Annotated[str, Field(pattern=_DURATION)]  # as 30m: seconds, minutes, hours, days
# What a value must be that does not match a pattern.
FORMS = {
    f"^{BOUND}$": "an instant such as 2026-11-01T00:00:00Z, a local time such as 2026-11-01T00:00:00, or a date",
    _PERIOD: f"a number of whole hours, days, weeks or months such as 24h, 7d, 4w or 3mo, or {', '.join(PREVIOUS)}",
    _DURATION: "a number of seconds, minutes, hours or days such as 90s, 30m, 12h or 7d",
}
_Interval = Annotated[int, Field(strict=True, ge=60_000, le=31_622_400_000), _AS_WHOLE]
_ActionsCap = Annotated[int, Field(strict=True, ge=1, le=100_000), _AS_WHOLE]
_PreviewRows = Annotated[int, Field(strict=True, ge=1, le=100), _AS_WHOLE]
_SplitRows = Annotated[int, Field(strict=True, ge=1_000, le=2**53), _AS_WHOLE]
_SplitBytes = Annotated[int, Field(strict=True, ge=1_000_000, le=2**53), _AS_WHOLE]
_Days = Annotated[int, Field(strict=True, ge=1, le=36_500), _AS_WHOLE]


class Body(BaseModel):
    """A body of which every field is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ExportTimespan(Body):
    """Which rows: from ``start`` until before ``end``, or the last whole period of the zone."""

    start: Annotated[
        Bound | None,
        Field(
            description="First instant, as 2026-11-01T00:00:00Z; without an offset, local time in the zone; a date is "
            "its midnight. A local time that occurs twice, because clocks were set back, is the first one; one that "
            "does not occur, because they were set forward, has the offset before the change."
        ),
    ] = None
    end: Annotated[Bound | None, Field(description="The instant after the last one, in the same form.")] = None
    last: Annotated[
        str | None,
        Field(
            pattern=_PERIOD,
            description="Instead of start and end: the last n whole hours, days, weeks or months of the zone (24h, 7d, "
            "4w, 3mo), or the calendar period before the present one (previous_day, previous_week, previous_month, "
            "previous_quarter, previous_year).",
        ),
    ] = None
    timezone: Annotated[
        str,
        Field(
            max_length=100,
            description="IANA name of the zone of local times and whole periods, and of rows that are counted by day.",
        ),
    ] = "UTC"


class FilterBody(Body):
    """Rows whose column has one of some values. Several filters apply together."""

    column: Annotated[Name, Field(description="A column of the report, exported or not.")]
    op: Annotated[
        FilterOperator,
        Field(
            description="eq: equals the value. in: equals one of the values. range: from the first value until before "
            "the second; null is no bound. is_null: has no value, or has one (false). For a column of lists, eq and in "
            "compare each entry."
        ),
    ]
    value: Annotated[
        Scalar | Annotated[list[Scalar | None], Field(max_length=MOST_VALUES)] | None,
        Field(description="A value, a list of values, two bounds, or true or false, as op needs it."),
    ] = None


class ParametersBody(Body):
    """Options of the report. A report refuses those that it does not have."""

    agent_ids: Values | None = None
    team_ids: Values | None = None
    queue_ids: Values | None = None
    inbox_ids: Values | None = None
    tag_ids: Annotated[Values | None, Field(description="Rows with at least one of these tags.")] = None
    campaign_ids: Values | None = None
    agent_emails: Values | None = None
    customer_emails: Values | None = None
    priorities: Values | None = None
    smart_view_id: Name | None = None
    business_hours: BusinessHours | None = None
    include_disabled: Annotated[StrictBool | None, Field(description="Include agents whose login is disabled.")] = None
    selection: Selection | None = None
    interval_milliseconds: Annotated[
        _Interval | None, Field(description="Length of the intervals; above a week: months.")
    ] = None
    actions_cap: Annotated[_ActionsCap | None, Field(description="Newest actions of a conversation.")] = None


class ReportQuery(Body):
    """What an export or a preview contains."""

    report: Annotated[Name, Field(description="Name of the report, as GET /v1/reports lists it.")]
    timespan: ExportTimespan
    columns: Annotated[
        list[Name] | None,
        Field(min_length=1, max_length=_MANY_COLUMNS, description="Columns in order; without them, all of the report."),
    ] = None
    filters: Annotated[list[FilterBody], Field(max_length=MOST_FILTERS)] = []
    order: Annotated[
        list[Name],
        Field(max_length=20, description="Columns by which the rows are sorted; -column sorts in descending order."),
    ] = []
    parameters: ParametersBody = ParametersBody()


class PreviewBody(ReportQuery):
    """A preview of an export."""

    rows: Annotated[_PreviewRows, Field(description="Most rows of the preview.")] = 100


class SplitBody(Body):
    """How an export is cut into several files: by rows exactly, or by bytes at most."""

    rows: Annotated[
        _SplitRows | None, Field(description="Each file but the last has exactly so many rows; the last has the rest.")
    ] = None
    bytes: Annotated[
        _SplitBytes | None,
        Field(
            description="Each file has at most so many bytes. This is no exact cut: files have whole rows and are "
            "usually smaller by about a tenth, and a single row that is longer has a larger file of its own."
        ),
    ] = None


class ExportBody(ReportQuery):
    """An export to create."""

    name: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Your own name for the export, for people.")
    ] = None
    format: Annotated[FormatWord, Field(description="Format of the files.")] = "csv"
    compression: Annotated[
        Compression | None,
        Field(description="Of the file; in parquet and arrow, of the data in it. Without it, that of the format."),
    ] = None
    csv: Annotated[CsvOptions | None, Field(description="Only with csv: how it is written; RFC 4180 without it.")] = (
        None
    )
    guard_formulas: Annotated[
        StrictBool | None,
        Field(
            description="Only with csv: put an apostrophe before text that a spreadsheet would run; null: the server's "
            "setting."
        ),
    ] = None
    split: Annotated[SplitBody | None, Field(description="Without it, the export has one file.")] = None
    reuse_within: Annotated[
        Duration | None,
        Field(
            description="Answer with a finished export of the same request that is not older than this (90s, 30m, 12h, "
            "7d) and was made of the same versions of the data, if there is one."
        ),
    ] = None
    dry_run: Annotated[StrictBool, Field(description="Only check and estimate the export; nothing is created.")] = False


class RetentionBody(Body):
    """How long the files of an export are kept."""

    days: Annotated[_Days | None, Field(description="Days from the end of the export; never fewer than now.")] = None
    hold: Annotated[
        StrictBool | None, Field(description="true: keep the files until you release them; false: release them.")
    ] = None


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Return a duration such as 30m, which matches the pattern of ``Duration``."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def parameter_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of the values of a parameter, without null: a parameter without a value is omitted."""
    schema = ParametersBody.model_json_schema()
    property_: dict[str, Any] = schema["properties"][name]
    alternatives = [each for each in property_.pop("anyOf", [{}]) if each.get("type") != "null"]
    resolved = [schema["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in alternatives]
    return {**property_, **resolved[0]}
