"""Rows of Python values, as cells of a sheet or a database have them: they become text, as in CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from offtake.errors import LakeError
from offtake.lake.ingest.readers.batches import Rows

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_ROWS = 1_024  # that become a batch at a time
_EXACT = 2**53  # whole floating-point numbers are exact up to here


def text_batches(name: str, columns: Sequence[str], rows: Iterator[tuple[int, Sequence[object]]]) -> Iterator[Rows]:
    """Yield rows of Python values, each with its number, as batches of text. A row may be shorter than the columns.

    Raises LakeError for a value that has no text.
    """
    import pyarrow as pa

    schema = text_schema(columns)
    width = len(columns)
    while taken := list(islice(rows, _TEXT_ROWS)):
        start = 0
        for position in range(1, len(taken) + 1):
            if position < len(taken) and taken[position][0] == taken[position - 1][0] + 1:
                continue
            part = taken[start:position]
            arrays = [
                pa.array([_text(name, row, values, index) for row, values in part], pa.string())
                for index in range(width)
            ]
            yield Rows(first=part[0][0], batch=pa.RecordBatch.from_arrays(arrays, schema=schema))
            start = position


def text_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of columns of text."""
    import pyarrow as pa

    return pa.schema([pa.field(column, pa.string()) for column in columns])


def _text(name: str, row: int, values: Sequence[object], index: int) -> str | None:
    value = values[index] if index < len(values) else None
    if value is None or isinstance(value, str):
        return value
    try:
        return next(write(value) for types, write in _TEXTS if isinstance(value, types))
    except UnicodeDecodeError as error:
        raise LakeError(
            f"{name}: row {row}: column {index + 1} holds bytes that are no text; leave the column out."
        ) from error


def _float(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)


def _decimal(value: Decimal) -> str:
    return str(int(value)) if value.is_finite() and value == value.to_integral_value() else format(value, "f")


def _duration(value: timedelta) -> str:
    """Return ``H:MM:SS``, with a fraction if there is one."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    return f"{sign}{hours}:{minutes:02}:{seconds:02}{fraction}"


# By type, in this order: a datetime is a date, and a boolean is an integer.
_TEXTS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (float, _float),
    (Decimal, _decimal),
    (datetime, lambda value: value.isoformat(sep=" ")),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, _duration),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).decode()),
    ((list, tuple, dict), lambda value: json.dumps(value, ensure_ascii=False, default=str)),
    (object, str),
)
