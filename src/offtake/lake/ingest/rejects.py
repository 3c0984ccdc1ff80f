"""Bad rows of a load: locate them, report the first in an error, or write all to the reject file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path

import duckdb

from offtake.errors import LoadRejected, OutputError
from offtake.lake.ingest.chunks import Chunk, Record, TextChunk
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.csv_records import QUOTE_FAULT
from offtake.lake.ingest.incoming import ARRIVING, Incoming
from offtake.lake.ingest.long_values import restore
from offtake.lake.ingest.mapping.mapped import NEVER, UNKNOWN_COLUMN, MappedSource
from offtake.lake.ingest.max_rejects import MaxRejects
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.readers.csv import BROKEN, BROKEN_SCANS
from offtake.output_file import output_file

_STRUCTURE = {
    "MISSING COLUMNS": "the line has fewer fields than the header",
    "TOO MANY COLUMNS": "the line has more fields than the header",
    "UNQUOTED VALUE": QUOTE_FAULT,
    "INVALID ENCODING": "the text is not valid UTF-8; name its encoding with --encoding, such as windows-1252",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a row; ``column`` is None if the fault concerns the row as a whole."""

    column: str | None
    value: str | None
    reason: str
    origin: str | None = None  # the source column of another name


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that violates the model, and its location: ``line`` of ``path``, or its number if it has no line."""

    path: str
    line: int
    faults: tuple[Fault, ...]
    raw: str  # as JSON

    location: str  # ``path:line``, or path and row number


class BadRows:
    """The bad rows of a load, in the order of files and lines; they are kept in ``spool`` if there is a reject file."""

    def __init__(self, spool: Path, *, keep: bool) -> None:
        self.first: BadRow | None = None
        self.count = 0
        self.left_out = 0  # rows that a filter leaves out; they are not bad
        self._spool = spool
        self._keep = keep

    @property
    def counts(self) -> LoadCounts:
        """Counts of the rows that are not stored."""
        return LoadCounts(read=self.count + self.left_out, rejected=self.count, left_out=self.left_out)

    def take(self, incoming: Incoming, source: MappedSource, chunk: Chunk, broken: Mapping[int, Fault]) -> None:
        """Take the bad rows of a chunk, and keep its good ones.

        Raises LakeError for an unknown column, which stops the load as in a header.
        """
        self._add(bad_rows(incoming.connection, source, chunk, broken), source)
        if source.left_out != NEVER:
            self.left_out += incoming.left_out()
        incoming.keep()

    def _add(self, rows: Iterator[BadRow], source: MappedSource) -> None:
        with self._spool.open("a", encoding="utf-8", newline="\n") as spool:
            for row in rows:
                if row.faults[0].reason == UNKNOWN_COLUMN:
                    raise source.unknown_column(row.location, str(row.faults[0].column))
                self.first = self.first or row
                self.count += 1
                if self._keep:
                    spool.write(f"{_as_json(row)}\n")

    def lines(self) -> Iterator[str]:
        """Yield the lines of the reject file."""
        if self._spool.exists():
            with self._spool.open(encoding="utf-8", newline="\n") as spool:
                yield from spool


def bad_rows(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, chunk: Chunk, broken: Mapping[int, Fault]
) -> Iterator[BadRow]:
    """Yield the bad rows of the chunk in order; ``broken`` are those that the engine could not parse."""
    faulty = connection.execute(
        f"SELECT rowid, _faults, _raw FROM {ARRIVING} WHERE _faults IS NOT NULL ORDER BY rowid"  # noqa: S608
    ).fetchall()
    if isinstance(chunk, TextChunk):
        records = chunk.split() if faulty or broken else ()
        found = [
            *(
                (n, _faulty(source, records[n].line, faults, raw, _text(records[n], chunk)))
                for n, faults, raw in _numbered(faulty, broken)
            ),
            # DuckDB 2.0 reports the text of another record, or none, if quotes are at wrong places.
            *((n, _broken(source, records[n].line, fault, _text(records[n], chunk))) for n, fault in broken.items()),
        ]
        found.sort(key=lambda each: each[0])
        early = [
            (each.position, _broken(source, each.line, Fault(column=None, value=None, reason=each.reason), each.text))
            for each in chunk.broken
        ]
        for _, row in merge(early, found, key=lambda each: each[0]):
            yield replace(row, raw=restore(row.raw, chunk.long_values)) if chunk.long_values else row
    else:
        for n, faults, raw in faulty:
            yield _faulty(source, chunk.first + n, faults, raw, "")


def broken_rows(connection: duckdb.DuckDBPyConnection, source: MappedSource) -> Mapping[int, Fault]:
    """Return and forget the records that the engine could not parse, by their number in the chunk, from 0."""
    if not source.form.reports_broken_records:
        return {}
    with suppress(duckdb.CatalogException):  # without a broken record, there is no table
        rows = connection.execute(
            f"SELECT line, column_name, error_type FROM {BROKEN} ORDER BY line, byte_position DESC"  # noqa: S608
        ).fetchall()
        connection.execute(f"DROP TABLE {BROKEN}; DROP TABLE {BROKEN_SCANS}")
        return {
            int(line) - 1: Fault(column=source.engine_names.get(column), value=None, reason=_structure(str(error_type)))
            for line, column, error_type in rows
        }
    return {}


def _structure(error_type: str) -> str:
    return _STRUCTURE.get(error_type, f"the line cannot be parsed ({error_type.lower()})")


def _numbered(
    faulty: Sequence[tuple[int, list[dict[str, str | None]], str | None]], broken: Mapping[int, object]
) -> Iterator[tuple[int, list[dict[str, str | None]], str | None]]:
    """Number the rows as the records of the chunk are: the engine numbers them without the broken ones."""
    numbers = record_numbers([rowid for rowid, _, _ in faulty], broken)
    for number, (_, faults, raw) in zip(numbers, faulty, strict=True):
        yield number, faults, raw


def record_numbers(rowids: Iterable[int], broken: Collection[int]) -> Iterator[int]:
    """Yield the numbers of records from the numbers of rows, which are in order."""
    skipped = 0
    remaining = iter(sorted(broken))
    following = next(remaining, None)
    for rowid in rowids:
        while following is not None and following <= rowid + skipped:
            skipped += 1
            following = next(remaining, None)
        yield rowid + skipped


def _text(record: Record, chunk: TextChunk) -> str:
    """Return the text of a record as the file has it."""
    return restore(record.content.decode("utf-8", errors="replace"), chunk.long_values)


def _faulty(source: MappedSource, line: int, faults: list[dict[str, str | None]], raw: str | None, text: str) -> BadRow:
    if raw is None:  # the engine could not read the record as JSON
        raw = _text_as_json(text)
    found = tuple(
        Fault(
            column=each["column"],
            value=each["value"],
            reason=str(each["reason"]),
            origin=source.origins.get(each["column"] or ""),
        )
        for each in faults
    )
    return BadRow(path=source.path, line=line, location=row_location(source, line), faults=found, raw=raw)


def _broken(source: MappedSource, line: int, fault: Fault, text: str) -> BadRow:
    location = row_location(source, line)
    return BadRow(path=source.path, line=line, location=location, faults=(fault,), raw=_text_as_json(text))


def row_location(source: MappedSource, line: int) -> str:
    """Return where a row is: ``path:line``, or path and row number."""
    return f"{source.path}:{line}" if source.form.has_lines else f"{source.path}: row {line}"


def _text_as_json(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)


def rejected(first: BadRow, bad: int, read: int, options: LoadOptions) -> LoadRejected:
    """Return the error for a load with ``bad`` bad rows of ``read``, which are more than its options permit."""
    fault = first.faults[0]
    origin = f" (from {fault.origin!r})" if fault.origin else ""
    column = f": column {fault.column}{origin}" if fault.column else ""
    value = f"{fault.value!r} " if fault.value is not None else ""
    more = f" {bad - 1} more bad rows follow." if bad > 1 else ""
    where = f" All of them are in {options.reject_to}." if options.reject_to else ""
    if bad >= read:
        advice = "Nothing was loaded, because no row is good."
    elif options.max_rejects == MaxRejects():
        advice = "Nothing was loaded. Correct the file, or load the good rows with --max-rejects."
    else:
        advice = (
            f"Nothing was loaded, because {bad:,} of {read:,} rows are bad; --max-rejects is {options.max_rejects}."
        )
    return LoadRejected(f"{first.location}{column}: {value}{fault.reason}.{more}{where} {advice}")


@contextmanager
def reject_file(
    path: Path | None, lines: Iterator[str], *, inputs: Sequence[Path], stores: bool = True
) -> Iterator[None]:
    """Write the bad rows to a temporary file, and rename it to ``path`` after the block, the commit, succeeded.

    A full disk therefore stops the load before anything is stored, and a failed load keeps an existing reject file.
    ``inputs`` are never replaced; ``stores`` is whether the block stores the good rows. Raises OutputError.
    """
    if path is None:
        yield
        return
    outcome = "Nothing was loaded."
    try:
        with output_file(path, inputs=inputs) as file:
            file.write(lines)
            yield
            if stores:
                outcome = "The good rows are stored."
            file.publish()
    except OutputError as error:
        raise OutputError(f"{error.message} {outcome}") from error


def _as_json(row: BadRow) -> str:
    faults = [{"column": fault.column, "value": fault.value, "reason": fault.reason} for fault in row.faults]
    first = {"file": row.path, "line": row.line, "column": faults[0]["column"], "reason": faults[0]["reason"]}
    # The raw row is JSON already; it is not parsed again, because it may be nested too deeply for that.
    return f'{json.dumps({**first, "faults": faults}, ensure_ascii=False)[:-1]}, "row": {row.raw}}}'
