"""The formats that a load reads, one module each; a new one is a module and a name in ``FORMATS``."""

from __future__ import annotations

import csv as csv_module
import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import COMPRESSIONS, without_compression
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.readers.arrow import ARROW
from offtake.lake.ingest.readers.csv import CSV
from offtake.lake.ingest.readers.database import DATABASE
from offtake.lake.ingest.readers.json_array import JSON
from offtake.lake.ingest.readers.lake_tables import DELTA, ICEBERG
from offtake.lake.ingest.readers.ndjson import NDJSON
from offtake.lake.ingest.readers.parquet import PARQUET
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.ingest.readers.workbook import XLSX
from offtake.lake.staging import Staging

FORMATS = (CSV, NDJSON, JSON, PARQUET, ARROW, XLSX, DELTA, ICEBERG, DATABASE)
_ENGINE_PATH = re.compile(r"/proc/self/fd/\d+(/[\w.-]+)?")


@contextmanager
def open_source(staging: Staging, source: Input, options: ReaderOptions) -> Iterator[Source]:
    """Open an input, which stays open while the block reads it.

    Raises LakeError if its format is unknown, and for any error while it is read.
    """
    form = source_format(source)
    with _unreadable(source.name), source.open() as file:
        yield form.open(staging, file, options)


def source_format(source: Input) -> SourceFormat:
    """Return the format of an input. Raises LakeError."""
    found = format_named(source.form) if source.form else format_of(source.file_name)
    if found is None and source.file_name.lower().endswith(".zip"):
        raise LakeError(
            f"{source.name}: a ZIP archive is read from a local file only. Copy it here, and load the copy."
        )
    if found is None:
        suffixes = ", ".join(suffix for form in FORMATS for suffix in form.suffixes)
        raise LakeError(
            f"{source.name}: unknown file format; the file name must end with one of {suffixes}, and may have "
            f"{' or '.join(COMPRESSIONS)} after it."
        )
    return found


def format_of(file_name: str) -> SourceFormat | None:
    """Return the format that the suffix of a name tells, or None."""
    name = without_compression(file_name)
    return next((form for form in FORMATS if form.suffixes and name.endswith(form.suffixes)), None)


def format_named(name: str) -> SourceFormat:
    """Return the format with this name. Raises LakeError."""
    found = next((form for form in FORMATS if form.name.lower() == name.lower()), None)
    if found is None:
        known = ", ".join(form.name.lower() for form in FORMATS if form.suffixes)
        raise LakeError(f"--format: {name!r} is not known; the formats are {known}.")
    return found


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    """Translate errors while reading an input into LakeError that names it."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeError, csv_module.Error, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # The engine knows the file by a descriptor (``input_file.py``) or as a piece of it (``staging.py``).
        fault = _ENGINE_PATH.sub(lambda _: name, lines[0])
        raise LakeError(f"{name}: the file cannot be read: {fault}") from error
