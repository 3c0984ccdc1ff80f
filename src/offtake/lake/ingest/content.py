"""Recognise input files that are not what their names say, by their first bytes.

Without this check, the reader of the named format would report a fault of the first line, which is not the cause.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import COMPRESSIONS, compression_of
from offtake.lake.ingest.inputs.encodings import as_utf_8, mark_of
from offtake.lake.ingest.inputs.input_file import InputFile

_START_BYTES = 16
# First and last bytes of a file; the second of one with an encrypted footer, which the engine refuses with its reason
# (https://parquet.apache.org/docs/file-format).
_PARQUET_MAGIC = (b"PAR1", b"PARE")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """A kind of content; ``start`` matches its first bytes."""

    start: re.Pattern[bytes]
    what: str
    remedy: str


def _text(start: bytes, encoding: str) -> _Content:
    return _Content(
        start=re.compile(start, re.DOTALL),
        what=f"text in {encoding}, without a byte order mark that says so",
        remedy=f"If so, load it with --encoding {encoding.lower()}.",
    )


def _compressed(start: bytes, program: str) -> _Content:
    return _Content(
        start=re.compile(start, re.DOTALL),
        what=f"compressed with {program}, which a load does not read",
        remedy="Decompress the file.",
    )


# An ASCII character in an encoding of two or four bytes. UTF-32 comes first: it begins as UTF-16.
_ENCODED: Sequence[_Content] = (
    _text(rb"[\t\r\n -~]\0\0\0", "UTF-32-LE"),
    _text(rb"\0\0\0[\t\r\n -~]", "UTF-32-BE"),
    _text(rb"[\t\r\n -~]\0", "UTF-16-LE"),
    _text(rb"\0[\t\r\n -~]", "UTF-16-BE"),
)
_ELSE: Sequence[_Content] = (
    _compressed(rb"BZh[1-9]1AY&SY", "bzip2"),
    _compressed(rb"\xfd7zXZ\0", "xz"),
    _Content(
        start=re.compile(rb"PK\x03\x04"),
        what="a ZIP archive or an Excel workbook",
        remedy="Rename it so that its name ends with .zip or .xlsx, or give --format xlsx.",
    ),
)
_PARQUET = _Content(
    start=re.compile(rb"PAR[1E]"),
    what="a Parquet file",
    remedy="Rename the file so that its name ends with .parquet.",
)


def as_text(file: InputFile, suffix: str, encoding: str | None = None) -> InputFile:
    """Return a file whose content is text in UTF-8; ``suffix`` is the one of its format.

    Raises LakeError for what is no text, OSError.
    """
    start = file.start(_START_BYTES)
    _refuse_compressed(file, start, suffix)
    _refuse(file, start, (*_ELSE, _PARQUET))
    if encoding is None and mark_of(file.content) is None:
        _refuse(file, start, _ENCODED)
    return replace(file, content=as_utf_8(file.name, file.content, encoding))


def check_parquet(file: InputFile) -> None:
    """Check that a file may be a Parquet file. Raises LakeError, OSError."""
    start = file.start(_START_BYTES)
    _refuse_compressed(file, start, ".parquet")
    _refuse(file, start, _ELSE)
    if not start.startswith(_PARQUET_MAGIC):
        raise LakeError(f"{file.name}: this is not a Parquet file; such a file begins with PAR1.")


def check_parquet_end(name: str, descriptor: int) -> None:
    """Check that a Parquet file is whole. Raises LakeError, OSError."""
    if os.pread(descriptor, 4, max(0, os.fstat(descriptor).st_size - 4)) not in _PARQUET_MAGIC:
        raise LakeError(f"{name}: the end of the Parquet file is missing. Copy or write the file again.")


def _refuse_compressed(file: InputFile, start: bytes, suffix: str) -> None:
    for compression, (program, magic, _) in COMPRESSIONS.items():
        if start.startswith(magic) and compression_of(file.file_name):
            raise LakeError(f"{file.name}: the file is compressed with {program} twice. Decompress it once.")
        if start.startswith(magic):
            raise LakeError(
                f"{file.name}: the file is compressed with {program}. Rename it so that its name ends with "
                f"{suffix}{compression}."
            )


def _refuse(file: InputFile, start: bytes, contents: Sequence[_Content]) -> None:
    for content in contents:
        if content.start.match(start):
            raise LakeError(f"{file.name}: the file is {content.what}. {content.remedy}")
