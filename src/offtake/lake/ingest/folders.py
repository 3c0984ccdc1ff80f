"""Folders of Parquet files, as Spark, Dask and polars write a table: ``x.parquet/part-00000.parquet`` and so on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from offtake.errors import LakeError

_SUFFIX = ".parquet"


def parquet_parts(path: Path) -> Sequence[Path]:
    """Return the files of a folder whose name ends with ``.parquet``, sorted by name; any other path is returned alone.

    Files whose names begin with ``_`` or ``.`` hold no rows. Raises LakeError for a folder without Parquet files, and
    for one with subfolders, whose names (``column=value``) would be values of rows.
    """
    if not (path.name.lower().endswith(_SUFFIX) and path.is_dir()):
        return [path]
    try:
        parts = sorted(each for each in path.iterdir() if not each.name.startswith(("_", ".")))
    except OSError as error:
        raise LakeError(f"{path}: the folder cannot be read: {error.strerror}.") from error
    for part in parts:
        if part.is_dir():
            raise LakeError(
                f"{part}: the folder is partitioned, so its files lack columns. Write the table again without "
                "partitions."
            )
    found = [part for part in parts if part.name.lower().endswith(_SUFFIX)]
    if not found:
        raise LakeError(f"{path}: the folder contains no file whose name ends with {_SUFFIX}.")
    return found
