"""The lake: one Delta table per table of the model, on a ``TableStorage``.

Opens, creates and lists tables, and translates delta-rs errors. ``upsert.py`` writes rows; ``snapshot.py`` selects the
files that a report reads.
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
from offtake.lake.cache import RemoteFile
from offtake.lake.storage import TableStorage
from offtake.lake.tables import Table
from offtake.model.column_type import ColumnType

# Reader features that other engines may enable. Offtake reads Parquet files by path, which would return deleted rows or
# miss renamed columns.
_UNSUPPORTED_FEATURES = frozenset({"deletionVectors", "columnMapping"})

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


# Small row groups: rows are sorted by event time, so a reader skips the groups outside its timespan.
# Statistics of long texts are cut: each page and row group would otherwise repeat its least and greatest text.
WRITER = WriterProperties(max_row_group_size=122_880, compression="SNAPPY", statistics_truncate_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file of one tenant; ``month`` is None in dimension tables.

    ``path`` is relative to the lake, or absolute once the file is local. ``rows`` comes from the table's log; 0 if
    another engine wrote the file without it. The log always has ``bytes``.
    """

    path: str
    bytes: int
    month: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lake:
    """All tables of one storage."""

    storage: TableStorage

    def check(self, table: Table) -> None:
        """Check that the storage responds and that ``table``, if it exists, can be opened.

        Raises StorageUnavailable, or SettingsError for a fault that needs an operator.
        """
        self.storage.check()
        self.open(table)

    def open(self, table: Table) -> DeltaTable | None:
        """Return the newest version of a table, or None before its first load. Raises StorageUnavailable."""
        with storage_faults(table):
            try:
                delta = DeltaTable(self.storage.uri(table.name), storage_options=self._options)
            except TableNotFoundError:
                return None
            _refuse_unsupported(delta, table)
            return delta

    def create(self, table: Table) -> DeltaTable:
        """Return the newest version of a table; create it empty if it does not exist. Raises StorageUnavailable."""
        existing = self.open(table)
        if existing is not None:
            return existing
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
                existing = self.open(table)  # another writer may have created it concurrently
                if existing is None:
                    raise
                return existing

    def files(self, delta: DeltaTable, table: Table, tenant: str) -> tuple[LakeFile, ...]:
        """Return the tenant's files in that version, sorted by month, then by the time they were written."""
        with storage_faults(table):
            actions = delta.get_add_actions(flatten=True)
            names = ["partition.tenant", "path", "modification_time", "num_records", "size_bytes", "partition.month"]
            columns = [actions.column(name).to_pylist() for name in names[: 4 + len(table.partition_columns)]]
        rows = [row for row in zip(*columns, strict=True) if row[0] == tenant]
        rows.sort(key=lambda row: (*row[5:], row[2], row[1]))
        return tuple(
            LakeFile(
                path=f"{table.name}/{unquote(row[1])}",
                bytes=row[4],
                month=row[5] if row[5:] else None,
                rows=row[3] or 0,
            )
            for row in rows
        )

    @contextmanager
    def local(
        self, files: Sequence[LakeFile], check: Callable[[], None] = lambda: None
    ) -> Iterator[Sequence[LakeFile]]:
        """Yield the same files with absolute local paths, valid while the block runs.

        ``check`` is called repeatedly while files are fetched; what it raises aborts. Raises StorageUnavailable.
        """
        remote = [RemoteFile(name=file.path, size=file.bytes) for file in files]
        with self.storage.local(remote, check) as paths:
            yield [replace(file, path=str(path)) for file, path in zip(files, paths, strict=True)]

    @contextmanager
    def writing(self, table: Table) -> Iterator[None]:
        """Hold the table's write lock (``TableStorage.queue``). Raises StorageUnavailable, LakeError."""
        with ExitStack() as stack:
            with storage_faults(table):
                stack.enter_context(self.storage.queue(table.name))
            yield

    @property
    def _options(self) -> dict[str, str] | None:
        options = self.storage.options
        return None if options is None else dict(options)


@contextmanager
def storage_faults(table: Table) -> Iterator[None]:
    """Translate errors of storage and delta-rs into StorageUnavailable; the cause stays attached."""
    try:
        yield
    except (DeltaError, OSError, duckdb.IOException) as error:
        raise StorageUnavailable(f"The lake table {table.name} cannot be read or written.") from error


def _schema(table: Table) -> Schema:
    """Return the Delta schema. All columns are nullable, because a column added later is null in older rows."""
    fields = [Field(column.name, _DELTA_TYPES[column.type]) for column in table.columns]
    return Schema([*fields, *(Field(name, _STRING) for name in table.partition_columns)])


def _refuse_unsupported(delta: DeltaTable, table: Table) -> None:
    features = _UNSUPPORTED_FEATURES.intersection(delta.protocol().reader_features or ())
    if features:
        raise StorageUnavailable(
            f"The lake table {table.name} needs Delta features that Offtake does not support; rewrite it without "
            f"{', '.join(sorted(features))}."
        )
