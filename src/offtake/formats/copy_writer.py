"""Writers for formats that DuckDB's COPY produces, from one query or from several partitions."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from offtake.formats.format import RowSource, Writer
from offtake.model.layout import Framing
from offtake.model.query import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedRecipe:
    """How to build the file from partitions: each is written to a file of its own, then appended.

    COPY ends every row with ``separator``; it is cut off at the end of a partition and written only between rows.
    """

    first: str  # COPY options of the first partition
    other: str  # COPY options of the other partitions
    closing: Callable[[int], bytes]  # bytes after the last row, from the number of rows
    opening: bytes = b""  # bytes before the first row
    separator: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to build the file with one COPY statement, or from partitions."""

    options: str  # COPY options
    as_json: bool
    copies: int  # memory that COPY needs for a vector of rows, as a multiple of their bytes
    closing: Callable[[int], bytes]  # bytes to append after COPY, from the number of rows
    partitioned: PartitionedRecipe
    opens_itself: bool = True  # whether COPY writes the bytes before the first row; else one partition is appended


def by_copy(recipe: Callable[[Framing], Recipe]) -> Writer:
    """Return the writer of a format that COPY produces.

    A file built from partitions has the same bytes as one built by a single COPY, except for the order of rows.
    """

    def write(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        file_recipe = recipe(framing)
        query = rows.checked(query, copies=file_recipe.copies)
        if rows.partitions > 1 or not file_recipe.opens_itself:
            return _append_partitions(rows, query, path, file_recipe)
        written = rows.copy(query, path, options=file_recipe.options, as_json=file_recipe.as_json)
        closing = file_recipe.closing(written)
        if closing:
            with path.open("ab") as file:
                file.write(closing)
        return written

    return write


def partition_file(path: Path) -> Path:
    """Return the path at which a partition of the file ``path`` is written before it is appended."""
    return path.with_name(f"{path.name}.partition")


def _append_partitions(rows: RowSource, query: Query, path: Path, recipe: Recipe) -> int:
    """Append complete partitions only, so that a concurrent reader of the file never sees rows that vanish."""
    partitioned, partition_path, written = recipe.partitioned, partition_file(path), 0
    with path.open("wb", buffering=0) as file:
        file.write(partitioned.opening)
        for partition in range(rows.partitions):
            options = partitioned.other if partition else partitioned.first
            copied = rows.copy(query, partition_path, options=options, as_json=recipe.as_json, partition=partition)
            if written and copied:
                file.write(partitioned.separator)
            _append(partition_path, file.fileno(), without=len(partitioned.separator) if copied else 0)
            written += copied
        file.write(partitioned.closing(written))
    return written


def _append(path: Path, target: int, *, without: int) -> None:
    """Append a file without its last ``without`` bytes, copied inside the kernel, and delete it."""
    with path.open("rb") as source:
        remaining = path.stat().st_size - without
        while remaining > 0:
            copied = os.copy_file_range(source.fileno(), target, remaining)
            if copied == 0:
                raise OSError(errno.EIO, "a partition file is shorter than its size")
            remaining -= copied
    path.unlink()
