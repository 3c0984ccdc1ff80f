"""Upsert: store the incoming rows in one commit, with one row per key, and delete others.

An upsert reads existing keys and then writes; two concurrent upserts that read the same version would insert a key
twice. So a commit succeeds only on top of the version that was read: if another writer committed in between, the
table's log refuses it, and the upsert starts again on the newest version. So the version of the commit is known before
it, and is stored in the rows that it changes.

A row that equals the stored one is not stored again. A month of which stored rows change or go is written again: its
kept rows, and the incoming rows in files of their own, sorted by event time. Other months only get new files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from deltalake.exceptions import CommitFailedError

from offtake.errors import StorageUnavailable
from offtake.lake.buckets import bucket
from offtake.lake.change_log import ChangeEntry
from offtake.lake.delta import FileChanges, Lake, LakeFile, storage_faults
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.incoming import INCOMING, SIZE, Incoming, scalar
from offtake.lake.ingest.stored_rows import RowDifferences, StoredRows
from offtake.lake.tables import LOAD_VERSION, VERSION
from offtake.lake.writer import FileWriter, NewFile, groups, sort_columns
from offtake.model.tenant import TENANT_NAME
from offtake.model.view import BUCKET
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a tenant's rows, as the log of the table and the record of the load know it."""

    id: str = field(default_factory=lambda: str(uuid4()))
    # Called right before each commit, under the table's write lock; what it raises stops the change.
    confirm: Callable[[], None] = lambda: None
    is_dry_run: bool = False  # only count
    based_on: int | None = None  # the version from which the rows were computed; a newer one stops the change


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a change did: the number of rows, and the version of its commit; None if nothing changed."""

    counts: LoadCounts
    version: int | None


def upsert(
    incoming: Incoming,
    lake: Lake,
    *,
    tenant: str,
    change: Change | None = None,
    deleted: str | None = None,
    not_incoming: LoadCounts | None = None,
) -> Stored:
    """Store the incoming rows and delete the rows that are marked; without a difference, nothing is committed.

    ``deleted`` is SQL: a condition on the stored rows that go, unless they are incoming. ``not_incoming``
    counts the rows that were read and rejected or left out. Call it under ``Lake.writing``, which avoids conflicting
    commits on this machine. Raises StorageUnavailable.
    """
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError("not a tenant name")  # it is part of the names of folders
    change = change or Change()
    superseded, marked = incoming.keep_one(), incoming.separate_marked()
    total = scalar(incoming.connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
    others = not_incoming or LoadCounts()
    counts = replace(
        others, read=total + superseded + marked + others.read, inserted=total, superseded=superseded, marked=marked
    )
    if total == marked == 0 and deleted is None:
        return Stored(counts=counts, version=None)
    for _ in range(_ATTEMPTS):
        stored = _Attempt(incoming, lake, tenant, change, deleted).store(counts)
        if stored is not None:
            return stored
    message = (
        f"Gave up after {_ATTEMPTS} conflicting commits to {incoming.table.name}; another writer is busy. Load again "
        "later."
    )
    raise StorageUnavailable(message)


class _Attempt:
    """One attempt to store the incoming rows, on the newest version of the table."""

    def __init__(self, incoming: Incoming, lake: Lake, tenant: str, change: Change, deleted: str | None) -> None:
        self._incoming = incoming
        self._lake = lake
        self._tenant = tenant
        self._change = change
        self._deleted = deleted
        self._connection = incoming.connection
        self._table = incoming.table
        self._writer = FileWriter(incoming.staging, incoming.table)

    def store(self, counts: LoadCounts) -> Stored | None:
        """Commit the rows; return None if another writer committed in between."""
        delta = self._lake.create(self._table)
        if self._change.based_on not in (None, delta.version()):
            raise StorageUnavailable(f"Another writer changed {self._table.name} at the same time; repeat the command.")
        stored = self._lake.files(delta, self._table, self._tenant)
        with self._lake.local(stored) as local, storage_faults(self._table):
            rows = StoredRows(self._incoming, local, deleted=self._deleted)
            changes = rows.compare()
            found = replace(
                counts,
                inserted=counts.inserted - changes.updated - changes.unchanged,
                updated=changes.updated,
                unchanged=changes.unchanged,
                deleted=changes.deleted,
            )
            if found.changed == 0 or self._change.is_dry_run:
                return Stored(counts=found, version=None)
            version = delta.version() + 1
            tombstones = rows.tombstones(version, self._change.id) if changes.deleted else None
            files = FileChanges(
                added=[*self._new_rows(changes, version), *self._kept_rows(rows, changes, local)],
                removed=[file for file in stored if file.month in changes.months],
                tombstones=None if tombstones is None else self._writer.write(tombstones, month=None),
            )
            entry = ChangeEntry(change_id=self._change.id, version=version, counts=found.as_mapping())
            self._change.confirm()
            with suppress(CommitFailedError):
                committed = self._lake.commit(delta, self._table, tenant=self._tenant, entry=entry, files=files)
                return Stored(counts=found, version=committed)
        return None

    def _new_rows(self, changes: RowDifferences, version: int) -> list[NewFile]:
        """Write the incoming rows that differ from the stored ones, each month in files of its own."""
        table, added = self._table, list[NewFile]()
        names = comma_separated(quote_identifier(name) for name in table.by_name)
        load_version = LOAD_VERSION if self._incoming.restores else f"{version}::BIGINT AS {LOAD_VERSION}"
        hidden = [f"{version}::BIGINT AS {VERSION}", load_version]
        hidden += [] if table.group_key is None else [f"{bucket(table)} AS {BUCKET}"]
        sorted_by = ", ".join(quote_identifier(name) for name in sort_columns(table))
        rows = self._incoming.rows()
        for month in self._incoming.months(changes.is_new):
            condition = changes.is_new if month is None else f"month = {quote_literal(month)} AND {changes.is_new}"
            selected = f"SELECT {names}, {', '.join(hidden)} FROM ({rows}) WHERE {condition}"  # noqa: S608
            sizes = f"SELECT {sorted_by}, {SIZE} FROM {INCOMING} WHERE {condition}"  # noqa: S608
            added += self._writer.write_sorted(selected, sizes, month=month)
        return added

    def _kept_rows(self, rows: StoredRows, changes: RowDifferences, files: Sequence[LakeFile]) -> list[NewFile]:
        """Write the stored rows of the changed months that stay, in the order of their files."""
        added: list[NewFile] = []
        for month in sorted(changes.months, key=str):
            members = [file for file in files if file.month == month]
            for group in groups([file.bytes for file in members]):
                of = [members[index] for index in group]
                has_buckets = all(file.has_buckets for file in of)
                kept = self._writer.concatenate(rows.kept(of), month=month, has_buckets=has_buckets)
                if kept.rows:
                    added.append(kept)
                else:
                    kept.path.unlink()
        return added
