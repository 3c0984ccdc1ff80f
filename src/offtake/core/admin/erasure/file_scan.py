"""Search of a published file for traces of a person, in each format and compression."""

from __future__ import annotations

import codecs
import html
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as parquet

from offtake.formats.compression import CODECS

_OVERLAP = 1_024  # characters of the text before that a piece is searched with; longer than any trace
_CHUNK = 1024 * 1024  # bytes
_SPOOL_BYTES = 16 * 1024 * 1024  # a larger file that is read out of order is on disk


def has_trace(key: str, content: Iterable[bytes], trace: re.Pattern[str]) -> bool:
    """Whether the file of that key, whose bytes are ``content``, has a text in which the pattern occurs.

    Raises ValueError for a file that cannot be read as its suffix says.
    """
    suffixes = PurePosixPath(key).name.split(".")
    for codec in CODECS.values():
        if suffixes[-1] == codec.suffix:
            expander = codec.expander()
            return _in_text((expander.decompress(chunk) for chunk in content), trace)
    if suffixes[-1] not in ("xlsx", "parquet", "arrow"):
        return _in_text(content, trace)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as file:
        for chunk in content:
            file.write(chunk)
        file.seek(0)
        try:
            return _in_workbook(file, trace) if suffixes[-1] == "xlsx" else _in_batches(suffixes[-1], file, trace)
        except (zipfile.BadZipFile, pa.ArrowInvalid) as error:
            raise ValueError(f"{key} cannot be read") from error


def _in_text(content: Iterable[bytes], trace: re.Pattern[str], *, is_xml: bool = False) -> bool:
    decoder, before = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for chunk in content:
        text = before + decoder.decode(chunk)
        if trace.search(html.unescape(text) if is_xml else text):
            return True
        before = text[-_OVERLAP:]
    return False


def _in_workbook(file: IO[bytes], trace: re.Pattern[str]) -> bool:
    with zipfile.ZipFile(file) as package:
        for name in package.namelist():
            with package.open(name) as member:
                if _in_text(iter(lambda member=member: member.read(_CHUNK), b""), trace, is_xml=True):  # type: ignore[misc]
                    return True
    return False


def _in_batches(suffix: str, file: IO[bytes], trace: re.Pattern[str]) -> bool:
    for batch in _batches(suffix, file):
        for column in batch.columns:
            if any(isinstance(value, str) and trace.search(value) for value in _values(column)):
                return True
    return False


def _batches(suffix: str, file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    if suffix == "parquet":
        yield from parquet.ParquetFile(file).iter_batches(batch_size=8_192)
        return
    reader = ipc.open_file(file)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _values(column: pa.Array) -> Iterator[object]:
    """Yield the values of a column; of a list, its items."""
    for value in column.to_pylist():
        if isinstance(value, list):
            yield from value
        else:
            yield value
