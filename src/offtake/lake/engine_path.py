"""Paths by which DuckDB opens files and folders whose own paths it would interpret.

DuckDB expands patterns in the names of files and reads ``name=value`` in a path as a column of the file. Linux has a
path without such characters for everything that a process has open (proc(5), ``/proc/pid/fd``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_INTERPRETED = re.compile(r"[*?\[=]")


def descriptor_path(descriptor: int) -> str:
    """Return the path of what this descriptor has open, valid in this process until it is closed."""
    return f"/proc/self/fd/{descriptor}"


@contextmanager
def opened_folder(folder: Path) -> Iterator[Path]:
    """Yield a path of the folder in which DuckDB interprets no character, valid in this process while the block runs.

    Raises OSError.
    """
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Path(descriptor_path(handle))
    finally:
        os.close(handle)


@contextmanager
def engine_path(folder: Path) -> Iterator[Path]:
    """Yield a path as ``opened_folder`` does; the folder's own path is one unless it has an unusual name."""
    if not _INTERPRETED.search(str(folder)):
        yield folder
        return
    with opened_folder(folder) as path:
        yield path
