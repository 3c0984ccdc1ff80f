"""The files of tombstones: which ones a reader of changes needs, and which ones are removed.

A file that was removed is missed by the readers that still need it: ``changes.py`` tells them to read the whole table.
So files are removed as a whole and never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from offtake.errors import LakeVersionGone
from offtake.lake.change_log import ChangeEntry
from offtake.lake.commit_actions import TOMBSTONES, tombstone_folder
from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.tables import Table


def tombstone_files(lake: Lake, entries: Iterable[ChangeEntry], table: Table, tenant: str) -> Sequence[LakeFile]:
    """Return the files with a tenant's tombstones of these commits.

    Raises LakeVersionGone if one was removed since, and StorageUnavailable.
    """
    folder = tombstone_folder(tenant)
    found = [entry.tombstones for entry in entries if entry.tombstones is not None]
    own = [file for file in found if file.path.startswith(f"{folder}/")]
    if own:
        with storage_faults(table):
            present = {file.name for file in lake.storage.files(f"{table.name}/{folder}")}
        if not present.issuperset(f"{table.name}/{file.path}" for file in own):
            raise LakeVersionGone(f"The lake table {table.name} no longer has the tombstones of an earlier version.")
    return [LakeFile(path=f"{table.name}/{file.path}", bytes=file.bytes, rows=file.rows, month=None) for file in own]


def remove_tombstones(lake: Lake, table: Table, *, tenant: str, with_row: Callable[[LakeFile], bool]) -> int:
    """Remove the files of a tenant's tombstones that have a row; return their number. Raises StorageUnavailable.

    ``with_row`` gets a local file and tells whether it has one.
    """
    removed = 0
    folder = f"{table.name}/{tombstone_folder(tenant)}"
    with lake.writing(table), storage_faults(table):
        for each in list(lake.storage.files(folder)):
            with lake.local([LakeFile(path=each.name, bytes=each.bytes, month=None, rows=0)]) as (local,):
                has_row = with_row(local)
            if has_row:
                lake.storage.discard(each.name)
                removed += 1
    return removed


def sweep_tombstones(lake: Lake, table: Table, *, now: datetime, only_count: bool = False) -> int:
    """Remove the files of all tenants' tombstones that are older than their life. Return their number.

    Raises StorageUnavailable.
    """
    with storage_faults(table):
        files = list(lake.storage.files(f"{table.name}/{TOMBSTONES}"))
        old = [file for file in files if file.written_at < now - lake.tombstone_life]
        for file in () if only_count else old:
            lake.storage.discard(file.name)
    return len(old)
