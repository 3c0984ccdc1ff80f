"""SQL for the bytes of a row's values, so that the engine can bound the memory of rows by their bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VALUE_BYTES = 16  # minimum of a value
# Types whose values are never larger.
_FIXED_SIZE = re.compile(
    r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|(BOOLEAN|DATE|DECIMAL|DOUBLE|FLOAT|INTERVAL|TIME|UUID)[^\[]*"
)


def row_length(columns: Sequence[str], types: Sequence[str]) -> str:
    """Return the SQL for the bytes of a row. ``columns`` are identifiers in SQL, ``types`` their DuckDB types."""
    lengths = [_length(column, sql_type) for column, sql_type in zip(columns, types, strict=True)]
    return " + ".join([str(_VALUE_BYTES * len(columns)), *(length for length in lengths if length)])


def is_fixed_size(sql_type: str) -> bool:
    """Return whether values of that type have at most 16 bytes."""
    return _FIXED_SIZE.fullmatch(sql_type) is not None


def _length(column: str, sql_type: str) -> str | None:
    """Return the SQL for the bytes of a value beyond ``_VALUE_BYTES``; None if there are none."""
    if sql_type == "VARCHAR":
        return f"coalesce(strlen({column}), 0)"
    if is_fixed_size(sql_type):
        return None
    if sql_type == "VARCHAR[]":  # faster than a cast
        return f"coalesce(strlen(array_to_string({column}, ', ')), 0)"
    return f"coalesce(strlen(CAST({column} AS VARCHAR)), 0)"
