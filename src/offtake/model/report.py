"""A report of the catalogue, and how a dialect publishes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """What a column holds; a dialect's rendering decides what it looks like."""

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
    """How sure we are that the vendor has it (docs/reference/contracts/README.md)."""

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
    """Which monthly files of a fact table a report reads."""

    WINDOW = "window"  # event times lie inside the timespan
    UNTIL = "until"  # event times lie before its end (facts that last, such as an agent's state)
    ALL = "all"  # dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a report, in order; the order is append-only."""

    name: str
    type: ColumnType
    meaning: str
    mark: Mark
    nullable: bool = True
    personal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """A lake table a report reads."""

    table: str
    prune: Prune


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateTable:
    """Rows made before a report's own, and kept for the steps and the query that come after as the table ``name``."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A catalogue entry. ``sql`` is one SELECT with the bound values ``$tenant``, ``$start``, ``$end`` and, where it
    needs them, ``$zone``, ``$account_zone`` and ``$as_of``; it yields exactly ``columns``."""

    name: str
    title: str
    grain: str
    window: str | None  # the column the timespan applies to; None: it selects no rows, it bounds what is counted
    key: tuple[str, ...]
    tables: tuple[TableUse, ...]
    columns: tuple[Column, ...]
    sql: str
    server_audit: bool = False  # whether the query reads the relation ``server_audit`` (``model.audit``)
    partition_by: str | None = (
        None  # the rows of one of its values need nothing of another's: ``in_partition`` may divide by it
    )
    intermediate_tables: tuple[IntermediateTable, ...] = ()  # in the order in which they are made
    parameters: tuple[str, ...] = ()  # which fields of ``model.request.Parameters`` the report honours


_IN_PARTITION = re.compile(r"\bin_partition\((?:\w+\.)?(?P<column>\w*)[^)]*\)")
_COMMENT = re.compile(r"--.*")


def partition_markers(sql: str) -> list[tuple[str, str]]:
    """Each ``in_partition(…)`` of a query with the column it names. A query without any runs once, whatever the number
    of partitions."""
    return [(found[0], found["column"]) for found in _IN_PARTITION.finditer(_COMMENT.sub("", sql))]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedColumn:
    """One column as a dialect shows it."""

    name: str  # key on the wire, exactly as the contract spells it
    source: str  # column of the report
    rendering: Rendering
    mark: Mark
    label: str | None = None  # header text where the dialect's own rule does not give it
    legacy: bool = False  # gone from the vendor's newest shape; a setting leaves it out
    hidden: bool = False  # shown only when a request names it
    formats: tuple[str, ...] = ()  # shown in these formats only; empty: in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A report in one dialect's words."""

    dialect: str
    report: str
    slug: str
    title: str
    aliases: tuple[str, ...]
    columns: tuple[PublishedColumn, ...]
    order: tuple[str, ...] = ()  # columns of the report that the file's rows are sorted by; empty: in no order
