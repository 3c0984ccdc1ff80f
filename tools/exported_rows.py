"""Counts the rows of a downloaded export by parsing the whole file: with Python's own csv and json, in little memory,
and workbooks with calamine."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import python_calamine

_CHUNK = 1 << 20


class WrongFileError(ValueError):
    """The file is not what its format promises."""


def count_rows(path: Path, format_name: str) -> int:
    """Parse every row of ``path``, a file of the wire format ``format_name``, and return their number.

    Raises WrongFileError.
    """
    if format_name == "Xlsx":
        return _xlsx(path)
    count = {"csv": _csv, "json": _json, "json_bulk": _json_bulk, "json_array": _json_array}[format_name]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return count(file)
    except (csv.Error, ValueError, LookupError) as error:
        raise WrongFileError(f"{path} is no {format_name}: {error}") from error


def _xlsx(path: Path) -> int:
    """Rows of the data's sheets, without their headers."""
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except python_calamine.CalamineError as error:
        raise WrongFileError(f"{path} is no workbook: {error}") from error
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
    """The envelope around ``entries`` is parsed as one document, the entries one by one."""
    entries = Entries(file)
    rows = sum(1 for _ in entries)
    envelope = json.loads(entries.before + "[]" + entries.after)
    if envelope["entries"] != [] or envelope["total"] != rows:
        raise WrongFileError(f"the file says total = {envelope['total']} and holds {rows} entries")
    return rows


def _json_array(file: TextIO) -> int:
    """Rows that all have the same keys, in one array."""
    rows = json.load(file)
    if not isinstance(rows, list) or len({tuple(row) for row in rows}) > 1:
        raise WrongFileError("the file is no array of rows with the same keys")
    return len(rows)


class Entries:
    """The objects of the array called ``entries``; ``before`` and ``after`` are the text around the array."""

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
        while self._next_mark() != "]":
            yield self._object()
        self.after = self._text[self._at + 1 :] + self._file.read()

    def _next_mark(self) -> str:
        """The next character that is neither white space nor a comma between entries."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n,":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._more()

    def _object(self) -> dict[str, Any]:
        while True:
            try:
                found, self._at = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                self._more()
            else:
                row: dict[str, Any] = found
                return row

    def _more(self) -> None:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            raise WrongFileError("the file ends within its entries")
        self._text = self._text[self._at :] + chunk
        self._at = 0
