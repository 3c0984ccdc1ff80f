"""Bad rows of a load: locate them, report the first in an error, or write all to the reject file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LoadRejected, OutputError
from offtake.lake.ingest.files import CSV, PARQUET, UNKNOWN_COLUMN, SourceFile, unknown_column, unreadable
from offtake.lake.ingest.line_numbers import records
from offtake.lake.ingest.staging import INCOMING, scalar
from offtake.lake.tables import Table
from offtake.output_file import output_file

_STRUCTURE = {
    "MISSING COLUMNS": "the line has fewer fields than the header",
    "TOO MANY COLUMNS": "the line has more fields than the header",
    "UNQUOTED VALUE": "a quoted field is not closed, or text follows its closing quote; double quotes inside a field",
    "INVALID ENCODING": "the text is not valid UTF-8; convert the file to UTF-8",
    "LINE SIZE OVER MAXIMUM": "the line is longer than 16 MiB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a row; ``column`` is None if the fault concerns the row as a whole."""

    column: str | None
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that violates the model, and its location: ``line`` of ``path``, or row number in a Parquet file."""

    path: Path
    line: int
    faults: tuple[Fault, ...]
    raw: object

    @property
    def location(self) -> str:
        """``path:line``; for Parquet, path and row number."""
        is_parquet = self.path.name.lower().endswith(PARQUET.suffixes)
        return f"{self.path}: row {self.line}" if is_parquet else f"{self.path}:{self.line}"


def refuse_unknown_keys(connection: duckdb.DuckDBPyConnection, table: Table, sources: Sequence[SourceFile]) -> None:
    """Raise LakeError for the first unknown column of an NDJSON line: like one in a header, it stops the load."""
    found = connection.execute(
        f"SELECT _file FROM {INCOMING} WHERE _faults[1].reason = $reason ORDER BY rowid LIMIT 1",  # noqa: S608
        {"reason": UNKNOWN_COLUMN},
    ).fetchone()
    if found is None:
        return
    for row in bad_rows(connection, [sources[int(found[0])]]):
        if row.faults[0].reason == UNKNOWN_COLUMN:
            raise unknown_column(table, row.location, str(row.faults[0].column))


def broken_rows(connection: duckdb.DuckDBPyConnection, source: SourceFile) -> dict[int, tuple[Fault, str]]:
    """Return the CSV records that DuckDB could not parse, by their position in the file."""
    if source.form is not CSV:
        return {}
    rows = connection.execute(
        f"SELECT line, column_name, error_type, csv_line FROM broken_{source.number} ORDER BY line, byte_position DESC"  # noqa: S608
    ).fetchall()
    return {
        int(line): (Fault(column=column, value=None, reason=_structure(str(error_type))), str(text))
        for line, column, error_type, text in rows
    }


def _structure(error_type: str) -> str:
    return _STRUCTURE.get(error_type, f"the line cannot be parsed ({error_type.lower()})")


def bad_rows(connection: duckdb.DuckDBPyConnection, sources: Sequence[SourceFile]) -> Iterator[BadRow]:
    """Yield all bad rows in the order of files and lines."""
    for source in sources:
        broken = broken_rows(connection, source)
        faulty = f"FROM {INCOMING} WHERE _file = {source.number} AND _faults IS NOT NULL"
        if broken or scalar(connection, f"SELECT count(*) {faulty}"):
            with unreadable(source.path):
                yield from _bad_rows_of_file(connection, source, broken)


def _bad_rows_of_file(
    connection: duckdb.DuckDBPyConnection, source: SourceFile, broken: dict[int, tuple[Fault, str]]
) -> Iterator[BadRow]:
    """Read the file in step with its staged rows: each record is either broken or the next staged row."""
    cursor = connection.cursor()
    first = scalar(cursor, f"SELECT min(rowid) FROM {INCOMING} WHERE _file = {source.number}")  # noqa: S608
    cursor.execute(
        f"SELECT rowid - {first}, _faults, _raw FROM {INCOMING} "  # noqa: S608
        f"WHERE _file = {source.number} AND _faults IS NOT NULL ORDER BY rowid"
    )
    broken_records = iter(broken.values())
    remaining = len(broken)
    staged = -1
    pending = cursor.fetchone()
    for record in records(source, broken):
        if pending is None and remaining == 0:
            return
        if record.broken:
            fault, text = next(broken_records)
            remaining -= 1
            yield BadRow(path=source.path, line=record.line, faults=(fault,), raw={"text": text})
            continue
        staged += 1
        if pending is not None and pending[0] == staged:
            faults = tuple(Fault(**fault) for fault in pending[1])
            raw = json.loads(pending[2]) if pending[2] is not None else {"text": record.text}
            yield BadRow(path=source.path, line=record.line, faults=faults, raw=raw)
            pending = cursor.fetchone()


def rejected(first: BadRow, bad: int) -> LoadRejected:
    """Return the error for a load that stops at its first bad row, of ``bad`` in total."""
    fault = first.faults[0]
    column = f": column {fault.column}" if fault.column else ""
    value = f"{fault.value!r} " if fault.value is not None else ""
    more = f" {bad - 1} more bad rows follow." if bad > 1 else ""
    advice = "Nothing was loaded. Correct the file, or load the good rows with --reject-to."
    return LoadRejected(f"{first.location}{column}: {value}{fault.reason}.{more} {advice}")


@contextmanager
def reject_file(path: Path | None, rows: Iterator[BadRow], *, inputs: Sequence[Path]) -> Iterator[None]:
    """Write the bad rows to a temporary file, and rename it to ``path`` after the block, the commit, succeeded.

    A full disk therefore stops the load before anything is stored, and a failed load keeps an existing reject file.
    ``inputs`` are never replaced. Raises OutputError.
    """
    if path is None:
        yield
        return
    outcome = "Nothing was loaded."
    try:
        with output_file(path, inputs=inputs) as file:
            file.write(f"{_as_json(row)}\n" for row in rows)
            yield
            outcome = "The good rows are stored."
            file.publish()
    except OutputError as error:
        raise OutputError(f"{error.message} {outcome}") from error


def _as_json(row: BadRow) -> str:
    faults = [{"column": fault.column, "value": fault.value, "reason": fault.reason} for fault in row.faults]
    first = {"file": str(row.path), "line": row.line, "column": faults[0]["column"], "reason": faults[0]["reason"]}
    return json.dumps({**first, "faults": faults, "row": row.raw}, ensure_ascii=False)
