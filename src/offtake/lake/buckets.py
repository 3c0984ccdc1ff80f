"""Buckets of the rows that belong together, so that a part of an export reads only its part of the files.

A row of a table with a group key has a bucket: the first 16 bits of the MD5 of the key's UTF-8 text. This function must
never change, because files store its values. Within a month, rows are sorted by ranges of buckets, and within a range
by event time. So the statistics of a row group bound its buckets as well as its times.
"""

from __future__ import annotations

from offtake.lake.tables import Table
from offtake.model.view import BUCKET, BUCKETS
from offtake.sql_text import quote_identifier

ROW_GROUP_ROWS = 16_384
# A range has so many row groups that each of them has a part of the month only: an export of one day skips the others.
_ROWS_OF_RANGE = 4 * ROW_GROUP_ROWS
_MAX_RANGES = 256


def bucket(table: Table) -> str:
    """Return SQL for the bucket of a row. The table must have a group key."""
    if table.group_key is None:
        raise ValueError(f"table {table.name} has no group key")
    return f"coalesce(CAST('0x' || md5({quote_identifier(table.group_key)})[1:4] AS BIGINT), 0)"


def bucket_range(rows: int) -> str:
    """Return SQL for the range of a row's ``BUCKET``, if so many rows are sorted together: a number from 0."""
    ranges = min(_MAX_RANGES, 1 << max(0, (rows // _ROWS_OF_RANGE).bit_length() - 1))
    return f"({BUCKET} * {ranges}) // {BUCKETS}"


def file_content(table: Table) -> str:
    """Return the columns of a SELECT that stores rows again: all, with the bucket of each row.

    The bucket is computed again: other programs that wrote the files may have left it empty, or changed the key only.
    """
    columns = f"* EXCLUDE ({', '.join(table.partition_columns)})"
    if table.group_key is None:
        return columns
    return f"{columns} REPLACE ({bucket(table)} AS {BUCKET})"
