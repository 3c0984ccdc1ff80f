"""Erasure of a person's rows: they change or go in one commit of each table; then the files of old versions go."""

from __future__ import annotations

from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.erasure.rules import GOES, changed_rows, mentions_in_key
from offtake.lake.erasure.search import SubjectSearch
from offtake.lake.ingest.incoming import ARRIVING, MARKED, Incoming
from offtake.lake.ingest.upsert import Change, upsert
from offtake.lake.tables import Table
from offtake.lake.tombstones import remove_tombstones


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


def drop_tombstones(search: SubjectSearch, table: Table) -> int:
    """Remove the files of tombstones of which a key mentions the person, and return their number.

    Readers of changes that have not read them yet may have the person's rows; they find the file missing and read the
    whole table. Raises StorageUnavailable.
    """
    connection = search.area.connection

    def mentions(file: LakeFile) -> bool:
        connection.execute("SET VARIABLE tombstones = $path", {"path": [file.path]})
        found = f"SELECT count(*) FROM read_parquet(getvariable('tombstones')) WHERE {mentions_in_key(table)}"  # noqa: S608
        return bool(connection.execute(found).fetchall()[0][0])

    return remove_tombstones(search.lake, table, tenant=search.tenant, with_row=mentions)


def remove_old_files(lake: Lake, table: Table, *, tenant: str) -> int:
    """Remove the tenant's files that the newest version of a table does not have, and return their number.

    Copies of them in this machine's cache and unfinished uploads go too. Exports that began to read an older version
    fail then. Raises StorageUnavailable.
    """
    with lake.writing(table), storage_faults(table):
        delta = lake.open(table)
        present = frozenset() if delta is None else {file.path for file in lake.files(delta, table, tenant)}
        folder = f"{table.name}/tenant={tenant}"
        old = [file.name for file in lake.storage.files(folder) if file.name not in present]
        for name in old:
            lake.storage.discard(name)
        lake.storage.abort_uploads(folder)
        lake.storage.forget_cached(folder, but=present)
    return len(old)
