"""The types of columns: of the tables in the lake and of the reports."""

from __future__ import annotations

from enum import StrEnum


class ColumnType(StrEnum):
    """What a column holds; a dialect's rendering decides what it looks like."""

    TEXT = "text"
    ID = "id"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    SECONDS = "seconds"  # elapsed time as whole seconds
    MILLISECONDS = "milliseconds"  # elapsed time as whole milliseconds
    LIST = "list"  # list of text
