"""Reads the CSV file of a lookup: two columns, a code of the source and the value that it stands for."""

from __future__ import annotations

import csv
from pathlib import Path

MOST_CODES = 10_000


def read_lookup_file(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the values by code, and the faults of the file."""
    values: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            if next(rows, None) != ["code", "value"]:
                return {}, [f"{path}:1: the first line of a lookup must be: code,value"]
            faults = []
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
