"""Reads newline-delimited JSON: one object per line, each with keys of its own.

A column is a key, or a path of keys such as ``customer.address.city`` into nested objects. A key that contains dots
itself is found first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

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
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

UNKNOWN_KEY = "unknown column"  # reason of a row fault


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del staging
    text = as_text(file, ".ndjson", options.encoding)
    return json_source(NDJSON, text, lambda long: read_ahead(ndjson_chunks(text, long)))


def json_source(
    form: SourceFormat, file: InputFile, chunks: Callable[[Collection[str]], Iterator[TextChunk]]
) -> Source:
    """Return the source of rows that are JSON objects; ``chunks`` yields them without the long texts of the keys."""

    def rows(wanted: Wanted) -> SourceRows:
        fault, unknown = _row_fault(wanted.permitted)
        return SourceRows(
            chunks=lambda: chunks(wanted.long),
            relation=_relation(wanted.columns),
            raw="CAST(_json AS VARCHAR)",
            row_fault=fault,
            row_column=unknown,
        )

    return Source(path=file.name, form=form, names=None, column=_column, rows=rows, location=file.name)


def _column(name: str) -> SourceValue | None:
    if not name or '"' in name:  # not to be written in a JSON path
        return None
    return SourceValue(name=name, kind=SourceKind.JSON, sql=quote_identifier(name), json=_as_json(name))


def _relation(names: Sequence[str]) -> str:
    """Return the rows of a chunk: per column its JSON value and its text, and the object's JSON text and keys."""
    paths: list[str] = []
    values = []
    for name in names:
        candidates = [f'$."{name}"']
        if "." in name and all(name.split(".")):
            candidates.append("$." + ".".join(f'"{key}"' for key in name.split(".")))
        found = [f"_values[{number}]" for number in range(len(paths) + 1, len(paths) + len(candidates) + 1)]
        value = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
        paths += candidates
        values.append(f"nullif({value}, 'null'::JSON) AS {_as_json(name)}")
    texts = [f"({_as_json(name)} ->> '$') AS {quote_identifier(name)}" for name in names]
    listed = ", ".join(quote_literal(path) for path in paths)
    return (
        f"SELECT *,\n    {comma_separated(texts)}\nFROM (SELECT _json, _keys,\n    {comma_separated(values)}\n"
        f"FROM (SELECT json AS _json, json_extract(json, [{listed}]) AS _values,\n"
        "    CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) END AS _keys\n"
        "FROM read_ndjson_objects($path, ignore_errors = true, maximum_object_size = $size)))"
    )


def _row_fault(permitted: Collection[str] | None) -> tuple[str, str]:
    """Return SQL for the fault of a row and for the key that is not permitted."""
    unknown, fault = "NULL", ""
    if permitted is not None:
        known = ", ".join(quote_literal(name) for name in permitted)
        unknown = f"list_filter(_keys, lambda key: NOT list_contains([{known}], key))[1]"
        fault = f"WHEN NOT list_has_all([{known}], _keys) THEN {quote_literal(UNKNOWN_KEY)} "
    return (
        "CASE WHEN _json IS NULL THEN 'the line is not JSON' WHEN _keys IS NULL THEN 'the line is not a JSON object' "
        f"{fault}WHEN len(_keys) <> len(list_distinct(_keys)) THEN 'the object has a key twice' END"
    ), unknown


def _as_json(name: str) -> str:
    return quote_identifier(f"{name} as json")


NDJSON = SourceFormat(name="NDJSON", suffixes=(".ndjson", ".jsonl"), open=_open)
