"""A report of the catalogue, and how a dialect publishes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering


class Mark(StrEnum):
    """How sure we are that the vendor has it (docs/reference/contracts/README.md)."""

    DOCUMENTED = "documented"
    SEEN = "seen"
    INFERRED = "inferred"
    PROPOSED = "proposed"


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
    """A catalogue entry. ``sql`` is one SELECT with the bound values ``$start``, ``$end`` and, where it needs them,
    ``$zone``, ``$account_zone`` and ``$as_of``; it yields exactly ``columns``. The views hold it to a tenant."""

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
