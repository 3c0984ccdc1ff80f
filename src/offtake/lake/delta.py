"""The lake: one Delta table per table of the model, on a ``TableStorage``.

Opens, creates and lists tables, and translates delta-rs errors. ``upsert.py`` writes rows; ``snapshot.py`` selects the
files that a report reads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import unquote
from uuid import uuid4

import duckdb
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from offtake.errors import LakeVersionGone, StorageUnavailable
from offtake.lake.cache import RemoteFile
from offtake.lake.staging import sweep_staging
from offtake.lake.storage import TableStorage
from offtake.lake.tables import Table
from offtake.lake.writer import NewFile
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

_NO_REBASE = CommitProperties(max_commit_retries=0)  # commit on top of the version that was read, or fail


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file of one tenant; ``month`` is None in dimension tables.

    ``path`` is relative to the lake, or absolute once the file is local. ``rows`` comes from the table's log; 0 if
    another engine wrote the file without it. The log always has ``bytes`` and ``written_at``.
    """

    path: str
    bytes: int
    month: str | None
    rows: int
    written_at: datetime


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

    def sweep_staging(self, *, only_count: bool = False) -> int:
        """Remove what killed loads left on this machine, and return the number of loads. Raises LakeError."""
        return sweep_staging(self.storage.staging, only_count=only_count)

    def open(self, table: Table) -> DeltaTable | None:
        """Return the newest version of a table, or None before its first load. Raises StorageUnavailable."""
        with storage_faults(table):
            try:
                delta = DeltaTable(self.storage.uri(table.name), storage_options=self._options)
            except TableNotFoundError:
                return None
            _refuse_unsupported(delta, table)
            return delta

    def open_version(self, table: Table, version: int) -> DeltaTable:
        """Return that version of a table. Raises LakeVersionGone, StorageUnavailable."""
        newest = self.open(table)  # refuses what cannot be read, and tells a lost version from a lost storage
        if newest is None or newest.version() < version:
            raise LakeVersionGone(f"The lake table {table.name} was created again since the export began to read it.")
        if newest.version() == version:
            return newest
        with storage_faults(table):
            try:
                return DeltaTable(self.storage.uri(table.name), version=version, storage_options=self._options)
            except (DeltaError, TableNotFoundError) as error:
                message = f"The lake table {table.name} no longer has the version that the export began to read."
                raise LakeVersionGone(message) from error

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
                written_at=datetime.fromtimestamp(row[2] / 1_000, UTC),
            )
            for row in rows
        )

    def commit(
        self,
        delta: DeltaTable,
        table: Table,
        *,
        tenant: str,
        added: Sequence[NewFile],
        removed: Sequence[LakeFile],
        changes_rows: bool = True,
    ) -> None:
        """Publish new files of a tenant and commit them instead of the removed ones, all in one commit.

        The commit succeeds only on top of ``delta``'s version. Raises CommitFailedError if another writer committed in
        between; the new files are then removed again. ``changes_rows`` is false if the same rows are stored as before.

        Object storage may store a commit and lose the response. Then the repetition of the request finds the version
        taken, although by this commit, whose files must stay.
        """
        _add_columns(delta, table)
        names = [f"tenant={tenant}/{_folder(file.month)}part-{n:05}-{uuid4()}.parquet" for n, file in enumerate(added)]
        for name, file in zip(names, added, strict=True):
            self.storage.publish(file.path, f"{table.name}/{name}")
        try:
            delta.create_write_transaction(
                _actions(table, tenant, dict(zip(names, added, strict=True)), removed, changes_rows=changes_rows),
                "append",
                delta.schema(),
                partition_by=list(table.partition_columns),
                commit_properties=_NO_REBASE,
            )
        except CommitFailedError:
            if self._has_files(table, names):
                return
            for name in names:
                self.storage.discard(f"{table.name}/{name}")
            raise

    def _has_files(self, table: Table, names: Sequence[str]) -> bool:
        """Return whether the newest version of the table contains one of these files."""
        delta = self.open(table)
        return delta is not None and not set(names).isdisjoint(
            unquote(path) for path in delta.get_add_actions(flatten=True).column("path").to_pylist()
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


def _add_columns(delta: DeltaTable, table: Table) -> None:
    """Add the columns of the model that the stored table lacks."""
    known = {field.name for field in delta.schema().fields}
    missing = [field for field in _schema(table).fields if field.name not in known]
    if missing:
        delta.alter.add_columns(missing, commit_properties=_NO_REBASE)


def _actions(
    table: Table, tenant: str, added: Mapping[str, NewFile], removed: Sequence[LakeFile], *, changes_rows: bool
) -> list[AddAction | RemoveAction]:
    """Return the actions of a commit; ``added`` maps the names of the new files."""
    now = time.time_ns() // 1_000_000
    adds = [
        AddAction(
            path=name,
            size=file.bytes,
            partition_values=_partition(table, tenant, file.month),
            modification_time=now,
            data_change=changes_rows,
            stats=json.dumps({"numRecords": file.rows}),
        )
        for name, file in added.items()
    ]
    removals = [
        RemoveAction(
            file.path.removeprefix(f"{table.name}/"),
            changes_rows,
            now,
            file.bytes,
            _partition(table, tenant, file.month),
        )
        for file in removed
    ]
    return [*adds, *removals]


def _partition(table: Table, tenant: str, month: str | None) -> dict[str, str | None]:
    return dict(zip(table.partition_columns, (tenant, month), strict=False))


def _folder(month: str | None) -> str:
    return "" if month is None else f"month={month}/"


def _refuse_unsupported(delta: DeltaTable, table: Table) -> None:
    features = _UNSUPPORTED_FEATURES.intersection(delta.protocol().reader_features or ())
    if features:
        raise StorageUnavailable(
            f"The lake table {table.name} needs Delta features that Offtake does not support; rewrite it without "
            f"{', '.join(sorted(features))}."
        )
