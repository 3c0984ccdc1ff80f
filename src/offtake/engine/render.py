"""The SQL that shows a column in a rendering, as the table of renderings (``model/rendering.py``) says."""

from __future__ import annotations

from offtake.model.column_type import ColumnType
from offtake.model.rendering import Empty, Rendering
from offtake.sql_text import quote_identifier

_UNITS_PER_SECOND = {ColumnType.SECONDS: 1, ColumnType.MILLISECONDS: 1000}
# Columns that hold text that people typed; numbers, instants and flags cannot be formulas.
_TYPED_BY_PEOPLE = frozenset({ColumnType.TEXT, ColumnType.ID, ColumnType.LIST})


def render(
    column: str, kind: ColumnType, rendering: Rendering, *, empty_text_is_null: bool = False, guarded: bool = False
) -> str:
    """The SQL expression that shows ``column``, which holds ``kind``, in that rendering.

    ``empty_text_is_null``: the file format cannot tell empty text from null. ``guarded``: text that a spreadsheet would
    run as a formula gets an apostrophe before it.
    """
    row = rendering.row
    shown = row.sql.format(value=quote_identifier(column), second=_UNITS_PER_SECOND.get(kind, 1))
    if empty_text_is_null and row.empty is not Empty.NEVER:
        shown = f"nullif({shown}, '')"
    if guarded and row.json == "string" and kind in _TYPED_BY_PEOPLE:
        shown = f"CASE WHEN regexp_matches({shown}, '^[=+@\\t\\r-]') THEN chr(39) || {shown} ELSE {shown} END"
    return shown
