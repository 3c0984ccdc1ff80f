"""SQL expressions that parse one column of a file, by the file's encoding: text (CSV), JSON, or a Parquet type.

For each column there are three expressions: the source value, the parsed value, and the reason why it cannot be parsed
(null if it can). ``validate.py`` adds the model's rules beyond the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from offtake.lake.ingest.readers.source import SourceKind, SourceValue
from offtake.lake.tables import DUCKDB_TYPES
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_literal

CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
OFFSET = r"(Z|[+-][01][0-9](:?[0-5][0-9])?)"
_NUMBER = r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"

NOT_TEXT = "is not a JSON string"
NOT_ID = "is neither a JSON string nor a whole number of 64 bits"
NOT_WHOLE = "is not a whole number; write digits only, such as 42 or -7"
NOT_NUMBER = "is not a finite number; write one such as 3.5 or 1e3"
NOT_BOOLEAN = "is not a boolean; write true or false"
NOT_LIST = 'is not a JSON array of strings, such as ["a", "b"]'
NOT_INSTANT = "is not an instant such as 2026-03-01T08:00:00Z (ISO 8601, at most six decimals of a second)"
NO_OFFSET = "is a time without a UTC offset; append Z or an offset such as +01:00"
NO_SUCH_TIME = "is not an existing date and time of the years 0001 to 9999"
TOO_LARGE = "is out of range; the limits are those of a 64-bit integer"
TOO_LARGE_FLOAT = "is beyond 2^53, where a floating-point number does not tell the whole number; write an integer type"
TOO_PRECISE = "has more than six decimals of a second; round it to microseconds"
TOO_LARGE_DECIMAL = "is out of range; the limits are those of a 64-bit floating-point number"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseExpressions:
    """SQL expressions of one column."""

    source: str  # the value in the file; null if there is none
    value: str  # parsed
    reason: str  # why the value cannot be parsed; null if it can


def parse(column_type: ColumnType, value: SourceValue) -> ParseExpressions | None:
    """Return the expressions for a value of a source; None if its type does not fit the column."""
    if value.kind is SourceKind.TEXT:
        return parse_text(column_type, value.sql)
    if value.kind is SourceKind.JSON:
        return parse_json(column_type, value.sql, value.json)
    return parse_typed(column_type, value.sql, value.duckdb_type)


def parse_text(column_type: ColumnType, source: str) -> ParseExpressions:
    """Return the expressions for a value in text form, as in CSV.

    In a column of another type than text, empty text has no meaning of its own, so it is no value: some programs quote
    every field of a CSV file.
    """
    return _parse_text(column_type, source if column_type in _TEXTS else f"nullif({source}, '')")


def _parse_text(column_type: ColumnType, source: str) -> ParseExpressions:
    value, reason = _TEXT_EXPRESSIONS[column_type]
    return ParseExpressions(source=source, value=value.format(v=source), reason=reason.format(v=source))


def parse_json(column_type: ColumnType, source: str, json: str) -> ParseExpressions:
    """Return the expressions for a JSON value: ``json`` is checked for its type, ``source``, its text, is parsed."""
    types, type_reason = _JSON_TYPES[column_type]
    accepted = ", ".join(quote_literal(name) for name in types)
    text = _parse_text(column_type, source)
    reason = f"CASE WHEN json_type({json}) NOT IN ({accepted}) THEN {quote_literal(type_reason)} ELSE {text.reason} END"
    return ParseExpressions(source=source, value=text.value, reason=reason)


def parse_typed(column_type: ColumnType, source: str, duckdb_type: str) -> ParseExpressions | None:
    """Return the expressions for a typed value, as in Parquet; None if the type does not fit the column."""
    if duckdb_type == "VARCHAR":
        return parse_text(column_type, source)
    if duckdb_type == _NULL:
        return ParseExpressions(source=source, value=f"CAST(NULL AS {DUCKDB_TYPES[column_type]})", reason="NULL")
    expressions = _TYPED_EXPRESSIONS[column_type].get(_DECIMAL_TYPE.sub(_decimal, duckdb_type))
    if expressions is None:
        return None
    value, reason = expressions
    return ParseExpressions(source=source, value=value.format(v=source), reason=reason.format(v=source))


def _decimal(found: re.Match[str]) -> str:
    return _WHOLE_DECIMAL if int(found["scale"]) == 0 else _DECIMAL


def accepted_types(column_type: ColumnType) -> list[str]:
    """Return the Parquet column types that ``parse_typed`` accepts, by DuckDB's names."""
    return ["VARCHAR", *sorted(name for name in _TYPED_EXPRESSIONS[column_type] if _NULL not in name)]


def remedy(column_type: ColumnType, duckdb_type: str) -> str:
    """Return how to write a column whose type ``parse_typed`` refuses; begins with a space, or is empty."""
    if column_type is ColumnType.INSTANT and duckdb_type.startswith("TIMESTAMP"):
        return (
            " The file does not tell the time zone of this column (INT96 never does). Write it as a timestamp adjusted "
            "to UTC: in pandas and polars with a time zone, in Spark with "
            "spark.sql.parquet.outputTimestampType = TIMESTAMP_MICROS."
        )
    if duckdb_type == "BLOB" and column_type in _TEXTS:
        return " Write the column as a string (UTF-8), not as binary."
    return f" Convert the column to one of them, for example with CAST(… AS {DUCKDB_TYPES[column_type]})."


_TEXTS = frozenset({ColumnType.TEXT, ColumnType.ID})
_NULL = '"NULL"'  # DuckDB's name of the type of a column that has no value
_DECIMAL_TYPE = re.compile(r"^DECIMAL\(\d+,(?P<scale>\d+)\)$")
_DECIMAL = "DECIMAL"
_WHOLE_DECIMAL = "DECIMAL(…,0)"  # a decimal number of any precision without decimals
_UNCHANGED = ("{v}", "NULL")
_WHOLE = (
    "try_cast({v} AS BIGINT)",
    f"CASE WHEN NOT regexp_full_match({{v}}, {quote_literal('-?[0-9]+')}) THEN {quote_literal(NOT_WHOLE)} "
    f"WHEN try_cast({{v}} AS BIGINT) IS NULL THEN {quote_literal(TOO_LARGE)} END",
)
_LIST = (
    "CASE WHEN json_valid({v}) THEN CASE WHEN json_type({v}) = 'ARRAY' AND "
    "len(list_filter(json_type({v}, '$[*]'), lambda json_type: json_type <> 'VARCHAR')) = 0 "
    "THEN CAST(CAST({v} AS JSON) AS VARCHAR[]) END END"
)


def _escaped_literal(pattern: str) -> str:
    """Return a pattern as an SQL literal for ``str.format``, with its braces doubled."""
    return quote_literal(pattern).replace("{", "{{").replace("}", "}}")


_TEXT_EXPRESSIONS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {
        ColumnType.TEXT: _UNCHANGED,
        ColumnType.ID: _UNCHANGED,
        ColumnType.INTEGER: _WHOLE,
        ColumnType.SECONDS: _WHOLE,
        ColumnType.MILLISECONDS: _WHOLE,
        ColumnType.DECIMAL: (
            "try_cast({v} AS DOUBLE)",
            f"CASE WHEN NOT regexp_full_match({{v}}, {_escaped_literal(_NUMBER)}) THEN {quote_literal(NOT_NUMBER)} "
            "WHEN NOT coalesce(isfinite(try_cast({v} AS DOUBLE)), false) "
            f"THEN {quote_literal(TOO_LARGE_DECIMAL)} END",
        ),
        ColumnType.BOOLEAN: (
            "CASE lower({v}) WHEN 'true' THEN true WHEN 'false' THEN false END",
            f"CASE WHEN lower({{v}}) NOT IN ('true', 'false') THEN {quote_literal(NOT_BOOLEAN)} END",
        ),
        ColumnType.INSTANT: (
            "try_cast({v} AS TIMESTAMPTZ)",
            f"CASE WHEN NOT regexp_full_match({{v}}, {_escaped_literal(CLOCK + OFFSET)}) THEN "
            f"CASE WHEN regexp_full_match({{v}}, {_escaped_literal(CLOCK)}) THEN {quote_literal(NO_OFFSET)} "
            f"ELSE {quote_literal(NOT_INSTANT)} END "
            f"WHEN try_cast({{v}} AS TIMESTAMPTZ) IS NULL THEN {quote_literal(NO_SUCH_TIME)} END",
        ),
        ColumnType.LIST: (_LIST, f"CASE WHEN ({_LIST}) IS NULL THEN {quote_literal(NOT_LIST)} END"),
    }
)
_WHOLE_JSON = (("BIGINT", "UBIGINT"), NOT_WHOLE)
_JSON_TYPES: Mapping[ColumnType, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        ColumnType.TEXT: (("VARCHAR",), NOT_TEXT),
        ColumnType.ID: (("VARCHAR", "BIGINT", "UBIGINT"), NOT_ID),
        ColumnType.INTEGER: _WHOLE_JSON,
        ColumnType.SECONDS: _WHOLE_JSON,
        ColumnType.MILLISECONDS: _WHOLE_JSON,
        ColumnType.DECIMAL: (("BIGINT", "UBIGINT", "DOUBLE"), NOT_NUMBER),
        ColumnType.BOOLEAN: (("BOOLEAN",), NOT_BOOLEAN),
        ColumnType.INSTANT: (("VARCHAR",), NOT_INSTANT),
        ColumnType.LIST: (("ARRAY",), NOT_LIST),
    }
)
INTEGERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)
_Expressions = Mapping[str, tuple[str, str]]  # by DuckDB's type: the value, and the reason why it cannot be parsed


def _each(types: Iterable[str], value: str, reason: str = "NULL") -> _Expressions:
    return dict.fromkeys(types, (value, reason))


_FLOATS = ("DOUBLE", "FLOAT")
# Beyond 2**53, several whole numbers have the same floating-point number.
_IS_WHOLE = "{v} = trunc({v})"
_WHOLE_TYPED: _Expressions = {
    **_each(
        [*INTEGERS, _WHOLE_DECIMAL],
        "try_cast({v} AS BIGINT)",
        f"CASE WHEN try_cast({{v}} AS BIGINT) IS NULL THEN {quote_literal(TOO_LARGE)} END",
    ),
    _DECIMAL: (
        f"CASE WHEN {_IS_WHOLE} THEN try_cast({{v}} AS BIGINT) END",
        f"CASE WHEN NOT {_IS_WHOLE} THEN {quote_literal(NOT_WHOLE)} "
        f"WHEN try_cast({{v}} AS BIGINT) IS NULL THEN {quote_literal(TOO_LARGE)} END",
    ),
    **_each(
        _FLOATS,
        f"CASE WHEN {_IS_WHOLE} AND abs({{v}}) <= 9007199254740992 THEN CAST({{v}} AS BIGINT) END",
        f"CASE WHEN NOT coalesce({_IS_WHOLE} AND isfinite({{v}}), false) THEN {quote_literal(NOT_WHOLE)} "
        f"WHEN abs({{v}}) > 9007199254740992 THEN {quote_literal(TOO_LARGE_FLOAT)} END",
    ),
}
_TYPED_EXPRESSIONS: Mapping[ColumnType, _Expressions] = MappingProxyType(
    {
        ColumnType.TEXT: _each(["UUID"], "CAST({v} AS VARCHAR)"),
        ColumnType.ID: _each([*INTEGERS, _WHOLE_DECIMAL, "UUID"], "CAST({v} AS VARCHAR)"),
        ColumnType.INTEGER: _WHOLE_TYPED,
        ColumnType.SECONDS: _WHOLE_TYPED,
        ColumnType.MILLISECONDS: _WHOLE_TYPED,
        ColumnType.DECIMAL: _each(
            [*INTEGERS, *_FLOATS, _DECIMAL, _WHOLE_DECIMAL],
            "try_cast({v} AS DOUBLE)",
            f"CASE WHEN NOT isfinite(CAST({{v}} AS DOUBLE)) THEN {quote_literal(NOT_NUMBER)} END",
        ),
        ColumnType.BOOLEAN: {"BOOLEAN": _UNCHANGED},
        ColumnType.INSTANT: {
            "TIMESTAMP WITH TIME ZONE": (
                "{v}",
                f"CASE WHEN NOT isfinite({{v}}) THEN {quote_literal(NO_SUCH_TIME)} END",
            ),
            "TIMESTAMPTZ_NS": (
                "CAST({v} AS TIMESTAMPTZ)",
                f"CASE WHEN NOT isfinite(CAST({{v}} AS TIMESTAMPTZ)) THEN {quote_literal(NO_SUCH_TIME)} "
                f"WHEN epoch_ns({{v}}) % 1000 <> 0 THEN {quote_literal(TOO_PRECISE)} END",
            ),
        },
        ColumnType.LIST: {
            "VARCHAR[]": (
                "{v}",
                f"CASE WHEN len(list_filter({{v}}, lambda item: item IS NULL)) > 0 THEN {quote_literal(NOT_LIST)} END",
            ),
            f"{_NULL}[]": (
                "CAST({v} AS VARCHAR[])",
                f"CASE WHEN len({{v}}) > 0 THEN {quote_literal(NOT_LIST)} END",
            ),
        },
    }
)
