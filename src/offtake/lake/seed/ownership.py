"""Which rows of a tenant are sample data: the commits of a seed carry ids that say so, and each row has the version of
the commit that last changed it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from offtake.errors import LakeVersionGone
from offtake.lake.change_log import changes_after
from offtake.lake.delta import Lake, storage_faults
from offtake.lake.staging import Staging, staging
from offtake.lake.tables import VERSION, Table
from offtake.sql_text import select_typed

_PREFIX = "seed-"
_FILES = "owned_files"  # session variable


def new_change_id() -> str:
    """Return the id of a change that stores sample data."""
    return f"{_PREFIX}{uuid4()}"


def tables_with_other_rows(lake: Lake, tenant: str, checked: Iterable[Table]) -> list[str]:
    """Return the tables in which the tenant has rows that are not sample data, or of which the log no longer tells.

    Raises StorageUnavailable.
    """
    with staging(lake.storage.staging) as area:
        return [table.name for table in checked if _has_other_rows(lake, table, tenant, area)]


def _has_other_rows(lake: Lake, table: Table, tenant: str, area: Staging) -> bool:
    delta = lake.open(table)
    files = () if delta is None else lake.files(delta, table, tenant)
    if delta is None or not files:
        return False
    with lake.local(files) as local, storage_faults(table):
        area.connection.execute(f"SET VARIABLE {_FILES} = $files", {"files": [file.path for file in local]})
        rows = select_typed(table.file_columns, files=_FILES)
        found = area.connection.execute(f"SELECT DISTINCT {VERSION} FROM ({rows})").fetchall()  # noqa: S608
        versions = {row[0] for row in found}
        if None in versions:  # an earlier release wrote these rows
            return True
        try:
            changes = changes_after(delta, min(versions, default=0) - 1)
        except LakeVersionGone:
            return True
    seeded = {change.version for change in changes if change.change_id.startswith(_PREFIX)}
    return not versions <= seeded
