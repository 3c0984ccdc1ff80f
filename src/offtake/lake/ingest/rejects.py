"""Bad rows: counted, located, and either named in an error or written to the reject file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LakeError, LoadRejected
from offtake.lake.ingest.files import CSV, UNKNOWN_COLUMN, SourceFile, unknown_column, unreadable
from offtake.lake.ingest.line_numbers import records
from offtake.lake.ingest.staging import INCOMING, scalar
from offtake.lake.tables import Table

_STRUCTURE = {
    "MISSING COLUMNS": "has fewer fields than the header",
    "TOO MANY COLUMNS": "has more fields than the header",
    "UNQUOTED VALUE": "has a quote that is never closed, or text after a closing quote",
    "INVALID ENCODING": "is not UTF-8",
    "LINE SIZE OVER MAXIMUM": "is longer than 16 MiB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a row; ``column`` is None where the whole row is meant."""

    column: str | None
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One row that breaks the model, and where it stands."""

    path: Path
    line: int
    faults: tuple[Fault, ...]
    raw: object


def refuse_unknown_keys(connection: duckdb.DuckDBPyConnection, table: Table, sources: Sequence[SourceFile]) -> None:
    """NDJSON names its columns row by row: an unknown one is as fatal as in a header. Raises LakeError."""
    found = connection.execute(
        f'SELECT _file, _faults[1]."column" FROM {INCOMING} '  # noqa: S608
        "WHERE _faults[1].reason = $reason ORDER BY rowid LIMIT 1",
        {"reason": UNKNOWN_COLUMN},
    ).fetchone()
    if found is not None:
        raise unknown_column(table, sources[int(found[0])].path, str(found[1]))


def broken_rows(connection: duckdb.DuckDBPyConnection, source: SourceFile) -> dict[int, tuple[Fault, str]]:
    """CSV records that no row could be made of, by their place in the file."""
    if source.form is not CSV:
        return {}
    found = connection.execute(
        f"SELECT line, column_name, error_type, csv_line FROM broken_{source.number} ORDER BY line, byte_position DESC"  # noqa: S608
    ).fetchall()
    return {
        int(line): (Fault(column=column, value=None, reason=_structure(str(kind))), str(text))
        for line, column, kind, text in found
    }


def _structure(kind: str) -> str:
    return _STRUCTURE.get(kind, f"cannot be read ({kind.lower()})")


def bad_rows(connection: duckdb.DuckDBPyConnection, sources: Sequence[SourceFile]) -> Iterator[BadRow]:
    """All bad rows in the order of the files and of their lines."""
    for source in sources:
        broken = broken_rows(connection, source)
        faulty = f"FROM {INCOMING} WHERE _file = {source.number} AND _faults IS NOT NULL"
        if broken or scalar(connection, f"SELECT count(*) {faulty}"):
            with unreadable(source.path):
                yield from _of_source(connection, source, broken)


def _of_source(
    connection: duckdb.DuckDBPyConnection, source: SourceFile, broken: dict[int, tuple[Fault, str]]
) -> Iterator[BadRow]:
    """Walk the file beside the staged rows: a record is either broken, or the next staged row."""
    cursor = connection.cursor()
    first = scalar(cursor, f"SELECT min(rowid) FROM {INCOMING} WHERE _file = {source.number}")  # noqa: S608
    cursor.execute(
        f"SELECT rowid - {first}, _faults, _raw FROM {INCOMING} "  # noqa: S608
        f"WHERE _file = {source.number} AND _faults IS NOT NULL ORDER BY rowid"
    )
    structural = iter(broken.values())
    left = len(broken)
    staged = -1
    pending = cursor.fetchone()
    for record in records(source, broken):
        if pending is None and left == 0:
            return
        if record.broken:
            fault, text = next(structural)
            left -= 1
            yield BadRow(path=source.path, line=record.line, faults=(fault,), raw={"text": text})
            continue
        staged += 1
        if pending is not None and pending[0] == staged:
            faults = tuple(Fault(**fault) for fault in pending[1])
            raw = json.loads(pending[2]) if pending[2] is not None else {"text": record.text}
            yield BadRow(path=source.path, line=record.line, faults=faults, raw=raw)
            pending = cursor.fetchone()


def rejected(first: BadRow, bad: int) -> LoadRejected:
    """The error for a load that stops at its first bad row."""
    fault = first.faults[0]
    column = f", column {fault.column}" if fault.column else ""
    value = f"{fault.value!r} " if fault.value is not None else ""
    more = f" {bad - 1} more bad rows follow." if bad > 1 else ""
    where = f"{first.path}, line {first.line}{column}"
    return LoadRejected(f"{where}: {value}{fault.reason}.{more} Nothing was loaded.")


@contextmanager
def reject_file(path: Path | None, rows: Iterator[BadRow]) -> Iterator[None]:
    """Write the bad rows beside ``path`` first, and put the file in place only when the block, the commit, succeeded.

    So a full disk stops the load before anything is stored, and a failed load leaves an older file as it was.
    """
    if path is None:
        yield
        return
    if path.is_dir():
        raise LakeError(f"{path}: is a folder; name a file for the rejected rows. Nothing was loaded.")
    unfinished = path.with_name(f"{path.name}.unfinished")
    stored = False
    try:
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as out:
                out.writelines(f"{_as_json(row)}\n" for row in rows)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise LakeError(f"{path}: cannot be written: {error}. Nothing was loaded.") from error
        yield
        stored = True
        _put_in_place(unfinished, path)
    finally:
        if not stored:
            unfinished.unlink(missing_ok=True)


def _put_in_place(unfinished: Path, path: Path) -> None:
    try:
        unfinished.replace(path)
    except OSError as error:
        stored = f"The good rows are stored; the rejected are in {unfinished}."
        raise LakeError(f"{path}: cannot be put in place: {error}. {stored}") from error


def _as_json(row: BadRow) -> str:
    faults = [{"column": fault.column, "value": fault.value, "reason": fault.reason} for fault in row.faults]
    first = {"file": str(row.path), "line": row.line, "column": faults[0]["column"], "reason": faults[0]["reason"]}
    return json.dumps({**first, "faults": faults, "row": row.raw}, ensure_ascii=False)
