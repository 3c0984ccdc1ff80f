"""Types of columns of lake tables and reports."""

from __future__ import annotations

from enum import StrEnum


class ColumnType(StrEnum):
    """Type of a column; a dialect's rendering determines its form in the file."""

    TEXT = "text"
    ID = "id"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    SECONDS = "seconds"  # elapsed time as whole seconds
    MILLISECONDS = "milliseconds"  # elapsed time as whole milliseconds
    DATE = "date"  # a calendar day without a zone; reports only, no table of the lake has one
    LIST = "list"  # list of text
