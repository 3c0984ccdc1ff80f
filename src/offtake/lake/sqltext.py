"""Names and fixed texts inside SQL text.

Only what comes from the data model, or from a file header that was checked against it, is written into SQL text.
Values of rows, file names and tenants are always bound.
"""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str, *, of: str | None = None) -> str:
    """An SQL identifier, of the relation ``of`` if given."""
    own = '"' + name.replace('"', '""') + '"'
    return own if of is None else f"{quoted(of)}.{own}"


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def comma(parts: Iterable[str]) -> str:
    """Parts of a list, one per line so that a failing statement can be read."""
    return ",\n    ".join(parts)
