"""Reads the CSV file of a lookup: two columns, a code of the source and the value that it stands for."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

MOST_CODES = 10_000
_MOST_BYTES = 16 * 1024 * 1024


def _size_fault(path: Path) -> str | None:
    """Return why the file is not read: a device or a pipe may have no end. Raises OSError."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return "the lookup cannot be read: it is no regular file"
    return f"a lookup has at most {_MOST_BYTES // 1024**2} MiB" if found.st_size > _MOST_BYTES else None


def read_lookup_file(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the values by code, and the faults of the file."""
    values: dict[str, str] = {}
    faults: list[str] = []
    try:
        if fault := _size_fault(path):
            return {}, [f"{path}: {fault}"]
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            if next(rows, None) != ["code", "value"]:
                return {}, [f"{path}:1: the first line of a lookup must be: code,value"]
            for row in rows:
                where = f"{path}:{rows.line_num}"
                if len(row) != 2:
                    faults.append(f"{where}: a line must have two fields, the code and the value")
                elif row[0] in values:
                    faults.append(f"{where}: the code {row[0]!r} occurs twice; remove one")
                else:
                    values[row[0]] = row[1]
    except (OSError, UnicodeError, csv.Error) as error:
        return {}, [f"{path}: the lookup cannot be read: {getattr(error, 'strerror', None) or error}"]
    if len(values) > MOST_CODES:
        faults.append(f"{path}: a lookup has at most {MOST_CODES:,} codes, not {len(values):,}")
    return values, faults
