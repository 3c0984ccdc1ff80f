"""How each rendering looks in DuckDB SQL.

One place decides what an instant, a yes-or-no or a list looks like, for every dialect and every format; it runs inside
the query, at the query's speed. ``{value}`` stands for the column, ``{second}`` for how many of its units make a
second. ``$zone`` and ``$instant_pattern`` are bound by the plan.
"""

from __future__ import annotations

from offtake.model.report import ColumnType, Rendering

_INSTANT_Z = "strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
_LOCAL = "{value} AT TIME ZONE $zone"
_OFFSET_MINUTES = f"date_diff('minute', {{value}} AT TIME ZONE 'UTC', {_LOCAL})"
_SECONDS = "{value} // {second}"

SQL: dict[Rendering, str] = {
    Rendering.TEXT: "{value}",
    Rendering.TEXT_OR_EMPTY: "coalesce({value}, '')",
    Rendering.PLAIN: "coalesce(CAST({value} AS VARCHAR), '')",
    Rendering.INTEGER: "{value}",
    Rendering.DECIMAL: "{value}",
    Rendering.BOOLEAN: "{value}",
    Rendering.YES_NO: "CASE WHEN {value} THEN 'Yes' WHEN NOT {value} THEN 'No' END",
    Rendering.YES_NO_CAPITALS: "CASE WHEN {value} THEN 'YES' WHEN NOT {value} THEN 'NO' END",
    Rendering.DAY_FRACTION: "CAST({value} AS DOUBLE) / (86400 * {second})",
    Rendering.DAYS_TO_SECONDS: f"({_SECONDS} // 86400) || 'd ' || ({_SECONDS} // 3600 % 24) || 'h ' || "
    f"({_SECONDS} // 60 % 60) || 'm ' || ({_SECONDS} % 60) || 's'",
    Rendering.HOURS_TO_SECONDS: f"coalesce(CASE WHEN {_SECONDS} < 36000 THEN '0' ELSE '' END || ({_SECONDS} // 3600) "
    f"|| strftime(make_timestamp(1000000 * ({_SECONDS} % 3600)), ':%M:%S'), '')",
    Rendering.INSTANT_Z: _INSTANT_Z,
    Rendering.INSTANT_Z_OR_EMPTY: f"coalesce({_INSTANT_Z}, '')",
    Rendering.INSTANT_OFFSET: f"strftime({_LOCAL}, '%Y-%m-%dT%H:%M:%S') || CASE WHEN {_OFFSET_MINUTES} < 0 THEN '-' "
    f"ELSE '+' END || strftime(make_timestamp(60000000 * abs({_OFFSET_MINUTES})), '%H:%M')",
    Rendering.INSTANT_LOCALE: f"coalesce(strftime({_LOCAL}, $instant_pattern), '')",
    Rendering.LOCAL_SECONDS: f"strftime({_LOCAL}, '%Y-%m-%d %H:%M:%S')",
    Rendering.LOCAL_MILLISECONDS: f"strftime({_LOCAL}, '%Y-%m-%d %H:%M:%S.%g')",
    Rendering.LOCAL_INSTANT: _LOCAL,
    Rendering.JOINED_PLUS: "array_to_string({value}, '+')",
    Rendering.JOINED_PLUS_OR_EMPTY: "coalesce(array_to_string({value}, '+'), '')",
    Rendering.JOINED_SPACED_PLUS: "array_to_string({value}, ' + ')",
    Rendering.JOINED_COMMA: "coalesce(array_to_string({value}, ', '), '')",
    Rendering.LIST: "{value}",
    Rendering.LIST_TEXT: "CAST(to_json({value}) AS VARCHAR)",
}
_UNITS_PER_SECOND = {ColumnType.SECONDS: 1, ColumnType.MILLISECONDS: 1000}


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier; wire names hold dots, hyphens and question marks."""
    return '"' + name.replace('"', '""') + '"'


# Renderings whose result may be empty text, which some encodings cannot tell from null.
_MAY_BE_EMPTY = frozenset(
    {
        Rendering.TEXT,
        Rendering.TEXT_OR_EMPTY,
        Rendering.PLAIN,
        Rendering.HOURS_TO_SECONDS,
        Rendering.INSTANT_Z_OR_EMPTY,
        Rendering.INSTANT_LOCALE,
        Rendering.JOINED_PLUS,
        Rendering.JOINED_PLUS_OR_EMPTY,
        Rendering.JOINED_SPACED_PLUS,
        Rendering.JOINED_COMMA,
    }
)


def render(column: str, kind: ColumnType, rendering: Rendering, *, empty_text_is_null: bool) -> str:
    """The SQL expression that shows ``column``, which holds ``kind``, in that rendering."""
    shown = SQL[rendering].format(value=identifier(column), second=_UNITS_PER_SECOND.get(kind, 1))
    return f"nullif({shown}, '')" if empty_text_is_null and rendering in _MAY_BE_EMPTY else shown


# Columns that may hold whatever somebody typed; numbers, instants and flags cannot be formulas.
WRITTEN_BY_PEOPLE = frozenset({ColumnType.TEXT, ColumnType.ID, ColumnType.LIST})


def guard(shown: str) -> str:
    """The text of that expression, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"CASE WHEN regexp_matches({shown}, '^[=+@\\t\\r-]') THEN chr(39) || {shown} ELSE {shown} END"
