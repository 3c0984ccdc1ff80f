"""A sample of a file: how it is read, its columns, and the first values of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from offtake.lake.ingest.chunks import Chunk, TextChunk
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK, mark_of
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.readers import open_source, source_format
from offtake.lake.ingest.readers.csv import CSV
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceValue, Wanted
from offtake.lake.staging import Staging

ROWS = 1_000
_START = 256 * 1024
_DELIMITERS = (",", ";", "\t", "|")
_LINES = 50
_DEPTH = 4  # of the paths of JSON
_BATCH = "chunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The columns of a file with their first values as text, null if there is none."""

    options: ReaderOptions
    encoding_is_guessed: bool
    columns: Mapping[str, Sequence[str | None]]
    lists: frozenset[str]  # columns whose values are lists
    repeated: frozenset[str]  # names of several columns
    is_nested: bool  # names are paths of keys


def read_sample(area: Staging, file: Input, options: ReaderOptions) -> Sample:
    """Return a sample of a file; of CSV, delimiter and encoding are found out unless given. Raises LakeError."""
    is_guessed = False
    if source_format(file) is CSV:
        options, is_guessed = _text_options(file, options)
    with open_source(area, file, options) as source:
        chunk = next(iter(source.rows(Wanted(columns=[])).chunks()), None) if source.names is None else None
        names = list(dict.fromkeys(source.names)) if source.names is not None else _paths(chunk)
    with open_source(area, file, options) as source:
        values = {name: value for name in names if (value := source.column(name)) is not None}
        columns = _values(area, source, values)
    lists = {name for name, value in values.items() if value.duckdb_type.endswith("[]")}
    lists |= {name for name, texts in columns.items() if _are_arrays(texts)}
    repeated = frozenset(name for name in source.names or () if (source.names or ()).count(name) > 1)
    return Sample(
        options=options,
        encoding_is_guessed=is_guessed,
        columns=columns,
        lists=frozenset(lists),
        repeated=repeated,
        is_nested=source.names is None,
    )


def _values(area: Staging, source: Source, values: Mapping[str, SourceValue]) -> Mapping[str, Sequence[str | None]]:
    if not values:
        return {}
    rows = source.rows(Wanted(columns=list(values)))
    found: list[tuple[str | None, ...]] = []
    selected = ", ".join(f"CAST({value.sql} AS VARCHAR)" for value in values.values())
    for chunk in rows.chunks():
        path, size = _chunk_file(area, chunk)
        parameters = {"path": path, **({"size": size} if "$size" in rows.relation else {})}
        sql = f"SELECT {selected} FROM ({rows.relation}) LIMIT {ROWS - len(found)}"  # noqa: S608
        try:
            found += area.connection.execute(sql, parameters).fetchall()
        except duckdb.InvalidInputException:  # records that no reader can read; the rest of the sample is enough
            break
        if len(found) >= ROWS:
            break
    return {name: [row[index] for row in found] for index, name in enumerate(values)}


def _chunk_file(area: Staging, chunk: Chunk) -> tuple[str, int]:
    if not isinstance(chunk, TextChunk):
        return chunk.engine_path, 0
    area.path(_BATCH).write_bytes(chunk.content)
    return area.engine_path(_BATCH), max(len(chunk.content) + 1, 1 << 21)


def _paths(chunk: Chunk | None) -> list[str]:
    """Return the paths of keys in the first objects of NDJSON, in the order in which they occur."""
    if not isinstance(chunk, TextChunk):
        return []
    found: dict[str, None] = {}
    for line in chunk.content.split(b"\n", ROWS)[:ROWS]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        found.update(dict.fromkeys(_keys(row, "", 1)))
    # An object that is null in some rows is in none of them a value of its own.
    objects = {name[:end] for name in found for end, character in enumerate(name) if character == "."}
    return [name for name in found if name not in objects]


def _keys(value: object, prefix: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, dict) and item and depth < _DEPTH:
            yield from _keys(item, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}"


def _are_arrays(texts: Sequence[str | None]) -> bool:
    given = [text for text in texts if text]
    return bool(given) and all(text.startswith("[") and text.endswith("]") for text in given)


def _text_options(file: Input, given: ReaderOptions) -> tuple[ReaderOptions, bool]:
    """Return delimiter and encoding of a CSV file, and whether the encoding is a guess."""
    with file.open() as opened:
        mark = mark_of(opened.content)
        start = opened.content.start(_START)
    encoding, is_guessed = given.encoding, False
    if mark is None and encoding is None:
        try:
            start[: start.rfind(b"\n") + 1 or None].decode("utf-8")
        except UnicodeDecodeError:
            encoding, is_guessed = "windows-1252", True
    text = start.removeprefix(BYTE_ORDER_MARK).decode(mark or encoding or "utf-8", errors="replace")
    delimiter = given.delimiter or _delimiter(text)
    suffix_delimiter = "\t" if ".tsv" in file.file_name.lower() else ","
    return (
        replace(given, delimiter=None if delimiter == suffix_delimiter else delimiter, encoding=encoding),
        is_guessed,
    )


def _delimiter(text: str) -> str:
    """Return the delimiter with which the first records have most fields, as many in each."""

    def fields(delimiter: str) -> tuple[bool, int]:
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            counts = [len(row) for _, row in zip(range(_LINES), rows, strict=False) if row]
        except csv.Error:
            return False, 0
        # The last record may be cut off.
        return len(set(counts[:-1])) <= 1 and counts[:1] != [1], counts[0] if counts else 0

    return max(_DELIMITERS, key=fields)
