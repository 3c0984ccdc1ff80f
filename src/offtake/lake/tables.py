"""The care data model, read from ``tables.toml``.

Derived from it: validation of loads, the Delta schema, the empty view that a report reads when a tenant has no file
yet, and the reference page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from offtake.model.column_type import ColumnType
from offtake.model.view import BUCKET
from offtake.tomlfile import read_toml

# Columns of the files that reports do not see. They are null in rows that were written before the columns existed.
VERSION = "_version"  # Delta version of the commit that last changed the row
LOAD_VERSION = "_load_version"  # Delta version of the load whose values the row has; an undo restores it
# What the ids are that a column with a reference to the table has, if they are of persons or lead to their rows.
_IDENTIFIED: Mapping[str, str] = MappingProxyType(
    {"agent": "agent", "author": "author", "customer": "customer", "conversation": "conversation"}
    | {"call": "interaction"}
)
_ROW = "row"
TABLES_FILE = Path(__file__).with_name("tables.toml")
DUCKDB_TYPES: Mapping[ColumnType, str] = MappingProxyType(
    {
        ColumnType.TEXT: "VARCHAR",
        ColumnType.ID: "VARCHAR",
        ColumnType.INTEGER: "BIGINT",
        ColumnType.DECIMAL: "DOUBLE",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.INSTANT: "TIMESTAMP WITH TIME ZONE",
        ColumnType.SECONDS: "BIGINT",
        ColumnType.MILLISECONDS: "BIGINT",
        ColumnType.LIST: "VARCHAR[]",
    }
)


class TableKind(StrEnum):
    """Kind of a table: a dimension is partitioned by tenant, a fact by tenant and month of the event time (UTC)."""

    DIMENSION = "dimension"
    FACT = "fact"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column of a lake table."""

    name: str
    type: ColumnType
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: int | None = None
    personal: bool = False
    references: str | None = None
    not_before: str | None = None
    syntax: str | None = None  # "filter": a filter expression
    matches: str | None = None  # regular expression for the whole value
    example: str | None = None  # an accepted value
    identifies: tuple[str, ...] = ()  # which values of a person it has; see ``tables.toml``


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the care data model."""

    name: str
    kind: TableKind
    meaning: str
    key: tuple[str, ...]
    event_time: str | None
    group_key: str | None  # the column whose rows belong together; files store its ``BUCKET``
    columns: tuple[TableColumn, ...]
    erases_row: bool = False  # whether a row that belongs to an erased person is removed
    erased_columns: frozenset[str] = frozenset()  # what is blanked in a row that belongs to an erased person
    erased_columns_of_agent: frozenset[str] = frozenset()  # what is blanked in a row with the id of an erased agent
    leads_to: tuple[str, ...] = ()  # columns whose ids belong to the person, too

    @cached_property
    def by_name(self) -> Mapping[str, TableColumn]:
        """Columns by name, in the order of the model."""
        return MappingProxyType({column.name: column for column in self.columns})

    @property
    def not_null(self) -> frozenset[str]:
        """Names of the columns that are never null: required columns, the key and the event time."""
        required = {column.name for column in self.columns if column.required}
        return frozenset(required.union(self.key, {self.event_time} if self.event_time else set()))

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Names of the partition columns."""
        return ("tenant", "month") if self.kind is TableKind.FACT else ("tenant",)

    @property
    def stored_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and DuckDB type of every column that reports see: the model's columns, then the partition columns."""
        return self._model_columns + self._partition_columns

    @property
    def file_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and DuckDB type of every stored column: as ``stored_columns``, with the hidden columns."""
        return self._model_columns + tuple((name, "BIGINT") for name in self.hidden_columns) + self._partition_columns

    @property
    def hidden_columns(self) -> tuple[str, ...]:
        """Names of the columns of the files that reports do not see; their type is BIGINT."""
        return (VERSION, LOAD_VERSION) if self.group_key is None else (VERSION, LOAD_VERSION, BUCKET)

    @property
    def _model_columns(self) -> tuple[tuple[str, str], ...]:
        return tuple((column.name, DUCKDB_TYPES[column.type]) for column in self.columns)

    @property
    def _partition_columns(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, "VARCHAR") for name in self.partition_columns)


@lru_cache(maxsize=1)
def tables() -> Mapping[str, Table]:
    """Return every table of the model by name."""
    return MappingProxyType({name: _table(name, row) for name, row in read_toml(TABLES_FILE).data.items()})


def _table(name: str, row: dict[str, Any]) -> Table:
    erase = row.get("erase", [])
    return Table(
        name=name,
        kind=TableKind(row["kind"]),
        meaning=row["meaning"],
        key=tuple(row["key"]),
        event_time=row.get("event_time"),
        group_key=row.get("group_key"),
        columns=tuple(_column(**column) for column in row["columns"]),
        erases_row=erase == _ROW,
        erased_columns=frozenset() if erase == _ROW else frozenset(erase),
        erased_columns_of_agent=frozenset(row.get("erase_agent", [])),
        leads_to=tuple(row.get("leads_to", [])),
    )


def _column(
    *,
    type: str,  # noqa: A002 - key of the file
    values: list[str] | None = None,
    identifies: str | list[str] | None = None,
    **row: Any,
) -> TableColumn:
    marked = (identifies,) if isinstance(identifies, str) else tuple(identifies or ())
    referenced = _IDENTIFIED.get(row.get("references", ""))
    identifiers = marked if referenced is None or referenced in marked else (*marked, referenced)
    return TableColumn(type=ColumnType(type), values=tuple(values or ()), identifies=identifiers, **row)
