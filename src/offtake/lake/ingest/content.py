"""Recognise input files that are not what their names say, by their first bytes.

Without this check, the reader of the named format would report a fault of the first line, which is not the cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from offtake.errors import LakeError
from offtake.lake.ingest.inputs import COMPRESSED, GZIP_MAGIC, InputFile

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
        what=f"text in {encoding}; only UTF-8 is accepted",
        remedy=f"Convert the file, for example with: iconv -f {encoding} -t UTF-8",
    )


def _compressed(start: bytes, program: str) -> _Content:
    return _Content(
        start=re.compile(start, re.DOTALL),
        what=f"compressed with {program}, which a load does not read",
        remedy="Decompress the file.",
    )


_GZIP = re.compile(re.escape(GZIP_MAGIC))
# Byte order marks, or an ASCII character in an encoding of two or four bytes. UTF-32 comes first: it begins as UTF-16.
_ELSE: Sequence[_Content] = (
    _text(rb"\xff\xfe\0\0|[\t -~]\0\0\0", "UTF-32LE"),
    _text(rb"\0\0\xfe\xff|\0\0\0[\t -~]", "UTF-32BE"),
    _text(rb"\xff\xfe|[\t\r\n -~]\0", "UTF-16LE"),
    _text(rb"\xfe\xff|\0[\t\r\n -~]", "UTF-16BE"),
    _compressed(rb"\x28\xb5\x2f\xfd", "zstd"),
    _compressed(rb"BZh[1-9]1AY&SY", "bzip2"),
    _compressed(rb"\xfd7zXZ\0", "xz"),
    _Content(
        start=re.compile(rb"PK\x03\x04"),
        what="a ZIP archive or an Excel workbook",
        remedy="Extract the archive, or save the workbook as CSV UTF-8.",
    ),
)
_PARQUET = _Content(
    start=re.compile(rb"PAR[1E]"),
    what="a Parquet file",
    remedy="Rename the file so that its name ends with .parquet.",
)


def check_text(file: InputFile, suffix: str) -> None:
    """Check that a file may be text. ``suffix`` is the one of its format. Raises LakeError, OSError, EOFError."""
    start = file.start(_START_BYTES)
    if _GZIP.match(start):
        if file.path.name.lower().endswith(COMPRESSED):
            raise LakeError(f"{file.path}: the file is compressed with gzip twice. Decompress it once.")
        raise LakeError(
            f"{file.path}: the file is compressed with gzip. Rename it so that its name ends with {suffix}{COMPRESSED}."
        )
    _refuse(file, start, (*_ELSE, _PARQUET))


def check_parquet(file: InputFile) -> None:
    """Check that a file is a whole Parquet file. Raises LakeError, OSError."""
    start = file.start(_START_BYTES)
    if _GZIP.match(start):
        raise LakeError(f"{file.path}: the file is compressed with gzip. Decompress it.")
    _refuse(file, start, _ELSE)
    if not start.startswith(_PARQUET_MAGIC):
        raise LakeError(f"{file.path}: this is not a Parquet file; such a file begins with PAR1.")
    if file.end(4) not in _PARQUET_MAGIC:
        raise LakeError(f"{file.path}: the end of the Parquet file is missing. Copy or write the file again.")


def _refuse(file: InputFile, start: bytes, contents: Sequence[_Content]) -> None:
    for content in contents:
        if content.start.match(start):
            raise LakeError(f"{file.path}: the file is {content.what}. {content.remedy}")
