"""Count the rows of an exported file by parsing all of it: text with Python's csv and json in little memory, workbooks
with calamine, Parquet and Arrow with pyarrow."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import python_calamine

_CHUNK = 1 << 20


class WrongFileError(ValueError):
    """The file is not valid in its format."""


def count_rows(path: Path, format_name: str) -> int:
    """Parse every row of ``path``, a file of the dialect's format ``format_name``, and return the number of rows.

    Raises WrongFileError.
    """
    if format_name in _BINARY:
        return _BINARY[format_name](path)
    count = _TEXT[format_name]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return count(file)
    except (csv.Error, ValueError, LookupError) as error:
        raise WrongFileError(f"{path} is not valid {format_name}: {error}") from error


def _xlsx(path: Path) -> int:
    """Count rows of the data sheets, without their headers."""
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except python_calamine.CalamineError as error:
        raise WrongFileError(f"{path} is not a valid workbook: {error}") from error
    sheets = [book.get_sheet_by_name(name) for name in book.sheet_names if name.startswith("Export")]
    return sum(len(sheet.to_python()) - 1 for sheet in sheets)


def _csv(file: TextIO) -> int:
    lines = csv.reader(file, strict=True)
    width = len(next(lines))
    rows = 0
    for row in lines:
        rows += 1
        if len(row) != width:
            raise WrongFileError(f"row {rows} has {len(row)} fields, the header has {width}")
    return rows


def _json_bulk(file: TextIO) -> int:
    return sum(isinstance(json.loads(line), dict) for line in file)


def _json(file: TextIO) -> int:
    """Count ``entries`` one by one, then parse the document around them and compare its ``total``."""
    entries = Entries(file)
    rows = sum(1 for _ in entries)
    document = json.loads(entries.before + "[]" + entries.after)
    if document["entries"] != [] or document["total"] != rows:
        raise WrongFileError(f"the file has total = {document['total']} and {rows} entries")
    return rows


def _json_array(file: TextIO) -> int:
    """Count rows in one array; all must have the same keys."""
    rows = json.load(file)
    if not isinstance(rows, list) or len({tuple(row) for row in rows}) > 1:
        raise WrongFileError("the file is not an array of rows with the same keys")
    return len(rows)


def _parquet(path: Path) -> int:
    try:
        return int(pyarrow.parquet.read_table(path).num_rows)
    except pyarrow.ArrowException as error:
        raise WrongFileError(f"{path} is not a valid Parquet file: {error}") from error


def _arrow(path: Path) -> int:
    try:
        with pyarrow.memory_map(str(path)) as file:
            opened = pyarrow.ipc.open_file(file)
            return sum(opened.get_batch(number).num_rows for number in range(opened.num_record_batches))
    except pyarrow.ArrowException as error:
        raise WrongFileError(f"{path} is not a valid Arrow file: {error}") from error


_BINARY = {"Xlsx": _xlsx, "xlsx": _xlsx, "parquet": _parquet, "arrow": _arrow}
_TEXT = {"csv": _csv, "json": _json, "json_bulk": _json_bulk, "ndjson": _json_bulk, "json_array": _json_array}


class Entries:
    """Iterate over the objects of the array ``entries``; ``before`` and ``after`` are the text around the array."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._text = file.read(_CHUNK)
        start = self._text.index('"entries"') + len('"entries"')
        start = self._text.index("[", start)
        self.before = self._text[:start]
        self.after = ""
        self._at = start + 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while self._next_character() != "]":
            yield self._object()
        self.after = self._text[self._at + 1 :] + self._file.read()

    def _next_character(self) -> str:
        """Return the next character that is neither white space nor a comma between entries."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n,":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._read_more()

    def _object(self) -> dict[str, Any]:
        while True:
            try:
                found, self._at = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                self._read_more()
            else:
                row: dict[str, Any] = found
                return row

    def _read_more(self) -> None:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            raise WrongFileError("the file ends within its entries")
        self._text = self._text[self._at :] + chunk
        self._at = 0
