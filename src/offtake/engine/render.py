"""How each rendering looks in DuckDB SQL.

One place decides what an instant, a yes-or-no or a list looks like, for every dialect and every format; it runs inside
the query, at the query's speed. ``{value}`` stands for the column. ``$zone`` is bound by the plan.
"""

from __future__ import annotations

from offtake.model.report import Rendering

_INSTANT_Z = "strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"

SQL: dict[Rendering, str] = {
    Rendering.TEXT: "{value}",
    Rendering.TEXT_OR_EMPTY: "coalesce({value}, '')",
    Rendering.INTEGER: "{value}",
    Rendering.DECIMAL: "{value}",
    Rendering.BOOLEAN: "{value}",
    Rendering.YES_NO: "CASE WHEN {value} THEN 'Yes' WHEN NOT {value} THEN 'No' END",
    Rendering.INSTANT_Z: _INSTANT_Z,
    Rendering.INSTANT_Z_OR_EMPTY: f"coalesce({_INSTANT_Z}, '')",
    Rendering.LOCAL_SECONDS: "strftime({value} AT TIME ZONE $zone, '%Y-%m-%d %H:%M:%S')",
    Rendering.JOINED_PLUS: "array_to_string({value}, '+')",
    Rendering.JOINED_PLUS_OR_EMPTY: "coalesce(array_to_string({value}, '+'), '')",
}


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier; wire names hold dots, hyphens and question marks."""
    return '"' + name.replace('"', '""') + '"'


# Renderings whose result may be empty text, which some encodings cannot tell from null.
_MAY_BE_EMPTY = frozenset(
    {
        Rendering.TEXT,
        Rendering.TEXT_OR_EMPTY,
        Rendering.INSTANT_Z_OR_EMPTY,
        Rendering.JOINED_PLUS,
        Rendering.JOINED_PLUS_OR_EMPTY,
    }
)


def render(column: str, rendering: Rendering, *, empty_text_is_null: bool) -> str:
    """The SQL expression that shows ``column`` in that rendering."""
    shown = SQL[rendering].format(value=identifier(column))
    return f"nullif({shown}, '')" if empty_text_is_null and rendering in _MAY_BE_EMPTY else shown
