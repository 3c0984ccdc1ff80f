"""Arrow IPC in the file format: record batches between a magic and a footer, so a reader can map it and seek in it.

The counter reads the messages of the file itself. Their layout is that of "Encapsulated message format" and "IPC File
Format" of the Arrow columnar format; of their FlatBuffers it reads only the fields that it needs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from offtake.formats.batch_writer import by_batches
from offtake.formats.format import Format, Writer
from offtake.model.format_options import Compression
from offtake.model.layout import Framing
from offtake.model.typed_values import ValueForm

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 * 1024 * 1024
_CODECS = {Compression.NONE: None, Compression.ZSTD: "zstd"}

_MAGIC = b"ARROW1"
_START = _MAGIC + b"\0\0"  # padded to 8 bytes
_CONTINUATION = b"\xff\xff\xff\xff"
_PREFIX_BYTES = 8  # of a message: the continuation and the length of its metadata
_RECORD_BATCH = 3  # in the union MessageHeader


class ArrowCounter:
    """Adds up the lengths of the record batches, message by message, and skips their bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # bytes of the message that begins, or of the footer
        self._skip = 0  # bytes of the body of a message that are still to come
        self._rows = 0
        self._has_start = self._has_ended = self._is_damaged = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(chunk)
        while len(view) and not self._is_damaged:
            skipped = min(self._skip, len(view))
            self._skip -= skipped
            view = view[skipped:]
            if self._has_ended:
                self._buffer += view
                return
            view = self._message(view)

    def _message(self, view: memoryview) -> memoryview:
        """Take bytes up to the end of the metadata of a message; return the others."""
        wanted = self._wanted()
        taken = max(0, wanted - len(self._buffer))
        self._buffer += view[:taken]
        view = view[taken:]
        if len(self._buffer) < wanted:
            return view
        if not self._has_start:
            self._has_start, self._is_damaged = True, bytes(self._buffer) != _START
        elif len(self._buffer) == _PREFIX_BYTES:
            if self._buffer[:4] != _CONTINUATION:
                self._is_damaged = True
            elif self._wanted() > _PREFIX_BYTES:
                return view  # the metadata follows
            else:
                self._has_ended = True
        else:
            self._read(bytes(self._buffer[_PREFIX_BYTES:]))
        self._buffer.clear()
        return view

    def _wanted(self) -> int:
        """Return the bytes that ``_buffer`` needs: a prefix, then the metadata, whose length the prefix has."""
        if len(self._buffer) < _PREFIX_BYTES or not self._has_start:
            return _PREFIX_BYTES
        (length,) = struct.unpack_from("<I", self._buffer, 4)
        return _PREFIX_BYTES + int(length)

    def _read(self, metadata: bytes) -> None:
        """Read the length of a record batch and of the body of its message (Message.fbs)."""
        try:
            message = _table(metadata, 0)
            header = _scalar(metadata, message, 1, "<B")
            self._skip = _scalar(metadata, message, 3, "<q")
            if header == _RECORD_BATCH:
                batch = _table(metadata, _field(metadata, message, 2) or 0)
                self._rows += _scalar(metadata, batch, 0, "<q")
        except struct.error:
            self._is_damaged = True

    def seen(self) -> int:
        """Return the number of rows of the record batches so far."""
        return 0 if self._is_damaged else self._rows

    def records(self) -> int:
        """Return the number of rows."""
        if self._is_damaged or not self._has_ended or self._skip:
            raise ValueError("the Arrow file ends within a message")
        footer = bytes(self._buffer)
        length = int.from_bytes(footer[-len(_MAGIC) - 4 : -len(_MAGIC)], "little")
        if footer[-len(_MAGIC) :] != _MAGIC or len(footer) != length + 4 + len(_MAGIC):
            raise ValueError("the Arrow file has no footer")
        return self._rows


def _table(data: bytes, position: int) -> int:
    """Return the position of the FlatBuffers table to which the offset at ``position`` points."""
    (offset,) = struct.unpack_from("<I", data, position)
    return position + int(offset)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return the position of a table's field; None if it is absent and has its default."""
    (to_vtable,) = struct.unpack_from("<i", data, table)
    vtable = table - int(to_vtable)
    (size,) = struct.unpack_from("<H", data, vtable)
    entry = 4 + 2 * number
    if entry >= size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + entry)
    return table + int(offset) if offset else None


def _scalar(data: bytes, table: int, number: int, form: str) -> int:
    """Return a number of a table; its default is zero."""
    position = _field(data, table, number)
    return 0 if position is None else int(struct.unpack_from(form, data, position)[0])


class _ArrowFile:
    """A file of record batches."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: Mapping[str, str], compression: Compression) -> None:
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression=_CODECS[compression])
        self._writer = pa.ipc.new_file(str(path), schema.with_metadata(dict(metadata)), options=options)

    def write(self, rows: pa.Table) -> None:
        """Write one record batch."""
        for batch in rows.replace_schema_metadata(None).combine_chunks().to_batches():
            self._writer.write_batch(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def _writer(compression: Compression, *, wide: bool) -> Writer:
    return by_batches(
        lambda path, schema, framing: _ArrowFile(path, schema, framing.metadata, compression),
        most_rows=_BATCH_ROWS,
        most_bytes=_BATCH_BYTES,
        wide=wide,
    )


def _counter(_: Framing, __: Path) -> ArrowCounter:
    return ArrowCounter()


ARROW: Format = Format(
    name="arrow",
    suffix="arrow",
    media_type="application/vnd.apache.arrow.file",
    is_text=False,
    empty_text_is_null=False,
    in_order=True,
    values=ValueForm.COLUMNS,
    compressions=(Compression.NONE, Compression.ZSTD),
    write=_writer(Compression.NONE, wide=False),
    write_wide=(_writer(Compression.NONE, wide=True),),
    counter=_counter,
    recoded=lambda compression: replace(
        ARROW, write=_writer(compression, wide=False), write_wide=(_writer(compression, wide=True),)
    ),
)
