"""The bodies that describe reports."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from offtake.model.column_type import ColumnType
from offtake.model.report import RowsIfEmpty
from offtake.wire.native.documents import Document, Url


class ColumnDocument(Document):
    """A column of a report."""

    name: str
    type: ColumnType
    unit: Annotated[str | None, Field(description="Unit of a number: s or ms; null if it has none.")]
    meaning: str
    personal: Annotated[bool, Field(description="Whether the column contains personal data.")]
    nullable: bool
    key: Annotated[bool, Field(description="Whether the column is part of the key, which identifies a row.")]
    varies: Annotated[bool, Field(description="Whether the value of a row depends on the timespan of the request.")]
    operators: Annotated[list[str], Field(description="What filters on the column can do.")]


class ParameterDocument(Document):
    """A parameter of a report."""

    name: str
    meaning: str
    accepts: Annotated[dict[str, Any], Field(description="JSON Schema of its values.")]


class IfEmptyDocument(Document):
    """What a request without parameters loses if a table is empty."""

    rows: Annotated[RowsIfEmpty, Field(description="What becomes of the rows.")]
    null: Annotated[list[str], Field(description="Columns that are null in the remaining rows.")]
    other: Annotated[list[str], Field(description="Columns that have other values there, such as ids or 0.")]


class TableDocument(Document):
    """A table that a report reads."""

    name: str
    reads: Annotated[str, Field(description="window: the months of the timespan; until: those before its end; all.")]
    if_empty: Annotated[IfEmptyDocument | None, Field(description="null: not declared.")]


class DialectDocument(Document):
    """A dialect that publishes a report, under its own name."""

    dialect: str
    name: str


class ReportSummary(Document):
    """A report in the list of reports."""

    name: str
    title: str
    grain: Annotated[str, Field(description="What one row is.")]
    version: Annotated[str, Field(description="A hash of the definition: equal versions compute equal rows.")]
    columns: Annotated[int, Field(description="Number of columns.")]
    url: Url


class ReportList(Document):
    """All reports that the caller may export."""

    reports: list[ReportSummary]


class ReportDocument(Document):
    """A report: what its rows are, and what an export of it may contain."""

    name: str
    title: str
    grain: Annotated[str, Field(description="What one row is.")]
    version: Annotated[str, Field(description="A hash of the definition: equal versions compute equal rows.")]
    window: Annotated[
        str | None, Field(description="The column by which the timespan selects rows; null: it bounds what is counted.")
    ]
    consecutive: Annotated[str, Field(description="What exports of consecutive timespans have together.")]
    key: list[str]
    columns: list[ColumnDocument]
    parameters: list[ParameterDocument]
    tables: list[TableDocument]
    dialects: Annotated[list[DialectDocument], Field(description="The dialects that publish the report.")]
    formats: list[str]
    url: Url
