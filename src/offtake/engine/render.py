"""Returns the SQL of a column in a rendering, from the table of renderings (``model/rendering.py``)."""

from __future__ import annotations

from offtake.model.column_type import ColumnType
from offtake.model.rendering import Empty, Rendering
from offtake.sql_text import quote_identifier

_UNITS_PER_SECOND = {ColumnType.SECONDS: 1, ColumnType.MILLISECONDS: 1000}
# Types whose values may be text that a person typed; numbers, instants and flags cannot be formulas.
_FREE_TEXT = frozenset({ColumnType.TEXT, ColumnType.ID, ColumnType.LIST})
# OWASP, "CSV Injection": the characters with which spreadsheets begin a formula, also in full width.
_FORMULA = r"^[=+@\t\r\n＝＋－＠-]"


def render(
    column: str,
    column_type: ColumnType,
    rendering: Rendering,
    *,
    empty_text_is_null: bool = False,
    guard_formulas: bool = False,
) -> str:
    """Return the SQL expression of ``column``, which has the type ``column_type``, in that rendering.

    ``empty_text_is_null``: the file format cannot distinguish empty text from null. ``guard_formulas``: text that a
    spreadsheet would run as a formula gets an apostrophe before it.
    """
    row = rendering.row
    sql = row.sql.format(value=quote_identifier(column), second=_UNITS_PER_SECOND.get(column_type, 1))
    if empty_text_is_null and row.empty in (Empty.KEPT, Empty.FOR_NULL):
        sql = f"nullif({sql}, '')"
    if guard_formulas and row.json == "string" and column_type in _FREE_TEXT:
        sql = f"CASE WHEN regexp_matches({sql}, '{_FORMULA}') THEN chr(39) || {sql} ELSE {sql} END"
    return sql
