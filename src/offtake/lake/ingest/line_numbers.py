"""Line numbers of bad rows.

DuckDB's readers do not report the line on which a record starts. If a file has bad rows, and only then, this module
reads it again line by line.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import IO

from offtake.lake.ingest.files import CSV, NDJSON, PARQUET, SourceFile

_BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a file.

    ``line`` is its first line (Parquet: the row number); ``broken`` is true if DuckDB could not split it into fields.
    """

    line: int
    broken: bool = False
    text: str | None = None


def records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    """Yield the records of a file in order; ``broken`` holds the positions of those that DuckDB could not parse."""
    return _READERS[source.form.name](source, broken)


def _csv_records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    """Positions count the header as 1 and include blank lines, as in DuckDB; blank lines are not records."""
    one_column = len(source.expressions) == 1  # an empty line is then a record with an empty value
    with _lines(source) as lines:
        for position, (line, blank) in enumerate(csv_records(lines), start=1):
            if position > 1 and (one_column or not blank):
                yield Record(line=line, broken=position in broken)


def csv_records(lines: Iterable[bytes]) -> Iterator[tuple[int, bool]]:
    """Yield the first line of each CSV record, and whether that line is blank."""
    first, blank, quoted = 1, False, False
    for number, line in enumerate(lines, start=1):
        if not quoted:
            first, blank = number, line in (b"\n", b"\r\n")
        if b'"' in line:
            quoted = _ends_quoted(line, quoted)
        if not quoted:
            yield first, blank
    if quoted:
        yield first, False


def _ends_quoted(line: bytes, quoted: bool) -> bool:
    """Return whether a quoted field is open after this line. A quote opens a field only at its start."""
    parts = line.split(b'"')
    for index, part in enumerate(parts[:-1]):
        if quoted:
            quoted = False
        else:
            doubled = index > 0 and not part  # a doubled quote does not close the field
            before = part.rstrip(b" ")
            quoted = doubled or before.endswith(b",") or (index == 0 and not before)
    return quoted


def _ndjson_records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    del broken  # DuckDB yields a row without values for a line that is not JSON
    with _lines(source) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip(_BLANK):
                yield Record(line=number, text=line.rstrip(b"\r\n").decode("utf-8", errors="replace"))


def _parquet_records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    del source, broken
    return (Record(line=number) for number in count(1))


def _lines(source: SourceFile) -> IO[bytes] | gzip.GzipFile:
    if source.path.name.lower().endswith(".gz"):
        return gzip.open(source.path, "rb")
    return source.path.open("rb")


_READERS: Mapping[str, Callable[[SourceFile, Collection[int]], Iterator[Record]]] = MappingProxyType(
    {CSV.name: _csv_records, NDJSON.name: _ndjson_records, PARQUET.name: _parquet_records}
)
