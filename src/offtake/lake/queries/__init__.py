"""Queries of the product itself over the lake's tables; the reports have their own in the catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def read_query(name: str) -> str:
    """Return the SELECT statement in ``<name>.sql`` of this folder. Its values are bound."""
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8").rstrip()
