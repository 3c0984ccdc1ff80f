"""A column by which rows are sorted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SortColumn:
    """A column and its direction. Rows without a value come last in both directions."""

    name: str
    descending: bool = False


def sort_column(text: str) -> SortColumn:
    """Return the sort column of a text in a request's order: a name, after ``-`` if descending."""
    return SortColumn(text.removeprefix("-"), descending=text.startswith("-"))
