"""What the footer of a Parquet file says about its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

_MAGIC = b"PAR1"
_END_BYTES = 8  # the length of the footer, and the magic number


def decimal_columns(read: Callable[[int, int], Iterator[bytes]], size: int) -> dict[str, tuple[int, int]]:
    """Return precision and scale of each column of exact decimals; columns of double precision are not among them.

    ``read`` returns the bytes from one offset to another. Only the footer is read.
    """
    from pyarrow import parquet, types

    end = b"".join(read(size - _END_BYTES, size))
    length = int.from_bytes(end[:4], "little")
    footer = b"".join(read(size - _END_BYTES - length, size - _END_BYTES))
    schema = parquet.read_metadata(BytesIO(_MAGIC + footer + end)).schema.to_arrow_schema()
    return {field.name: (field.type.precision, field.type.scale) for field in schema if types.is_decimal(field.type)}
