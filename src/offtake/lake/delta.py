"""The lake on disk: one Delta table per table of the model, in a local folder.

Owns how a table is opened, created and locked, and turns the storage library's errors into ours. Which rows go in is
``upsert.py``'s business, which files a report sees is ``snapshot.py``'s.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable, Field, Schema, WriterProperties
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, PrimitiveType

from offtake.errors import StorageUnavailable
from offtake.lake.tables import Table
from offtake.model.report import ColumnType

# Other engines may switch these on. File lists alone do not honour them, so reading on would show deleted rows or
# miss renamed columns.
_UNREADABLE = frozenset({"deletionVectors", "columnMapping"})

_STRING = PrimitiveType("string")
_DELTA_TYPES: Mapping[ColumnType, PrimitiveType | ArrayType] = MappingProxyType(
    {
        ColumnType.TEXT: _STRING,
        ColumnType.ID: _STRING,
        ColumnType.INTEGER: PrimitiveType("long"),
        ColumnType.DECIMAL: PrimitiveType("double"),
        ColumnType.BOOLEAN: PrimitiveType("boolean"),
        ColumnType.INSTANT: PrimitiveType("timestamp"),
        ColumnType.SECONDS: PrimitiveType("long"),
        ColumnType.MILLISECONDS: PrimitiveType("long"),
        ColumnType.LIST: ArrayType(_STRING, contains_null=True),
    }
)


# Small row groups: rows are sorted by event time, and a reader skips the groups its timespan does not touch.
WRITER = WriterProperties(max_row_group_size=122_880, compression="SNAPPY")


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file of one tenant; ``month`` is None in dimension tables.

    ``rows`` is what the table's log says, 0 where another engine wrote the file and left it out.
    """

    path: str
    month: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lake:
    """The folder ``root``; the table ``call`` is ``root/call``."""

    root: Path

    def path(self, table: Table) -> Path:
        """Absolute folder of a table."""
        return self.root.absolute() / table.name

    def check(self, table: Table) -> None:
        """Raise StorageUnavailable unless the folder can be read, and that table opened where it exists."""
        with storage_faults(table):
            next(self.root.iterdir(), None)
        self.open(table)

    def open(self, table: Table) -> DeltaTable | None:
        """The newest version of a table, or None before its first load. Raises StorageUnavailable."""
        with storage_faults(table):
            try:
                delta = DeltaTable(self.path(table))
            except TableNotFoundError:
                return None
            _refuse_unreadable(delta, table)
            return delta

    def create(self, table: Table) -> DeltaTable:
        """The newest version of a table, made empty if it does not exist. Call it while holding the writer's lock."""
        found = self.open(table)
        if found is not None:
            return found
        with storage_faults(table):
            self.path(table).mkdir(parents=True, exist_ok=True)
            return DeltaTable.create(
                self.path(table),
                schema=_schema(table),
                mode="error",
                partition_by=list(table.partition_by),
                name=table.name,
                description=table.meaning,
            )

    def files(self, delta: DeltaTable, table: Table, tenant: str) -> tuple[LakeFile, ...]:
        """The files of one tenant in that version, by month, then in the order they were written."""
        with storage_faults(table):
            actions = delta.get_add_actions(flatten=True)
            names = ["partition.tenant", "path", "modification_time", "num_records", "partition.month"]
            columns = [actions.column(name).to_pylist() for name in names[: 3 + len(table.partition_by)]]
        own = [row for row in zip(*columns, strict=True) if row[0] == tenant]
        own.sort(key=lambda row: (*row[4:], row[2], row[1]))
        folder = self.path(table)
        return tuple(
            LakeFile(path=str(folder / unquote(row[1])), month=row[4] if row[4:] else None, rows=row[3] or 0)
            for row in own
        )

    @contextmanager
    def writing(self, table: Table) -> Iterator[None]:
        """Hold the table's only writer's lock, across processes; the kernel frees it when the holder dies.

        Appends alone would not need it. An upsert does: it looks for existing keys and then writes, and two of them
        that looked at the same version would both insert the same key.
        """
        with storage_faults(table):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = (self.root / f"{table.name}.lock").open("a")
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@contextmanager
def storage_faults(table: Table) -> Iterator[None]:
    """The one place where errors of the storage become ours; the cause stays attached."""
    try:
        yield
    except (DeltaError, OSError, duckdb.IOException) as error:
        raise StorageUnavailable(f"The lake table {table.name} cannot be read or written.") from error


def _schema(table: Table) -> Schema:
    """Every column may be null: a column added to the model later is null in all older rows."""
    fields = [Field(column.name, _DELTA_TYPES[column.type]) for column in table.columns]
    return Schema([*fields, *(Field(name, _STRING) for name in table.partition_by)])


def _refuse_unreadable(delta: DeltaTable, table: Table) -> None:
    features = _UNREADABLE.intersection(delta.protocol().reader_features or ())
    if features:
        raise StorageUnavailable(f"The lake table {table.name} uses {', '.join(sorted(features))}, unknown here.")
