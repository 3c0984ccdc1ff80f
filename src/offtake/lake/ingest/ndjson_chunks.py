"""Split an NDJSON file into chunks of whole lines. A line without text is not a record."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from offtake.lake.ingest.chunks import (
    CHUNK_BYTES,
    MAX_ROW_BYTES,
    Record,
    TextChunk,
    join_records,
    next_block,
    row_too_long,
)
from offtake.lake.ingest.inputs import BYTE_ORDER_MARK, InputFile
from offtake.lake.ingest.long_values import LONG_BYTES, LongValue, take_out

_BLANK = b" \t\r\n"


def ndjson_chunks(file: InputFile, long_keys: Collection[str]) -> Iterator[TextChunk]:
    """Yield the lines of a file without the long values of ``long_keys``. Raises LakeError for a line too long."""
    pending, line, is_last = file.read(CHUNK_BYTES).removeprefix(BYTE_ORDER_MARK), 1, False
    chunk = None
    while not is_last:
        block = file.read(next_block(chunk))
        pending, is_last = pending + block, not block
        end = len(pending) if is_last else pending.rfind(b"\n") + 1
        if end:
            chunk = _chunk(file, pending[:end], line, long_keys)
            line += pending.count(b"\n", 0, end)
            pending = pending[end:]
            yield chunk
        if len(pending) > MAX_ROW_BYTES + 2:  # with the line end
            raise row_too_long(f"{file.path}:{line}")


def _chunk(file: InputFile, content: bytes, line: int, long_keys: Collection[str]) -> TextChunk:
    lines = content.split(b"\n")
    if max(map(len, lines)) > LONG_BYTES:
        return _chunk_of_long_lines(file, content, line, long_keys)
    rows = sum(1 for text in lines if text.strip(_BLANK))
    return TextChunk(content=content, rows=rows, split=lambda: _split(content, line))


def _chunk_of_long_lines(file: InputFile, content: bytes, line: int, long_keys: Collection[str]) -> TextChunk:
    records: list[Record] = []
    values: list[LongValue] = []
    for record in _split(content, line):
        if len(record.content) > MAX_ROW_BYTES:
            raise row_too_long(f"{file.path}:{record.line}")
        shortened, taken = take_out(record.content, long_keys)
        records.append(Record(line=record.line, content=shortened))
        values += taken
    return replace(join_records(records), long_values=values)


def _split(content: bytes, line: int) -> Sequence[Record]:
    lines = enumerate(content.split(b"\n"), start=line)
    return [Record(line=number, content=text.removesuffix(b"\r")) for number, text in lines if text.strip(_BLANK)]
