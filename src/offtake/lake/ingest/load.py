"""Load files into a lake table in one commit, all or nothing; every row is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.folders import parquet_parts
from offtake.lake.ingest.incoming import Incoming
from offtake.lake.ingest.inputs.input_file import Input, local_input
from offtake.lake.ingest.mapping.bind import Bound, bind
from offtake.lake.ingest.mapping.definition import IDENTITY, Keep, MappingDefinition
from offtake.lake.ingest.mapping.mapped import MappedSource
from offtake.lake.ingest.marks import separate_marks
from offtake.lake.ingest.max_rejects import MaxRejects
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.period import in_period, period_rule
from offtake.lake.ingest.readers import open_source, source_format
from offtake.lake.ingest.rejects import BadRows, reject_file, rejected
from offtake.lake.ingest.stage import stage_chunk
from offtake.lake.ingest.upsert import Stored, upsert
from offtake.lake.staging import Staging, staging
from offtake.lake.tables import Table

_PLAIN = LoadOptions()
_MOST_FAULTS = 20  # of columns that a message lists


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
    """Load files as ``load_files`` does; a load with a file for bad rows accepts any number of them."""
    accepted = MaxRejects(percent=100) if reject_to else MaxRejects()
    own = LoadOptions(mapping=mapping, reject_to=reject_to, max_rejects=accepted)
    return load_files(lake, table, files, tenant=tenant, options=own, progress=progress).counts


def load_files(
    lake: Lake,
    table: Table,
    files: Sequence[Path | Input],
    *,
    tenant: str,
    options: LoadOptions,
    progress: Callable[[int], None] = lambda rows: None,
) -> Stored:
    """Upsert the rows of all files by key, in one commit; ``progress`` gets the number of rows read after each chunk.

    A later row replaces an earlier one with the same key, unless the mapping says otherwise. Raises LakeError for a
    file that cannot be loaded, and LoadRejected for more bad rows than the options permit, which are then in the file
    for them; nothing is stored in either case. Foreign keys are not enforced: facts may arrive before the agents and
    teams they reference.
    """
    if not files:
        raise LakeError("There is no file to load; name at least one.")
    inputs = [each for file in files for each in inputs_of(file)]
    for each in inputs:
        source_format(each)
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, table, keeps_first=options.mapping.keep is Keep.FIRST)
        bad = BadRows(area.path("rejected.ndjson"), keep=options.reject_to is not None)
        deleted = None if options.period is None else in_period(area.connection, table, options.period)
        read = 0
        for each in inputs:
            with open_mapped(area, table, each, options) as source:
                for chunk in source.chunks():
                    read += stage_chunk(incoming, source, chunk, bad, tenant=tenant)
                    progress(read)
        local = [each.local for each in inputs if each.local]
        if bad.first is not None and not options.max_rejects.permits(bad.count, read - bad.left_out):
            with reject_file(options.reject_to, bad.lines(), inputs=local, stores=False):
                pass
            raise rejected(bad.first, bad.count, read - bad.left_out, options)
        if options.newest_event is not None and (newest := incoming.newest_event()) is not None:
            options.newest_event(newest)
        with reject_file(options.reject_to, bad.lines(), inputs=local), lake.writing(table):
            stored = upsert(
                incoming, lake, tenant=tenant, change=options.change, deleted=deleted, not_incoming=bad.counts
            )
    with suppress(StorageUnavailable):  # the rows are stored; the next load tries to compact again
        compact(lake, table, tenant=tenant)
    return stored


def inputs_of(file: Path | Input) -> list[Input]:
    """Return the inputs that a path names: several for a folder of Parquet files. Raises LakeError."""
    return [file] if isinstance(file, Input) else [local_input(part) for part in parquet_parts(file)]


@contextmanager
def open_mapped(area: Staging, table: Table, file: Input, options: LoadOptions = _PLAIN) -> Iterator[MappedSource]:
    """Open an input and map its columns. Raises LakeError, also for any error while the block reads it."""
    with open_bound(area, table, file, options) as bound:
        if bound.faults:
            more = len(bound.faults) - _MOST_FAULTS
            listed = [fault.message for fault in bound.faults[:_MOST_FAULTS]]
            raise LakeError("\n".join([*listed, f"… and {more} more faults of columns."] if more > 0 else listed))
        yield bound.source


@contextmanager
def open_bound(area: Staging, table: Table, file: Input, options: LoadOptions) -> Iterator[Bound]:
    """Open an input and map its columns as ``open_mapped`` does; the faults of columns are values."""
    with open_source(area, file, options.mapping.options) as source:
        marked = "false"
        if options.delete_column is not None:
            source, marked = separate_marks(source, options.delete_column)
        bound = bind(options.mapping, table, source, area.connection)
        rules = {} if options.period is None else period_rule(table)
        yield replace(bound, source=replace(bound.source, marked=marked, rules=rules))
