"""The table of renderings, which convert a column's value to its form in the file.

Each rendering is one row: its name in ``wire.<dialect>.toml``, its SQL, the column types that it accepts, its JSON type
and its treatment of null and empty text. The catalogue checks publications against the table, the engine applies the
SQL, and the OpenAPI documents read the JSON type. ``docs/reference/report-folder.md`` documents each rendering.

The SQL runs inside the report's query. ``{value}`` is the column and ``{second}`` the number of its units per second;
the plan binds ``$zone`` and ``$instant_pattern``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Literal, Self

from offtake.model.column_type import ColumnType

JsonType = Literal["string", "integer", "number", "boolean", "array"]


class Empty(Enum):
    """Whether a rendering yields empty text, which some file formats cannot distinguish from null."""

    NEVER = auto()  # null stays null, and no value becomes empty text
    KEPT = auto()  # null stays null, and a value may be empty text, which such a format shows as null
    EXACT = auto()  # null stays null, and a value may be empty text, also in such a format
    FOR_NULL = auto()  # null becomes empty text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table."""

    sql: str
    accepts: frozenset[ColumnType]
    json: JsonType
    empty: Empty


_TEXTS = frozenset({ColumnType.TEXT, ColumnType.ID})
_ELAPSED = frozenset({ColumnType.SECONDS, ColumnType.MILLISECONDS})
_WHOLE = _ELAPSED | {ColumnType.INTEGER}
_DECIMAL = frozenset({ColumnType.DECIMAL})
_BOOLEAN = frozenset({ColumnType.BOOLEAN})
_INSTANT = frozenset({ColumnType.INSTANT})
_DATE = frozenset({ColumnType.DATE})
_LIST = frozenset({ColumnType.LIST})

_INSTANT_Z = "strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
_LOCAL = "{value} AT TIME ZONE $zone"
_OFFSET_MINUTES = f"date_diff('minute', {{value}} AT TIME ZONE 'UTC', {_LOCAL})"
_INSTANT_OFFSET = (
    f"strftime({_LOCAL}, '%Y-%m-%dT%H:%M:%S') || CASE WHEN {_OFFSET_MINUTES} < 0 THEN '-' ELSE '+' END "
    f"|| strftime(make_timestamp(60000000 * abs({_OFFSET_MINUTES})), '%H:%M')"
)
_SECONDS = "{value} // {second}"
# DuckDB divides towards zero, so every part of a negative time is negative; one sign before the parts shows it.
_SIGN = f"CASE WHEN {_SECONDS} < 0 THEN '-' ELSE '' END"
_HOURS = f"abs({_SECONDS} // 3600)"
_DAYS_TO_SECONDS = (
    f"{_SIGN} || abs({_SECONDS} // 86400) || 'd ' || ({_HOURS} % 24) || 'h ' || "
    f"abs({_SECONDS} // 60 % 60) || 'm ' || abs({_SECONDS} % 60) || 's'"
)
_HOURS_TO_SECONDS = (
    f"coalesce({_SIGN} || CASE WHEN {_HOURS} < 10 THEN '0' ELSE '' END || {_HOURS} "
    f"|| strftime(make_timestamp(1000000 * abs({_SECONDS} % 3600)), ':%M:%S'), '')"
)


def _as_is(accepts: frozenset[ColumnType], json: JsonType, empty: Empty = Empty.NEVER) -> Row:
    """Return a row that keeps the value."""
    return Row(sql="{value}", accepts=accepts, json=json, empty=empty)


def _text(sql: str, accepts: frozenset[ColumnType], empty: Empty = Empty.NEVER) -> Row:
    """Return a row that converts the value to text."""
    return Row(sql=sql, accepts=accepts, json="string", empty=empty)


class Rendering(StrEnum):
    """A rendering: its name and its row of the table."""

    row: Row

    def __new__(cls, name: str, row: Row) -> Self:
        """Create a member that equals its name and carries its row."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.row = row
        return member

    TEXT = "text", _as_is(_TEXTS, "string", Empty.KEPT)
    TEXT_OR_EMPTY = "text_or_empty", _text("coalesce({value}, '')", _TEXTS, Empty.FOR_NULL)
    # null stays null and empty text stays empty text, in every format
    EXACT_TEXT = "exact_text", _as_is(_TEXTS, "string", Empty.EXACT)
    INTEGER = "integer", _as_is(_WHOLE, "integer")
    INT64 = "int64", Row(sql="CAST({value} AS BIGINT)", accepts=_WHOLE, json="integer", empty=Empty.NEVER)
    DECIMAL = "decimal", _as_is(_DECIMAL, "number")
    DECIMAL_COMMA = "decimal_comma", _text("replace(CAST({value} AS VARCHAR), '.', ',')", _DECIMAL)  # 0,5
    BOOLEAN = "boolean", _as_is(_BOOLEAN, "boolean")
    # Yes / No, YES / NO
    YES_NO = "yes_no", _text("CASE WHEN {value} THEN 'Yes' WHEN NOT {value} THEN 'No' END", _BOOLEAN)
    YES_NO_CAPITALS = "yes_no_capitals", _text("CASE WHEN {value} THEN 'YES' WHEN NOT {value} THEN 'NO' END", _BOOLEAN)
    # 6 s is 0.0000694…
    DAY_FRACTION = (
        "day_fraction",
        Row(sql="CAST({value} AS DOUBLE) / (86400 * {second})", accepts=_ELAPSED, json="number", empty=Empty.NEVER),
    )
    DAYS_TO_SECONDS = "days_to_seconds", _text(_DAYS_TO_SECONDS, _ELAPSED)  # 0d 0h 0m 42s
    HOURS_TO_SECONDS = "hours_to_seconds", _text(_HOURS_TO_SECONDS, _ELAPSED, Empty.FOR_NULL)  # 26:03:04
    INSTANT_Z = "instant_z", _text(_INSTANT_Z, _INSTANT)  # 2026-03-01T08:00:00Z
    INSTANT_Z_OR_EMPTY = "instant_z_or_empty", _text(f"coalesce({_INSTANT_Z}, '')", _INSTANT, Empty.FOR_NULL)
    # 2026-03-01T08:00:00.250000Z, RFC 3339
    INSTANT_MICROSECONDS = (
        "instant_microseconds",
        _text("strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')", _INSTANT),
    )
    # a value of the type instant in formats that have it (Parquet, Arrow)
    INSTANT = "instant", _as_is(_INSTANT, "string")
    # 2026-03-01T09:00:00+01:00, the offset of the request's zone at that instant
    INSTANT_OFFSET = "instant_offset", _text(_INSTANT_OFFSET, _INSTANT)
    # in the request's zone and the pattern of its locale
    INSTANT_LOCALE = (
        "instant_locale",
        _text(f"coalesce(strftime({_LOCAL}, $instant_pattern), '')", _INSTANT, Empty.FOR_NULL),
    )
    # 2026-03-01 09:00:00 and 2026-03-01 09:00:00.250 in the request's zone
    LOCAL_SECONDS = "local_seconds", _text(f"strftime({_LOCAL}, '%Y-%m-%d %H:%M:%S')", _INSTANT)
    LOCAL_MILLISECONDS = "local_milliseconds", _text(f"strftime({_LOCAL}, '%Y-%m-%d %H:%M:%S.%g')", _INSTANT)
    # the local time in the request's zone, as a date value in formats that have them; as text in JSON
    LOCAL_INSTANT = "local_instant", _text(_LOCAL, _INSTANT)
    DAY = "day", _as_is(_DATE, "string")  # a value of the type date in formats that have it (Parquet, Arrow)
    DATE = "date", _text("strftime({value}, '%Y-%m-%d')", _DATE)  # 2026-03-01
    DATE_OR_EMPTY = "date_or_empty", _text("coalesce(strftime({value}, '%Y-%m-%d'), '')", _DATE, Empty.FOR_NULL)
    JOINED_PLUS = "joined_plus", _text("array_to_string({value}, '+')", _LIST, Empty.KEPT)  # a+b+c
    JOINED_PLUS_OR_EMPTY = (
        "joined_plus_or_empty",
        _text("coalesce(array_to_string({value}, '+'), '')", _LIST, Empty.FOR_NULL),
    )
    JOINED_SPACED_PLUS = "joined_spaced_plus", _text("array_to_string({value}, ' + ')", _LIST, Empty.KEPT)  # a + b + c
    JOINED_COMMA = "joined_comma", _text("coalesce(array_to_string({value}, ', '), '')", _LIST, Empty.FOR_NULL)
    LIST = "list", _as_is(_LIST, "array")  # ["a","b"]: an array where the format has arrays, else its JSON text
    LIST_TEXT = "list_text", _text("CAST(to_json({value}) AS VARCHAR)", _LIST)  # the JSON text of the array
    # any single value as text
    PLAIN = (
        "plain",
        _text("coalesce(CAST({value} AS VARCHAR), '')", _TEXTS | _WHOLE | _DECIMAL | _BOOLEAN | _DATE, Empty.FOR_NULL),
    )


def fitting(column_type: ColumnType) -> frozenset[Rendering]:
    """Return the renderings that accept a column of that type."""
    return frozenset(rendering for rendering in Rendering if column_type in rendering.row.accepts)


def in_cells(rendering: Rendering) -> Rendering:
    """Return the rendering for a workbook, whose cells can contain dates; others are unchanged."""
    return Rendering.LOCAL_INSTANT if rendering.row.accepts == _INSTANT else rendering
