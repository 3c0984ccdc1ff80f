"""Finding things among the rows of a tenant, by id. What a report makes of them is its own calculation's affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.strategies import Care, Row


def by_id(care: Care, table: str) -> Mapping[str | None, Row]:
    """The rows of a table under their ids."""
    return {row[f"{table}_id"]: row for row in care.rows[table]}


def find(care: Care, table: str, wanted: str | None) -> Row:
    """The row with that id, or one without values."""
    return next((row for row in care.rows[table] if row[f"{table}_id"] == wanted), {})


def names(care: Care, table: str) -> Mapping[str | None, str]:
    """The names in a table under their ids."""
    return {row[f"{table}_id"]: row["name"] for row in care.rows[table]}


def shown_id(care: Care, table: str, wanted: str | None) -> str | None:
    """What files call it: its short number, or the id where there is none."""
    number = find(care, table, wanted).get("number")
    return wanted if number is None else str(number)


def named(ids: Sequence[str] | None, known: Mapping[str | None, str]) -> list[str] | None:
    """Names in the list's order; what is not known goes by its id; none at all is null."""
    return [known.get(each, each) for each in ids] if ids else None
