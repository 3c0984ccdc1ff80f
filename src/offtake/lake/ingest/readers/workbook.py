"""Reads a sheet of an Excel workbook (XLSX), row by row in bounded memory.

A column of a sheet has no type, so every cell becomes the text of its typed value: a date is ``2026-03-01 08:00:00``,
a whole number has no decimals. A formula counts with the value that the program stored with it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import refuse_bomb
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.readers.batches import batch_source
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.ingest.readers.texts import text_batches, text_schema
from offtake.lake.staging import Staging

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_MAX_ROWS = 1_048_576  # of a sheet, in Excel
_HELD_BYTES = 128 * 1024 * 1024  # of a part that is held in memory, such as the shared texts
_SHEETS = "xl/worksheets/"
_OLE = b"\xd0\xcf\x11\xe0"  # begins an encrypted workbook, and one of Excel 97 to 2003


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    if file.start(len(_OLE)) == _OLE:
        raise LakeError(
            f"{file.name}: the workbook has a password, or the format of Excel 97 to 2003. Save it as .xlsx without a "
            "password."
        )
    stored = file.opened.enter_context(os.fdopen(os.dup(file.on_disk(staging)), "rb"))
    _check_parts(file.name, stored)
    sheet = _sheet(file.name, _workbook(file, stored), options.sheet)
    rows = _rows(file.name, sheet)
    names = options.header or _header(rows)
    return batch_source(staging, file.name, XLSX, text_schema(names), text_batches(file.name, names, rows))


def _check_parts(name: str, stored: BinaryIO) -> None:
    """Refuse a workbook whose parts would exhaust the machine: they state their sizes, which the reader enforces."""
    try:
        with zipfile.ZipFile(stored) as parts:
            for part in parts.infolist():
                if part.filename.startswith(_SHEETS):
                    refuse_bomb(name, part.file_size, part.compress_size)
                elif part.file_size > _HELD_BYTES:
                    raise LakeError(
                        f"{name}: {part.filename} has more than {_HELD_BYTES // 1024**2} MiB, the most that a load "
                        "holds in memory. Save the sheet as CSV UTF-8."
                    )
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise LakeError(f"{name}: this is not a whole XLSX workbook ({error}). Save or copy it again.") from error


def _workbook(file: InputFile, stored: BinaryIO) -> Workbook:
    import openpyxl

    try:
        return openpyxl.load_workbook(stored, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets the errors of its XML and ZIP parsers through
        raise _damaged(file.name, error) from error


def _sheet(name: str, workbook: Workbook, wanted: str | None) -> ReadOnlyWorksheet:
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    listed = ", ".join(repr(title) for title in sheets)
    if wanted is not None and wanted not in sheets:
        raise LakeError(f"{name}: there is no sheet {wanted!r}; the sheets are {listed}.")
    if wanted is None and len(sheets) != 1:
        raise LakeError(f"{name}: the workbook has {len(sheets)} sheets; name one with --sheet: {listed}.")
    sheet: ReadOnlyWorksheet = sheets[wanted] if wanted is not None else next(iter(sheets.values()))
    sheet.reset_dimensions()  # a sheet may state fewer rows than it has
    return sheet


def _rows(name: str, sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield the rows that have a value, with their numbers. Raises LakeError for damage."""
    rows = iter(sheet.iter_rows(values_only=True))  # type: ignore[misc] # the stub has another class for self
    number = 0
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # as above
            raise _damaged(name, error) from error
        if row is None:
            return
        number += 1
        if number > _MAX_ROWS:
            raise LakeError(f"{name}: the sheet has more than {_MAX_ROWS:,} rows, the most of a workbook.")
        if any(value is not None for value in row):
            yield number, row


def _header(rows: Iterator[tuple[int, Sequence[object]]]) -> tuple[str, ...]:
    """Return the texts of the first row that has any, without empty cells at its end."""
    _, cells = next(rows, (0, ()))
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _damaged(name: str, error: Exception) -> LakeError:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return LakeError(f"{name}: the workbook cannot be read: {text}. Save or copy it again.")


XLSX = SourceFormat(name="XLSX", suffixes=(".xlsx", ".xlsm"), open=_open, has_lines=False)
