"""A report of the catalogue, and how a dialect publishes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """Type of a column; a dialect's rendering determines its form in the file."""

    TEXT = "text"
    ID = "id"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    SECONDS = "seconds"  # elapsed time as whole seconds
    MILLISECONDS = "milliseconds"  # elapsed time as whole milliseconds
    LIST = "list"  # list of text


class Mark(StrEnum):
    """Evidence for a vendor's column (docs/reference/contracts/README.md)."""

    DOCUMENTED = "documented"
    SEEN = "seen"
    INFERRED = "inferred"
    PROPOSED = "proposed"


class Rendering(StrEnum):
    """How one value is shown. ``engine/render.py`` has the SQL for each; ``None`` stays null unless said otherwise."""

    TEXT = "text"
    TEXT_OR_EMPTY = "text_or_empty"  # null becomes ""
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    YES_NO = "yes_no"  # Yes / No
    YES_NO_CAPITALS = "yes_no_capitals"  # YES / NO
    DAY_FRACTION = "day_fraction"  # elapsed time as a fraction of a day: 6 s is 0.0000694…
    DAYS_TO_SECONDS = "days_to_seconds"  # 0d 0h 0m 42s
    HOURS_TO_SECONDS = "hours_to_seconds"  # 26:03:04, null becomes ""
    INSTANT_Z = "instant_z"  # 2026-03-01T08:00:00Z
    INSTANT_Z_OR_EMPTY = "instant_z_or_empty"
    INSTANT_OFFSET = "instant_offset"  # 2026-03-01T09:00:00+01:00, the offset of the request's zone at that instant
    INSTANT_LOCALE = "instant_locale"  # in the request's zone and the pattern of its locale, null becomes ""
    LOCAL_SECONDS = "local_seconds"  # 2026-03-01 09:00:00 in the request's zone
    LOCAL_MILLISECONDS = "local_milliseconds"  # 2026-03-01 09:00:00.250 in the request's zone
    LOCAL_INSTANT = "local_instant"  # the wall time of the request's zone as a value, where the format has dates
    JOINED_PLUS = "joined_plus"  # a+b+c
    JOINED_PLUS_OR_EMPTY = "joined_plus_or_empty"
    JOINED_SPACED_PLUS = "joined_spaced_plus"  # a + b + c
    JOINED_COMMA = "joined_comma"  # a, b, c, null becomes ""
    LIST = "list"  # ["a","b"]: an array where the format has arrays, else its JSON text
    LIST_TEXT = "list_text"  # the JSON text of the array, in every format
    PLAIN = "plain"  # any single value as text, null becomes ""


class Prune(StrEnum):
    """Which files of a table a report reads; fact tables have one folder per month."""

    WINDOW = "window"  # months that overlap the timespan
    UNTIL = "until"  # months before the end of the timespan, for lasting facts such as an agent's state
    ALL = "all"  # all files, for dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a report. New columns are appended; the order never changes."""

    name: str
    type: ColumnType
    meaning: str
    mark: Mark
    nullable: bool = True
    personal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """A lake table that a report reads."""

    table: str
    prune: Prune


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateTable:
    """A table that is filled before the report's query runs; later intermediate tables and the query can read it."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A catalogue entry.

    ``sql`` is one SELECT that yields exactly ``columns``. It may bind ``$tenant``, ``$start``, ``$end``, ``$zone``,
    ``$account_zone``, ``$as_of`` and its ``parameters``.
    """

    name: str
    title: str
    grain: str
    window: str | None  # the column that the timespan selects by; None: the timespan bounds what is counted
    key: tuple[str, ...]
    tables: tuple[TableUse, ...]
    columns: tuple[Column, ...]
    sql: str
    server_audit: bool = False  # whether the query reads the relation ``server_audit`` (``model.audit``)
    partition_by: str | None = (
        None  # a column by which ``in_partition`` may divide the query: its values are independent
    )
    intermediate_tables: tuple[IntermediateTable, ...] = ()  # in the order of their creation
    parameters: tuple[str, ...] = ()  # the fields of ``model.request.ReportParameters`` that the report uses


_IN_PARTITION = re.compile(r"\bin_partition\((?:\w+\.)?(?P<column>\w*)[^)]*\)")
_COMMENT = re.compile(r"--.*")


def partition_markers(sql: str) -> list[tuple[str, str]]:
    """Return each ``in_partition(…)`` of a query with its column. A query without any runs once for all partitions."""
    return [(match[0], match["column"]) for match in _IN_PARTITION.finditer(_COMMENT.sub("", sql))]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedColumn:
    """One column in a dialect's publication of a report."""

    name: str  # the key on the wire, spelled as in the contract
    source: str  # column of the report
    rendering: Rendering
    mark: Mark
    label: str | None = None  # the header, if it differs from the dialect's rule
    legacy: bool = False  # the vendor's newest version lacks it; a setting excludes it
    hidden: bool = False  # included only if the request names it
    formats: tuple[str, ...] = ()  # included in these formats only; empty: in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A report as a dialect publishes it: slug, title and columns."""

    dialect: str
    report: str
    slug: str
    title: str
    aliases: tuple[str, ...]
    columns: tuple[PublishedColumn, ...]
    order: tuple[str, ...] = ()  # columns of the report by which the rows are sorted; empty: unsorted
