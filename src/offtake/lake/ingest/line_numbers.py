"""Where a bad row stands in its file.

DuckDB's readers do not say on which line a record begins, because records may span lines. So, once there is a bad row,
and only then, the file is walked line by line; files without bad rows are never walked.
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
    """One record: the line it begins on (for Parquet: the row number), whether its structure is broken, its text."""

    line: int
    broken: bool = False
    text: str | None = None


def records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    """The records of a source in order; ``broken`` holds the places of those that no row could be made of."""
    return _WALKS[source.form.name](source, broken)


def _csv_records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    """Places count the header as 1 and blank lines too, as DuckDB does; blank lines are no records."""
    one_column = len(source.readings) == 1  # there, an empty line is a record with an empty value
    with _lines(source) as lines:
        for place, (line, blank) in enumerate(csv_records(lines), start=1):
            if place > 1 and (one_column or not blank):
                yield Record(line=line, broken=place in broken)


def csv_records(lines: Iterable[bytes]) -> Iterator[tuple[int, bool]]:
    """The line each CSV record begins on, and whether that line is blank."""
    first, blank, inside = 1, False, False
    for number, line in enumerate(lines, start=1):
        if not inside:
            first, blank = number, line in (b"\n", b"\r\n")
        if b'"' in line:
            inside = _ends_inside(line, inside)
        if not inside:
            yield first, blank
    if inside:
        yield first, False


def _ends_inside(line: bytes, inside: bool) -> bool:
    """Whether a quoted field is open after this line. A quote opens one only where a field begins."""
    parts = line.split(b'"')
    for place, part in enumerate(parts[:-1]):
        if inside:
            inside = False
        else:
            doubled = place > 0 and not part  # "" inside quotes: it closed just now and goes on
            before = part.rstrip(b" ")
            inside = doubled or before.endswith(b",") or (place == 0 and not before)
    return inside


def _ndjson_records(source: SourceFile, broken: Collection[int]) -> Iterator[Record]:
    del broken  # a line that is not JSON makes a row without values, so no record is lost
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


_WALKS: Mapping[str, Callable[[SourceFile, Collection[int]], Iterator[Record]]] = MappingProxyType(
    {CSV.name: _csv_records, NDJSON.name: _ndjson_records, PARQUET.name: _parquet_records}
)
