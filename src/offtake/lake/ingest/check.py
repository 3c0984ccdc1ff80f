"""Check files without loading them: all faults of all rows and columns, grouped by column and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.chunks import Chunk, Record, TextChunk
from offtake.lake.ingest.incoming import ARRIVING, Incoming, scalar
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.load import inputs_of, open_bound
from offtake.lake.ingest.mapping.mapped import NEVER, MappedSource
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.period import in_period
from offtake.lake.ingest.rejects import Fault, record_numbers, row_location
from offtake.lake.ingest.stage import stage_chunk
from offtake.lake.staging import staging
from offtake.lake.tables import Table

_PLAIN = LoadOptions()
EXAMPLES = 3  # locations and values that a group shows


@dataclass(slots=True, kw_only=True)
class FaultGroup:
    """All faults of one column with one reason."""

    column: str | None  # of the table, or of the source if the table has none; None: of whole rows or a file
    origin: str | None  # the source column, if it has another name
    reason: str
    count: int = 0  # of rows, or of files
    first: list[str] = field(default_factory=list)  # locations
    examples: list[str] = field(default_factory=list)  # different values

    def add(self, count: int, locations: Iterable[str], values: Iterable[str | None]) -> None:
        """Add faults; of locations and values, the first ones are kept."""
        self.count += count
        self.first += list(locations)[: EXAMPLES - len(self.first)]
        for value in values:
            if value is not None and value not in self.examples and len(self.examples) < EXAMPLES:
                self.examples.append(value)


@dataclass(slots=True)
class CheckReport:
    """What a load of the same files would find: ``read`` is the sum of good, rejected and left out rows."""

    read: int = 0
    rejected: int = 0
    left_out: int = 0
    file_faults: bool = False  # a file, or its columns as a whole; rows are not the only fault
    groups: dict[tuple[str | None, str], FaultGroup] = field(default_factory=dict)

    @property
    def good(self) -> int:
        """Number of rows that a load would store or replace by a later row."""
        return self.read - self.rejected - self.left_out

    def group(self, column: str | None, reason: str, origin: str | None = None) -> FaultGroup:
        """Return the group of a column and reason."""
        return self.groups.setdefault((column, reason), FaultGroup(column=column, origin=origin, reason=reason))

    def add_file_fault(self, column: str | None, reason: str, location: str) -> None:
        """Add a fault that stops a load, whatever its rows are."""
        self.file_faults = True
        self.group(column, reason).add(1, [location], [])

    def take(self, incoming: Incoming, source: MappedSource, chunk: Chunk, broken: Mapping[int, Fault]) -> None:
        """Count the faults of a chunk, and forget its rows."""
        connection = incoming.connection
        found = connection.execute(
            "SELECT fault.column, fault.reason, count(*), min(row, $most), arg_min(fault.value, row, $most) "  # noqa: S608
            f"FROM (SELECT rowid AS row, unnest(_faults) AS fault FROM {ARRIVING} WHERE _faults IS NOT NULL) "
            "GROUP BY ALL ORDER BY min(row), 1, 2",
            {"most": EXAMPLES},
        ).fetchall()
        location = _Locations(source, chunk, broken)
        for column, reason, count, rows, values in found:
            group = self.group(column, reason, source.origins.get(column or ""))
            group.add(count, location.of_rows(rows) if len(group.first) < EXAMPLES else [], values or [])
        self.rejected += scalar(connection, f"SELECT count(*) FROM {ARRIVING} WHERE _faults IS NOT NULL")  # noqa: S608
        for number, fault in sorted(broken.items()):
            group = self.group(fault.column, fault.reason)
            group.add(1, location.of_records([number]) if len(group.first) < EXAMPLES else [], [])
        early = chunk.broken if isinstance(chunk, TextChunk) else ()
        for record in early:
            self.group(None, record.reason).add(1, [row_location(source, record.line)], [])
        self.rejected += len(broken) + len(early)
        if source.left_out != NEVER:
            self.left_out += incoming.left_out()
        incoming.clear()


class _Locations:
    """Finds the lines of the rows of a chunk; its records are split once, if any is needed."""

    def __init__(self, source: MappedSource, chunk: Chunk, broken: Mapping[int, Fault]) -> None:
        self._source, self._chunk, self._broken = source, chunk, broken
        self._records: Sequence[Record] | None = None

    def of_rows(self, rows: Sequence[int]) -> list[str]:
        return self.of_records(record_numbers(rows, self._broken))

    def of_records(self, numbers: Iterable[int]) -> list[str]:
        if not isinstance(self._chunk, TextChunk):
            return [row_location(self._source, self._chunk.first + number) for number in numbers]
        if self._records is None:
            self._records = self._chunk.split()
        return [row_location(self._source, self._records[number].line) for number in numbers]


def check(
    lake: Lake,
    table: Table,
    files: Sequence[Path | Input],
    *,
    tenant: str,
    options: LoadOptions = _PLAIN,
    progress: Callable[[int], None] = lambda rows: None,
) -> CheckReport:
    """Read all files as a load does, and change nothing; ``progress`` gets the rows read after each chunk.

    A file that cannot be read is a fault of the report; the others are still read.
    """
    report = CheckReport()
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, table)
        if options.period is not None:
            in_period(area.connection, table, options.period)
        for named in files:
            try:
                inputs = inputs_of(named)
            except LakeError as error:
                report.add_file_fault(None, error.message, str(named))
                continue
            for path in inputs:
                try:
                    _check_file(report, incoming, path, options, tenant=tenant, progress=progress)
                except LakeError as error:
                    incoming.clear()
                    report.add_file_fault(None, error.message, path.name)
    return report


def _check_file(
    report: CheckReport,
    incoming: Incoming,
    path: Input,
    options: LoadOptions,
    *,
    tenant: str,
    progress: Callable[[int], None],
) -> None:
    with open_bound(incoming.staging, incoming.table, path, options) as bound:
        for fault in bound.faults:
            report.add_file_fault(fault.column, fault.reason, bound.location)
        if not bound.source.expressions:
            return  # no column can be read
        for chunk in bound.source.chunks():
            report.read += stage_chunk(incoming, bound.source, chunk, report, tenant=tenant)
            progress(report.read)
