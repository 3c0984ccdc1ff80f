"""Typed values: the rendering and the logical type of each column type in each format.

The three vendors' dialects render values as text in their own way. The typed renderings keep the value: a format that
has its type contains it, and any other one contains a text that reads back as the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from offtake.model.column_type import ColumnType
from offtake.model.format_options import CsvOptions
from offtake.model.rendering import Rendering


class ValueForm(StrEnum):
    """How a format represents values."""

    COLUMNS = "columns"  # binary values of a type: Parquet, Arrow
    JSON = "json"
    CSV = "csv"
    CELLS = "cells"  # of a workbook


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedValue:
    """One column type: its rendering in each form, its Arrow and Parquet types, and its unit if it has one.

    ``arrow`` and ``parquet`` name the types as Arrow and the Parquet specification do. Both are nullable.
    """

    columns: Rendering
    json: Rendering
    csv: Rendering
    cells: Rendering
    arrow: str
    parquet: str
    unit: str | None = None


def _same(rendering: Rendering, arrow: str, parquet: str) -> TypedValue:
    return TypedValue(columns=rendering, json=rendering, csv=rendering, cells=rendering, arrow=arrow, parquet=parquet)


def _whole(unit: str | None = None) -> TypedValue:
    each = Rendering.INTEGER
    return TypedValue(
        columns=Rendering.INT64, json=each, csv=each, cells=each, arrow="int64", parquet="INT64", unit=unit
    )


def _text() -> TypedValue:
    exact = Rendering.EXACT_TEXT
    return TypedValue(
        columns=exact, json=exact, csv=exact, cells=Rendering.TEXT, arrow="utf8", parquet="BYTE_ARRAY (STRING)"
    )


TYPED_VALUES: Mapping[ColumnType, TypedValue] = {
    ColumnType.TEXT: _text(),
    ColumnType.ID: _text(),
    ColumnType.INTEGER: _whole(),
    ColumnType.SECONDS: _whole("seconds"),
    ColumnType.MILLISECONDS: _whole("milliseconds"),
    # As the report's query returns it: DOUBLE, or DECIMAL(p, s) if the query casts to it.
    ColumnType.DECIMAL: _same(Rendering.DECIMAL, "float64 or decimal128", "DOUBLE or DECIMAL"),
    ColumnType.BOOLEAN: _same(Rendering.BOOLEAN, "bool", "BOOLEAN"),
    ColumnType.INSTANT: TypedValue(
        columns=Rendering.INSTANT,
        json=Rendering.INSTANT_MICROSECONDS,
        csv=Rendering.INSTANT_MICROSECONDS,
        cells=Rendering.LOCAL_INSTANT,
        arrow="timestamp[us, tz=UTC]",
        parquet="INT64 (TIMESTAMP, MICROS, adjusted to UTC)",
    ),
    ColumnType.DATE: TypedValue(
        columns=Rendering.DAY,
        json=Rendering.DATE,
        csv=Rendering.DATE,
        cells=Rendering.DATE,
        arrow="date32",
        parquet="INT32 (DATE)",
    ),
    ColumnType.LIST: TypedValue(
        columns=Rendering.LIST,
        json=Rendering.LIST,
        csv=Rendering.LIST_TEXT,
        cells=Rendering.LIST,
        arrow="list<utf8>",
        parquet="LIST of BYTE_ARRAY (STRING)",
    ),
}


_BY_RENDERING = {value.columns: value for value in TYPED_VALUES.values()}


def typed_rendering(rendering: Rendering, form: ValueForm, csv: CsvOptions) -> Rendering:
    """Return the rendering of a typed column in a form. ``rendering`` is the one that the type has in ``COLUMNS``.

    ``csv`` are the options of a CSV file. Renderings of other kinds are unchanged.
    """
    value = _BY_RENDERING.get(rendering)
    if value is None:
        return rendering
    found: Rendering = getattr(value, form)
    if form is ValueForm.CSV and csv.decimal_mark == "," and found is Rendering.DECIMAL:
        return Rendering.DECIMAL_COMMA
    return found
