"""How deeply JSON is nested, found without recursion."""

from __future__ import annotations

import re

MAX_DEPTH = 1_000  # of a record; programs that read the rows later recurse
TOO_DEEP = f"the record is nested more than {MAX_DEPTH:,} levels deep"
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def is_too_deep(record: bytes) -> bool:
    """Return whether arrays and objects are nested more deeply than ``MAX_DEPTH``."""
    if len(record) <= MAX_DEPTH or record.count(b"[") + record.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _TOKEN.finditer(record):
        first = record[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first != 0x22:
            depth -= 1
    return False
