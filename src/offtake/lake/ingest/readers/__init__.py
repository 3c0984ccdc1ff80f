"""The file formats that a load reads, one module each; a new one is a module and a name in ``FORMATS``."""

from __future__ import annotations

import csv as csv_module
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.inputs import open_input
from offtake.lake.ingest.readers.csv import CSV
from offtake.lake.ingest.readers.ndjson import NDJSON
from offtake.lake.ingest.readers.parquet import PARQUET
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.staging import Staging

FORMATS = (CSV, NDJSON, PARQUET)
_ENGINE_PATH = re.compile(r"/proc/self/fd/\d+(/[\w.-]+)?")


@contextmanager
def open_source(staging: Staging, path: Path, options: ReaderOptions) -> Iterator[Source]:
    """Open an input file, which stays open while the block reads it.

    Raises LakeError if its format is unknown, and for any error while it is read.
    """
    form = source_format(path)
    with open_input(path) as file, _unreadable(path):
        yield form.open(staging, file, options)


def source_format(path: Path) -> SourceFormat:
    """Return the format that the name of a file tells. Raises LakeError."""
    for form in FORMATS:
        if path.name.lower().endswith(form.suffixes):
            return form
    suffixes = ", ".join(suffix for form in FORMATS for suffix in form.suffixes)
    raise LakeError(f"{path}: unknown file format; the file name must end with one of {suffixes}.")


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Translate errors while reading an input file into LakeError that names the file."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeError, csv_module.Error, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # The engine knows the file by a descriptor (``inputs.py``) or as a piece of it (``staging.py``).
        fault = _ENGINE_PATH.sub(lambda _: str(path), lines[0])
        raise LakeError(f"{path}: the file cannot be read: {fault}") from error
