"""Load files into a lake table in one commit, all or nothing; every row is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.folders import parquet_parts
from offtake.lake.ingest.incoming import Incoming
from offtake.lake.ingest.inputs.input_file import Input, local_input
from offtake.lake.ingest.mapping.bind import bind
from offtake.lake.ingest.mapping.definition import IDENTITY, Keep, MappingDefinition
from offtake.lake.ingest.mapping.mapped import MappedSource
from offtake.lake.ingest.readers import open_source, source_format
from offtake.lake.ingest.rejects import BadRows, reject_file, rejected
from offtake.lake.ingest.stage import stage_chunk
from offtake.lake.ingest.upsert import upsert
from offtake.lake.staging import Staging, staging
from offtake.lake.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Number of rows read, by what happened to them."""

    read: int
    inserted: int
    updated: int
    superseded: int  # replaced by a later row with the same key in the same call
    rejected: int
    left_out: int = 0  # by the filter of a mapping

    def __post_init__(self) -> None:
        if self.read != self.inserted + self.updated + self.superseded + self.rejected + self.left_out:
            raise ValueError(f"rows were lost or counted twice: {self}")


def load(  # noqa: PLR0913
    lake: Lake,
    table: Table,
    files: Sequence[Path | Input],
    *,
    tenant: str,
    mapping: MappingDefinition = IDENTITY,
    reject_to: Path | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> LoadCounts:
    """Upsert the rows of all files by key, in one commit; ``progress`` gets the number of rows read after each chunk.

    A later row replaces an earlier one with the same key. Raises LakeError for a file that cannot be loaded, and
    LoadRejected at the first bad row unless ``reject_to`` names a file for bad rows; nothing is stored in either case.
    Foreign keys are not enforced: facts may arrive before the agents and teams they reference.
    """
    if not files:
        raise LakeError("There is no file to load; name at least one.")
    inputs = [each for file in files for each in inputs_of(file)]
    for each in inputs:
        source_format(each)
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, table, keeps_first=mapping.keep is Keep.FIRST)
        bad = BadRows(area.path("rejected.ndjson"), keep=reject_to is not None)
        read = 0
        for each in inputs:
            with open_mapped(area, table, each, mapping) as source:
                for chunk in source.chunks():
                    read += stage_chunk(incoming, source, chunk, bad, tenant=tenant)
                    progress(read)
        if bad.first is not None and reject_to is None:
            raise rejected(bad.first, bad.count)
        with (
            reject_file(reject_to, bad.lines(), inputs=[each.local for each in inputs if each.local]),
            lake.writing(table),
        ):
            stored = upsert(incoming, lake, tenant=tenant)
    with suppress(StorageUnavailable):  # the rows are stored; the next load tries to compact again
        compact(lake, table, tenant=tenant)
    return LoadCounts(
        read=read,
        inserted=stored.inserted,
        updated=stored.updated,
        superseded=stored.superseded,
        rejected=bad.count,
        left_out=bad.left_out,
    )


def inputs_of(file: Path | Input) -> list[Input]:
    """Return the inputs that a path names: several for a folder of Parquet files. Raises LakeError."""
    return [file] if isinstance(file, Input) else [local_input(part) for part in parquet_parts(file)]


@contextmanager
def open_mapped(
    area: Staging, table: Table, file: Input, mapping: MappingDefinition = IDENTITY
) -> Iterator[MappedSource]:
    """Open an input and map its columns. Raises LakeError, also for any error while the block reads it."""
    with open_source(area, file, mapping.options) as source:
        bound = bind(mapping, table, source, area.connection)
        if bound.faults:
            more = f" There are more faults of columns: {len(bound.faults) - 1}." if len(bound.faults) > 1 else ""
            raise LakeError(f"{bound.faults[0].message}{more}")
        yield bound.source
