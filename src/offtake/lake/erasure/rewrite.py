"""Erasure of a person's rows: they change or go in one commit of each table; then the files of old versions go."""

from __future__ import annotations

from offtake.lake.commit_actions import tombstone_folder
from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.erasure.rules import GOES, changed_rows, mentions_in_key
from offtake.lake.erasure.search import SubjectSearch
from offtake.lake.ingest.incoming import ARRIVING, MARKED, Incoming
from offtake.lake.ingest.upsert import Change, upsert
from offtake.lake.tables import Table
from offtake.lake.writer import FileWriter


def rewrite(search: SubjectSearch, table: Table) -> int | None:
    """Erase the person from the newest version of a table. Return the new version; None if there was nothing to erase.

    Raises StorageUnavailable.
    """
    with search.lake.writing(table):
        incoming = Incoming(search.area, table)
        with search.rows(table) as rows:
            if rows is None:
                return None
            selected = f"SELECT * EXCLUDE ({GOES}), {GOES} AS {MARKED} FROM ({changed_rows(table, rows)})"  # noqa: S608
            search.area.connection.execute(f"INSERT INTO {ARRIVING} BY NAME {selected}")
        incoming.keep()
        return upsert(incoming, search.lake, tenant=search.tenant, change=Change()).version


def scrub_tombstones(search: SubjectSearch, table: Table) -> int:
    """Drop keys that mention the person from the tombstones of a table, and return their number.

    A tombstone has nothing but the key and the event time of a deleted row. Raises StorageUnavailable.
    """
    storage, connection = search.lake.storage, search.area.connection
    dropped = 0
    with search.lake.writing(table), storage_faults(table):
        for name in list(storage.names(f"{table.name}/{tombstone_folder(search.tenant)}")):
            file = LakeFile(path=name, bytes=storage.size(name), month=None, rows=0)
            with search.lake.local([file]) as (local,):
                connection.execute("SET VARIABLE tombstones = $path", {"path": [local.path]})
                rows = "SELECT * FROM read_parquet(getvariable('tombstones'))"
                found = f"SELECT count(*) FROM ({rows}) WHERE {mentions_in_key(table)}"  # noqa: S608
                number = int(connection.execute(found).fetchall()[0][0])
                if number == 0:
                    continue
                kept = f"SELECT * FROM ({rows}) WHERE NOT {mentions_in_key(table)}"  # noqa: S608
                written = FileWriter(search.area, table).write(kept, month=None)
            storage.discard(name)
            storage.publish(written.path, name)
            dropped += number
    return dropped


def remove_old_files(lake: Lake, table: Table, *, tenant: str) -> int:
    """Remove the tenant's files that the newest version of a table does not have, and return their number.

    Exports that began to read an older version fail then. Raises StorageUnavailable.
    """
    with lake.writing(table), storage_faults(table):
        delta = lake.open(table)
        present = frozenset() if delta is None else {file.path for file in lake.files(delta, table, tenant)}
        old = [name for name in lake.storage.names(f"{table.name}/tenant={tenant}") if name not in present]
        for name in old:
            lake.storage.discard(name)
    return len(old)
