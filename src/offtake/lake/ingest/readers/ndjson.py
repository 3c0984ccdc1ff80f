"""Reads newline-delimited JSON: one object per line, each with keys of its own.

A column is a key, or a path of keys such as ``customer.address.city`` into nested objects. A key that contains dots
itself is found first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from offtake.lake.ingest.chunks import TextChunk, read_ahead
from offtake.lake.ingest.content import as_text
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.ndjson_chunks import ndjson_chunks
from offtake.lake.ingest.readers.source import (
    ReaderOptions,
    Source,
    SourceFormat,
    SourceKind,
    SourceRows,
    SourceValue,
    Wanted,
)
from offtake.lake.staging import Staging
from offtake.sql_text import comma_separated, quote_literal

_ROW_FAULT = (
    "CASE WHEN _json IS NULL THEN 'the line is not JSON' WHEN _keys IS NULL THEN 'the line is not a JSON object' "
    "WHEN len(_keys) <> len(list_distinct(_keys)) THEN 'the object has a key twice' END"
)


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del staging
    text = as_text(file, ".ndjson", options.encoding)
    return json_source(NDJSON, text, lambda long: read_ahead(ndjson_chunks(text, long)))


def json_source(
    form: SourceFormat, file: InputFile, chunks: Callable[[Collection[str]], Iterator[TextChunk]]
) -> Source:
    """Return the source of rows that are JSON objects; ``chunks`` yields them without the long texts of the keys."""
    numbers: dict[str, int] = {}  # of the columns that a mapping asked for

    def column(name: str) -> SourceValue | None:
        if not name or '"' in name:  # not to be written in a JSON path
            return None
        number = numbers.setdefault(name, len(numbers) + 1)
        return SourceValue(name=name, kind=SourceKind.JSON, sql=f"t{number}", json=f"j{number}")

    def rows(wanted: Wanted) -> SourceRows:
        return SourceRows(
            chunks=lambda: chunks(wanted.long),
            relation=_relation({name: numbers[name] for name in wanted.columns}),
            raw="CAST(_json AS VARCHAR)",
            row_fault=_ROW_FAULT,
            unknown_keys=_unknown_keys(wanted.permitted),
        )

    return Source(path=file.name, form=form, names=None, column=column, rows=rows, location=file.name)


def _relation(columns: Mapping[str, int]) -> str:
    """Return the rows of a chunk: per column its JSON value and its text, and the object's JSON text and keys."""
    paths: list[str] = []
    values = []
    for name, column in columns.items():
        candidates = [f'$."{name}"']
        if "." in name and all(name.split(".")):
            candidates.append("$." + ".".join(f'"{key}"' for key in name.split(".")))
        found = [f"_values[{number}]" for number in range(len(paths) + 1, len(paths) + len(candidates) + 1)]
        value = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
        paths += candidates
        values.append(f"nullif({value}, 'null'::JSON) AS j{column}")
    texts = [f"(j{column} ->> '$') AS t{column}" for column in columns.values()]
    listed = ", ".join(quote_literal(path) for path in paths)
    return (
        f"SELECT *,\n    {comma_separated(texts)}\nFROM (SELECT _json, _keys,\n    {comma_separated(values)}\n"
        f"FROM (SELECT json AS _json, json_extract(json, [{listed}]) AS _values,\n"
        "    CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) END AS _keys\n"
        "FROM read_ndjson_objects($path, ignore_errors = true, maximum_object_size = $size)))"
    )


def _unknown_keys(permitted: Collection[str] | None) -> str | None:
    if permitted is None:
        return None
    known = ", ".join(quote_literal(name) for name in permitted)
    unknown = f"list_distinct(list_filter(_keys, lambda key: NOT list_contains([{known}]::VARCHAR[], key)))"
    return f"CASE WHEN NOT list_has_all([{known}]::VARCHAR[], _keys) THEN {unknown} END"


NDJSON = SourceFormat(name="NDJSON", suffixes=(".ndjson", ".jsonl"), open=_open)
