"""A query that is ready to run: text and values, kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One SELECT, the values its ``$names`` are bound to, and the names of its columns in order.

    A query whose rows have an order yields the columns of ``order`` behind those; it does not sort them itself.
    """

    sql: str
    values: Mapping[str, object]
    columns: tuple[str, ...]
    order: tuple[str, ...] = ()
