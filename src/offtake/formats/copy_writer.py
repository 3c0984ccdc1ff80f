"""Files that DuckDB writes itself, at once or made of parts."""

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
class Joint:
    """How the same file is made of parts. Each is written alone and then appended.

    The writer ends every row with ``between``; it is cut off behind a part and only put where rows follow rows.
    """

    first: str  # the writer's options for the first part
    other: str
    closing: Callable[[int], bytes]
    opening: bytes = b""
    between: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How DuckDB's own writer makes the file, and what is added behind its last byte."""

    options: str
    as_json: bool
    closing: Callable[[int], bytes]
    joint: Joint


def by_copy(recipe: Callable[[Framing], Recipe]) -> Writer:
    """The writer of a format that DuckDB writes itself.

    The bytes of a file made of parts are those of a file made at once, but for the order of rows.
    """

    def write(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        chosen = recipe(framing)
        if rows.partitions > 1:
            return _append_partitions(rows, query, path, chosen)
        written = rows.copy(query, path, options=chosen.options, as_json=chosen.as_json)
        closing = chosen.closing(written)
        if closing:
            with path.open("ab") as file:
                file.write(closing)
        return written

    return write


def partition_file(path: Path) -> Path:
    """Where a part of the file ``path`` is written before it is appended."""
    return path.with_name(f"{path.name}.part")


def _append_partitions(rows: RowSource, query: Query, path: Path, recipe: Recipe) -> int:
    """Only whole parts are appended, so whoever follows the file sees rows that stay."""
    joint, partition_path, written = recipe.joint, partition_file(path), 0
    with path.open("wb", buffering=0) as file:
        file.write(joint.opening)
        for partition in range(rows.partitions):
            options = joint.other if partition else joint.first
            found = rows.copy(query, partition_path, options=options, as_json=recipe.as_json, partition=partition)
            if written and found:
                file.write(joint.between)
            _append(partition_path, file.fileno(), without=len(joint.between) if found else 0)
            written += found
        file.write(joint.closing(written))
    return written


def _append(path: Path, target: int, *, without: int) -> None:
    """Append a file, but for its last bytes, inside the kernel."""
    with path.open("rb") as source:
        left = path.stat().st_size - without
        while left > 0:
            copied = os.copy_file_range(source.fileno(), target, left)
            if copied == 0:
                raise OSError(errno.EIO, "a part ended early")
            left -= copied
    path.unlink()
