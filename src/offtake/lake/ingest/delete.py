"""Delete rows of a table by their keys or by a filter expression, in one commit that leaves tombstones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from offtake.errors import StorageUnavailable
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.incoming import INCOMING, Incoming
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.load import inputs_of, open_mapped
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.rejects import BadRows, rejected
from offtake.lake.ingest.row_filter import row_condition
from offtake.lake.ingest.stage import stage_chunk
from offtake.lake.ingest.upsert import Change, Stored, upsert
from offtake.lake.staging import Staging, staging
from offtake.lake.tables import Table, TableKind
from offtake.lake.writer import key_columns
from offtake.model.expression import Expression

_NAMED = "named_keys"


def delete_where(lake: Lake, table: Table, expression: Expression, *, tenant: str, change: Change) -> Stored:
    """Delete a tenant's rows that fulfil a filter expression. Raises StorageUnavailable, LakeError."""
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, table)
        condition = row_condition(area.connection, table, expression)
        with lake.writing(table):
            stored = upsert(incoming, lake, tenant=tenant, change=change, deleted=condition)
    _compact(lake, table, tenant, change)
    return stored


def delete_keys(
    lake: Lake,
    table: Table,
    files: Sequence[Path | Input],
    *,
    tenant: str,
    change: Change,
    progress: Callable[[int], None] = lambda rows: None,
) -> Stored:
    """Delete a tenant's rows whose keys are in the files, which have the columns of the key and no other.

    Raises LakeError for a file that cannot be read, and LoadRejected for a bad key; nothing is deleted then. A key that
    is not stored is counted as ``marked`` and not as ``deleted``.
    """
    with staging(lake.storage.staging) as area:
        _read_keys(area, table, files, tenant, progress)
        incoming = Incoming(area, table)
        incoming.mark(f"SELECT * FROM {_NAMED}")  # noqa: S608
        with lake.writing(table):
            stored = upsert(incoming, lake, tenant=tenant, change=change)
    _compact(lake, table, tenant, change)
    return stored


def _read_keys(
    area: Staging, table: Table, files: Sequence[Path | Input], tenant: str, progress: Callable[[int], None]
) -> None:
    keys = replace(
        table,
        kind=TableKind.DIMENSION,
        event_time=None,
        columns=tuple(replace(table.by_name[name], not_before=None) for name in table.key),
    )
    incoming = Incoming(area, keys)
    bad = BadRows(area.path("rejected.ndjson"), keep=False)
    read = 0
    for each in (each for file in files for each in inputs_of(file)):
        with open_mapped(area, keys, each) as source:
            for chunk in source.chunks():
                read += stage_chunk(incoming, source, chunk, bad, tenant=tenant)
                progress(read)
    if bad.first is not None:
        raise rejected(bad.first, bad.count, read, LoadOptions())
    area.connection.execute(f"CREATE TEMP TABLE {_NAMED} AS SELECT {key_columns(table)} FROM {INCOMING}")  # noqa: S608


def _compact(lake: Lake, table: Table, tenant: str, change: Change) -> None:
    if not change.is_dry_run:
        with suppress(StorageUnavailable):  # the rows are gone; the next load tries to compact again
            compact(lake, table, tenant=tenant)
