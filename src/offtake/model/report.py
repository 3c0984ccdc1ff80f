"""A report of the catalogue, and how a dialect publishes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering
from offtake.model.view import BUCKET, TableView


class Mark(StrEnum):
    """Evidence for a vendor's column (docs/reference/contracts/README.md)."""

    DOCUMENTED = "documented"
    SEEN = "seen"
    INFERRED = "inferred"
    PROPOSED = "proposed"


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
    decimals: int | None = None  # places to which a decimal is rounded
    is_double: bool = False  # a decimal that the query returns as DOUBLE, whose sums carry binary noise
    varies: bool = False  # the value depends on the bounds of the timespan, not only on the lake


class RowsIfEmpty(StrEnum):
    """What becomes of a report's rows when a table that it reads is empty."""

    NONE = "none"
    FEWER = "fewer"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class IfEmpty:
    """What a request without parameters loses when a table is empty, as the report's cases show it."""

    rows: RowsIfEmpty
    null: tuple[str, ...] = ()  # columns of the remaining rows that are null then
    other: tuple[str, ...] = ()  # columns of the remaining rows that have other values, such as ids for names or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """A lake table that a report reads."""

    table: str
    prune: Prune
    if_empty: IfEmpty | None = None  # None: not declared


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateTable:
    """A table that is filled before the report's query runs; later intermediate tables and the query can read it."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """A query for the number of a report's rows that has no join, which could lose or multiply rows.

    It counts the rows of every request whose other ``ReportParameters`` than those that it binds have their defaults.
    """

    what: str  # the rows that it counts
    sql: str  # one row with one whole number; with partition markers, the number of the partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A catalogue entry.

    ``sql`` is one SELECT that yields exactly ``columns``. It may bind ``$start``, ``$end``, ``$zone``,
    ``$account_zone``, ``$as_of`` and its ``parameters``. The session's views restrict it to one tenant.
    """

    name: str
    title: str
    grain: str
    window: str | None  # the column that the timespan selects by; None: the timespan bounds what is counted
    key: tuple[str, ...]
    tables: tuple[TableUse, ...]
    columns: tuple[Column, ...]
    sql: str
    consecutive: str | None = None  # what consecutive timespans have together; None: the rows of the whole, each once
    server_audit: bool = False  # whether the query reads the relation ``server_audit`` (``model.audit``)
    # A column by which ``in_partition`` may divide the query: its values are independent.
    partition_by: str | None = None
    # Whether the texts can also divide by the bucket that files store (``with_buckets``): each ``in_partition`` is of a
    # column of a table itself. Built-in reports are tested for it; the text of another one may call it in any way.
    reads_buckets: bool = False
    intermediate_tables: tuple[IntermediateTable, ...] = ()  # in the order of their creation
    parameters: tuple[str, ...] = ()  # the fields of ``model.request.ReportParameters`` that the report uses
    count: RowCount | None = None  # None: the rows of an export are not reconciled
    version: str = ""  # ``catalogue/version.py``


_IN_PARTITION = re.compile(r"(?<!MACRO )\bin_partition\((?P<relation>\w+\.)?(?P<column>\w*)[^)]*\)")
_COMMENT = re.compile(r"--.*")


def partition_markers(sql: str) -> list[tuple[str, str]]:
    """Return each ``in_partition(…)`` of a query with its column. A query without any runs once for all partitions."""
    return [(match[0], match["column"]) for match in _IN_PARTITION.finditer(_COMMENT.sub("", sql))]


def reads_buckets(report: Report, views: Sequence[TableView]) -> bool:
    """Whether a session over these views can divide the report's rows by the buckets that the files store.

    All tables that have the partition column must have buckets of it, because each of them must be divided in the same
    way.
    """
    column = report.partition_by
    divided = [view for view in views if column in dict(view.columns)]
    return report.reads_buckets and all(view.bucketed_by == column for view in divided)


def with_buckets(sql: str) -> str:
    """Return the text with each ``in_partition(…)`` of a column replaced by that of the bucket of the same relation."""
    return _IN_PARTITION.sub(lambda found: f"in_buckets({found['relation'] or ''}{BUCKET})", sql)


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
