"""Removal of a tenant's rows and files from the tables.

The files of a tenant are in folders of its own (``tenant=…/``), so removing them does not touch the versions that
other tenants' exports read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from deltalake.exceptions import CommitFailedError

from offtake.errors import StorageUnavailable
from offtake.lake.change_log import ChangeEntry
from offtake.lake.commit_actions import tombstone_folder
from offtake.lake.delta import FileChanges, Lake, storage_faults
from offtake.lake.tables import Table, tables

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """What a tenant has in one table."""

    table: str
    rows: int
    bytes: int
    files: int


def sizes(lake: Lake, tenant: str) -> Iterator[TableSize]:
    """Yield what the tenant has in each table in which it has any files. Raises StorageUnavailable."""
    for table in tables().values():
        delta = lake.open(table)
        files = () if delta is None else lake.files(delta, table, tenant)
        if files:
            yield TableSize(
                table=table.name,
                rows=sum(file.rows for file in files),
                bytes=sum(file.bytes for file in files),
                files=len(files),
            )


def remove_rows(lake: Lake, table: Table, *, tenant: str) -> None:
    """Remove all rows of the tenant from the newest version, then its files of every version. Repeatable.

    Raises StorageUnavailable.
    """
    with lake.writing(table), storage_faults(table):
        for _ in range(_ATTEMPTS):
            delta = lake.open(table)
            files = () if delta is None else lake.files(delta, table, tenant)
            if delta is None or not files:
                break
            try:
                entry = ChangeEntry(change_id=str(uuid4()), version=delta.version() + 1)
                lake.commit(delta, table, tenant=tenant, entry=entry, files=FileChanges(added=(), removed=files))
            except CommitFailedError:
                continue
            break
        else:
            raise StorageUnavailable(f"Gave up after {_ATTEMPTS} conflicting commits to {table.name}; repeat it later.")
        for folder in (f"tenant={tenant}", tombstone_folder(tenant)):
            lake.storage.discard_folder(f"{table.name}/{folder}")
