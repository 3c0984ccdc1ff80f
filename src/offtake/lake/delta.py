"""The lake: one Delta table per table of the model, on a ``TableStorage``.

Opens, creates and lists tables, and translates delta-rs errors. ``upsert.py`` writes rows; ``snapshot.py`` selects the
files that a report reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from urllib.parse import unquote
from uuid import uuid4

import duckdb
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, PrimitiveType

from offtake.errors import LakeVersionGone, StorageUnavailable
from offtake.lake.cache import RemoteFile
from offtake.lake.change_log import ChangeEntry, find_change
from offtake.lake.commit_actions import BUCKETED, actions, new_name, tombstone_file, tombstone_folder
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
TOMBSTONE_LIFE = timedelta(days=30)  # as long as Delta keeps the commits that name them
_ATTEMPTS = 20  # to add columns
_NOT_IN_LOG = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file of one tenant; ``month`` is None in dimension tables.

    ``path`` is relative to the lake, or absolute once the file is local. ``rows`` comes from the table's log; 0 if
    another engine wrote the file without it. The log always has ``bytes`` and ``written_at``; it does not
    list files of tombstones.
    """

    path: str
    bytes: int
    month: str | None
    rows: int
    written_at: datetime = _NOT_IN_LOG
    has_buckets: bool = False  # whether each row has its bucket, and the file is sorted by them (``buckets``)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """The files of one commit: complete ones in the staging folder that are added, and stored ones that are removed.

    ``tombstones`` has the keys of the rows that the commit deletes. ``changes_rows`` is false if the same rows are
    stored as before.
    """

    added: Sequence[NewFile]
    removed: Sequence[LakeFile] = ()
    tombstones: NewFile | None = None
    changes_rows: bool = True


@dataclass(frozen=True, slots=True)
class Lake:
    """All tables of one storage; tombstones are kept for ``tombstone_life``."""

    storage: TableStorage
    tombstone_life: timedelta = TOMBSTONE_LIFE

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
            raise LakeVersionGone(f"The lake table {table.name} was created again; it has no version {version}.")
        if newest.version() == version:
            return newest
        with storage_faults(table):
            try:
                return DeltaTable(self.storage.uri(table.name), version=version, storage_options=self._options)
            except (DeltaError, TableNotFoundError) as error:
                message = f"The lake table {table.name} no longer has version {version}."
                raise LakeVersionGone(message) from error

    def create(self, table: Table) -> DeltaTable:
        """Return the newest version of a table, with all columns of the model. Raises StorageUnavailable.

        A table that does not exist is created empty. Columns that it lacks are added in a commit of their own, so that
        the next commit has the version that follows the returned one.
        """
        delta = self.open(table) or self._create(table)
        with storage_faults(table):
            for _ in range(_ATTEMPTS):
                known = {field.name for field in delta.schema().fields}
                missing = [field for field in _schema(table).fields if field.name not in known]
                if not missing:
                    break
                with suppress(CommitFailedError):  # another writer may have added them
                    delta.alter.add_columns(missing, commit_properties=_NO_REBASE)
                delta.update_incremental()
        return delta

    def _create(self, table: Table) -> DeltaTable:
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
                has_buckets=row[1].rpartition("/")[2].startswith(BUCKETED),
            )
            for row in rows
        )

    def commit(
        self,
        delta: DeltaTable,
        table: Table,
        *,
        tenant: str,
        entry: ChangeEntry,
        files: FileChanges,
    ) -> int:
        """Publish new files of a tenant, commit them instead of the removed ones, and return the version.

        The commit succeeds only on top of ``delta``'s version. Raises CommitFailedError if another writer committed in
        between; the new files are then removed again.

        Object storage may store a commit and lose the response. Then the repetition of the request finds the version
        taken, although by this commit, whose files must stay.
        """
        token = f"{entry.change_id}-{uuid4().hex[:8]}"  # an attempt that failed leaves no name taken
        added = {new_name(tenant, file, n, token): file for n, file in enumerate(files.added)}
        for name, file in added.items():
            self.storage.publish(file.path, f"{table.name}/{name}")
        if files.tombstones is not None:
            stored = tombstone_file(tenant, files.tombstones, token)
            self.storage.publish(files.tombstones.path, f"{table.name}/{stored.path}")
            entry = replace(entry, tombstones=stored)
        removed = {file.path.removeprefix(f"{table.name}/"): (file.bytes, file.month) for file in files.removed}
        try:
            delta.create_write_transaction(
                actions(table, tenant, added=added, removed=removed, changes_rows=files.changes_rows),
                "append",
                delta.schema(),
                partition_by=list(table.partition_columns),
                commit_properties=CommitProperties(max_commit_retries=0, custom_metadata=entry.metadata()),
            )
        except CommitFailedError:
            newest = self.open(table)
            found = None if newest is None else find_change(newest, entry.change_id, after=entry.version - 1)
            if found is not None:
                return found.version
            self.discard(table, tenant=tenant, change_id=entry.change_id)
            raise
        return entry.version

    def discard(self, table: Table, *, tenant: str, change_id: str) -> int:
        """Remove the files that a change published and did not commit, and return their number."""
        with storage_faults(table):
            folders = (f"{table.name}/tenant={tenant}", f"{table.name}/{tombstone_folder(tenant)}")
            found = [file.name for folder in folders for file in self.storage.files(folder)]
            left = [name for name in found if f"-{change_id}-" in name]
            for name in left:
                self.storage.discard(name)
            for folder in folders:
                with suppress(StorageUnavailable):  # some services cannot list unfinished uploads
                    self.storage.abort_uploads(folder, containing=f"-{change_id}-")
        return len(left)

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
    hidden = [Field(name, PrimitiveType("long")) for name in table.hidden_columns]
    return Schema([*fields, *hidden, *(Field(name, _STRING) for name in table.partition_columns)])


def _refuse_unsupported(delta: DeltaTable, table: Table) -> None:
    features = _UNSUPPORTED_FEATURES.intersection(delta.protocol().reader_features or ())
    if features:
        raise StorageUnavailable(
            f"The lake table {table.name} needs Delta features that Offtake does not support; rewrite it without "
            f"{', '.join(sorted(features))}."
        )
