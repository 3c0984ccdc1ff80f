"""Shapes of files: the columns in order, and rows as JSON entries and as CSV cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.strategies import Row

Shown = str | int | float | bool | None
# Column on the wire, column of the report, how a value is shown in a zone: in the order of the contract.
Shape = tuple[tuple[str, str, Callable[[object, str], Shown]], ...]


def entries(shape: Shape, rows: list[Row], *, zone_name: str) -> list[dict[str, Shown]]:
    """The rows as objects of a JSON file."""
    return [{key: shown(row[source], zone_name) for key, source, shown in shape} for row in rows]


def csv_lines(shape: Shape, rows: list[Row], *, zone_name: str) -> list[list[str]]:
    """The rows as cells of a CSV file."""
    return [[csv_cell(shown(row[source], zone_name)) for _, source, shown in shape] for row in rows]


def csv_cell(value: object) -> str:
    """One value as text: null is empty, and a number is the shortest text that reads back equal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def csv_names(shape: Shape) -> list[str]:
    """The header line of field names."""
    return [name for name, _, _ in shape]


def csv_labels(shape: Shape, exceptions: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The header line of labels: the field name split on ``_``, each word with a capital.

    Source: Talkdesk contract 5.2, which lists the exceptions.
    """
    return [
        exceptions.get(name) or " ".join(word[:1].upper() + word[1:] for word in name.split("_"))
        for name in csv_names(shape)
    ]
