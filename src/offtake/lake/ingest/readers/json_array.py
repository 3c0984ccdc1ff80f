"""Reads JSON: an array of objects, at the top of the file or at a path in it, or objects one after the other.

Its elements become the lines of NDJSON, so a column is a key or a path of keys as there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from offtake.lake.ingest.chunks import Record, TextChunk, read_ahead
from offtake.lake.ingest.content import as_text
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.json_scanner import JsonScanner
from offtake.lake.ingest.ndjson_chunks import records_chunk
from offtake.lake.ingest.readers.ndjson import json_source
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.staging import Staging

_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")  # between tokens; in a string they are not valid


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del staging
    text = as_text(file, ".json", options.encoding)
    path = options.records.split(".") if options.records else []
    return json_source(JSON, text, lambda long: read_ahead(_chunks(text, path, long)))


def _chunks(file: InputFile, path: list[str], long_keys: Collection[str]) -> Iterator[TextChunk]:
    for found in JsonScanner(file).elements(path):
        records = [Record(line=line, content=element.translate(_LINE_ENDS)) for line, element in found]
        yield records_chunk(file.name, records, long_keys)


JSON = SourceFormat(name="JSON", suffixes=(".json",), open=_open)
