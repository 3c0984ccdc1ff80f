"""The lake: one Delta table per table of the model, on the ground that ``storage.py`` knows.

Owns how a table is opened, created and read, and turns the storage library's errors into ours. Which rows go in is
``upsert.py``'s business, which files a report sees is ``snapshot.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable, Field, Schema, WriterProperties
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, PrimitiveType

from offtake.errors import StorageUnavailable
from offtake.lake.cache import Wanted
from offtake.lake.storage import TableStorage
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

    ``path`` is relative to the lake, or absolute once the file was made local. ``rows`` is what the table's log says, 0
    where another engine wrote the file and left it out; ``bytes`` is always there.
    """

    path: str
    bytes: int
    month: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lake:
    """All tables, on one ground."""

    storage: TableStorage

    def check(self, table: Table) -> None:
        """Raise StorageUnavailable unless the ground answers and that table, where it exists, can be opened.

        Raises SettingsError for what does not pass by itself.
        """
        if not self.storage.check():
            raise StorageUnavailable("The lake does not answer.")
        self.open(table)

    def open(self, table: Table) -> DeltaTable | None:
        """The newest version of a table, or None before its first load. Raises StorageUnavailable."""
        with storage_faults(table):
            try:
                delta = DeltaTable(self.storage.uri(table.name), storage_options=self._options)
            except TableNotFoundError:
                return None
            _refuse_unreadable(delta, table)
            return delta

    def create(self, table: Table) -> DeltaTable:
        """The newest version of a table, made empty if it does not exist. Raises StorageUnavailable."""
        found = self.open(table)
        if found is not None:
            return found
        with storage_faults(table):
            self.storage.prepare(table.name)
            try:
                return DeltaTable.create(
                    self.storage.uri(table.name),
                    schema=_schema(table),
                    mode="error",
                    partition_by=list(table.partition_columns),
                    name=table.name,
                    description=table.meaning,
                    storage_options=self._options,
                )
            except DeltaError:
                found = self.open(table)  # another writer may have made it just now
                if found is None:
                    raise
                return found

    def files(self, delta: DeltaTable, table: Table, tenant: str) -> tuple[LakeFile, ...]:
        """The files of one tenant in that version, by month, then in the order they were written."""
        with storage_faults(table):
            actions = delta.get_add_actions(flatten=True)
            names = ["partition.tenant", "path", "modification_time", "num_records", "size_bytes", "partition.month"]
            columns = [actions.column(name).to_pylist() for name in names[: 4 + len(table.partition_columns)]]
        own = [row for row in zip(*columns, strict=True) if row[0] == tenant]
        own.sort(key=lambda row: (*row[5:], row[2], row[1]))
        return tuple(
            LakeFile(
                path=f"{table.name}/{unquote(row[1])}",
                bytes=row[4],
                month=row[5] if row[5:] else None,
                rows=row[3] or 0,
            )
            for row in own
        )

    @contextmanager
    def local(
        self, files: Sequence[LakeFile], check: Callable[[], None] = lambda: None
    ) -> Iterator[Sequence[LakeFile]]:
        """The same files with absolute local paths, which are good while the block runs.

        ``check`` is called again and again while they are brought; what it raises ends that. Raises StorageUnavailable.
        """
        wanted = [Wanted(name=file.path, size=file.bytes) for file in files]
        with self.storage.local(wanted, check) as paths:
            yield [replace(file, path=str(path)) for file, path in zip(files, paths, strict=True)]

    @contextmanager
    def writing(self, table: Table) -> Iterator[None]:
        """Queue up behind other writers of the table on this machine. Raises StorageUnavailable, LakeError."""
        with ExitStack() as held:
            with storage_faults(table):
                held.enter_context(self.storage.queue(table.name))
            yield

    @property
    def _options(self) -> dict[str, str] | None:
        options = self.storage.options
        return None if options is None else dict(options)


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
    return Schema([*fields, *(Field(name, _STRING) for name in table.partition_columns)])


def _refuse_unreadable(delta: DeltaTable, table: Table) -> None:
    features = _UNREADABLE.intersection(delta.protocol().reader_features or ())
    if features:
        raise StorageUnavailable(f"The lake table {table.name} uses {', '.join(sorted(features))}, unknown here.")
