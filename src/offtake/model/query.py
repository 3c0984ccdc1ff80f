"""A query with its bound values, and the signal that its rows are too wide for a writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from offtake.model.sort_column import SortColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One SELECT, the values of its ``$names``, and the names of its columns in order.

    If ``order`` is not empty, the SELECT yields the sort columns behind ``columns``; it does not sort the rows itself.
    If the rows are rendered, ``source`` is the query for them before that; its text is a part of ``sql``.
    """

    sql: str
    values: Mapping[str, object]
    columns: tuple[str, ...]
    order: tuple[SortColumn, ...] = ()
    source: Query | None = None


class RowTooWideError(Exception):
    """A row is too wide for this writer of a format; the next one accepts wider rows."""
