"""The actions of a commit to a Delta table: files added, files removed, and what the log says about the commit."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from deltalake.transaction import AddAction, RemoveAction

from offtake.lake.change_log import TombstoneFile
from offtake.lake.tables import Table
from offtake.lake.writer import NewFile

BUCKETED = "bucketed-"  # beginning of the names of files that are sorted by buckets
TOMBSTONES = "_tombstones"  # folder within the table's folder; vacuum keeps names that begin with "_"


def new_name(tenant: str, file: NewFile, number: int, token: str) -> str:
    """Return the name of a new file within the table's folder; ``token`` has the id of the change."""
    start = BUCKETED if file.has_buckets else "part-"
    return f"tenant={tenant}/{_folder(file.month)}{start}{number:05}-{token}.parquet"


def tombstone_folder(tenant: str) -> str:
    """Return the folder of a tenant's tombstones within the table's folder."""
    return f"{TOMBSTONES}/tenant={tenant}"


def tombstone_file(tenant: str, file: NewFile, token: str) -> TombstoneFile:
    """Return the name and the size of a new file of tombstones."""
    return TombstoneFile(path=f"{tombstone_folder(tenant)}/deleted-{token}.parquet", bytes=file.bytes, rows=file.rows)


def actions(
    table: Table,
    tenant: str,
    *,
    added: Mapping[str, NewFile],
    removed: Mapping[str, tuple[int, str | None]],
    changes_rows: bool,
) -> list[AddAction | RemoveAction]:
    """Return the actions of a commit. ``removed`` maps names of files to their bytes and month."""
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
        RemoveAction(name, changes_rows, now, size, _partition(table, tenant, month))
        for name, (size, month) in removed.items()
    ]
    return [*adds, *removals]


def _partition(table: Table, tenant: str, month: str | None) -> dict[str, str | None]:
    return dict(zip(table.partition_columns, (tenant, month), strict=False))


def _folder(month: str | None) -> str:
    return "" if month is None else f"month={month}/"
