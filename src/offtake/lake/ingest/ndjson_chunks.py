"""Split an NDJSON file into chunks of whole lines. A line without text is not a record."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from offtake.lake.ingest.chunks import (
    CHUNK_BYTES,
    MAX_ROW_BYTES,
    BrokenRecord,
    Record,
    TextChunk,
    join_records,
    next_block,
    row_too_long,
)
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.long_values import LONG_BYTES, LongValue, take_out
from offtake.lake.ingest.nesting import MAX_DEPTH, TOO_DEEP, is_too_deep

_SHOWN_BYTES = 1024 * 1024  # of a record that cannot be read, in the reject file
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
            raise row_too_long(f"{file.name}:{line}")


def _chunk(file: InputFile, content: bytes, line: int, long_keys: Collection[str]) -> TextChunk:
    lines = content.split(b"\n")
    longest = max(map(len, lines))
    if longest > LONG_BYTES or (longest > MAX_DEPTH and any(map(is_too_deep, lines))):
        return records_chunk(file.name, _split(content, line), long_keys)
    rows = sum(1 for text in lines if text.strip(_BLANK))
    return TextChunk(content=content, rows=rows, split=lambda: _split(content, line))


def records_chunk(name: str, given: Sequence[Record], long_keys: Collection[str]) -> TextChunk:
    """Return a chunk of records of any length and depth. Raises LakeError, which names the input, for one too long."""
    records: list[Record] = []
    values: list[LongValue] = []
    broken: list[BrokenRecord] = []
    for record in given:
        if len(record.content) > MAX_ROW_BYTES:
            raise row_too_long(f"{name}:{record.line}")
        if is_too_deep(record.content):
            text = record.content[:_SHOWN_BYTES].decode("utf-8", errors="replace")
            broken.append(BrokenRecord(position=len(records), line=record.line, text=text, reason=TOO_DEEP))
        elif len(record.content) > LONG_BYTES:
            shortened, taken = take_out(record.content, long_keys)
            records.append(Record(line=record.line, content=shortened))
            values += taken
        else:
            records.append(record)
    return replace(join_records(records), broken=broken, long_values=values)


def _split(content: bytes, line: int) -> Sequence[Record]:
    lines = enumerate(content.split(b"\n"), start=line)
    return [Record(line=number, content=text.removesuffix(b"\r")) for number, text in lines if text.strip(_BLANK)]
