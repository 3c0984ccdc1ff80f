"""Lookups by id among the rows of a tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.strategies import Care, Row


def by_id(care: Care, table: str) -> Mapping[str | None, Row]:
    """The rows of a table by id."""
    return {row[f"{table}_id"]: row for row in care.rows[table]}


def find(care: Care, table: str, wanted: str | None) -> Row:
    """The row with that id, or an empty row."""
    return next((row for row in care.rows[table] if row[f"{table}_id"] == wanted), {})


def names(care: Care, table: str) -> Mapping[str | None, str]:
    """The names in a table by id."""
    return {row[f"{table}_id"]: row["name"] for row in care.rows[table]}


def shown_id(care: Care, table: str, wanted: str | None) -> str | None:
    """The id that files show: the short number, or the id of a row without one."""
    number = find(care, table, wanted).get("number")
    return wanted if number is None else str(number)


def named(ids: Sequence[str] | None, known: Mapping[str | None, str]) -> list[str] | None:
    """The names in the order of the list; an unknown id stands for itself; an empty list is None."""
    return [known.get(each, each) for each in ids] if ids else None
