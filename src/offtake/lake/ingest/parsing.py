"""How the value of one column is read, by the way the file writes it: text, JSON or a Parquet type.

A reading gives three SQL expressions over one value as written: the typed value, why it cannot be read (null if it
can), and the value as text for a person. What the model demands beyond the type is ``validate.py``'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from offtake.lake.sqltext import literal
from offtake.model.report import ColumnType

_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET = r"(Z|[+-][01][0-9](:?[0-5][0-9])?)"
_NUMBER = r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"

NOT_TEXT = "is not text"
NOT_WHOLE = "is not a whole number"
NOT_NUMBER = "is not a finite number"
NOT_BOOLEAN = "is neither true nor false"
NOT_LIST = "is not a JSON array of texts"
NOT_INSTANT = "is not an instant such as 2026-03-01T08:00:00Z (ISO 8601, at most six decimals of a second)"
NO_OFFSET = "is a time without an offset: write Z or an offset such as +01:00 after it"
NO_SUCH_TIME = "is not a time that exists"
TOO_LARGE = "is too large"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseExpressions:
    """One value as SQL; ``written`` is null exactly where the file gives no value."""

    written: str
    value: str
    refusal: str


def read_text(kind: ColumnType, written: str) -> ParseExpressions:
    """A value written as text, as in CSV."""
    value, refusal = _TEXT_READINGS[kind]
    return ParseExpressions(written=written, value=value.format(v=written), refusal=refusal.format(v=written))


def read_json(kind: ColumnType, written: str, json: str) -> ParseExpressions:
    """A value written as JSON, with its text beside it: its JSON type must fit, the rest is read from the text."""
    kinds, reason = _JSON_TYPES[kind]
    accepted = ", ".join(literal(name) for name in kinds)
    inner = read_text(kind, written)
    refusal = f"CASE WHEN json_type({json}) NOT IN ({accepted}) THEN {literal(reason)} ELSE {inner.refusal} END"
    return ParseExpressions(written=written, value=inner.value, refusal=refusal)


def read_typed(kind: ColumnType, written: str, duckdb_type: str) -> ParseExpressions | None:
    """A value that has a type already, as in Parquet; None if that type cannot hold such values."""
    if duckdb_type == "VARCHAR":
        return read_text(kind, written)
    if duckdb_type.split("(")[0] not in _ACCEPTED[kind]:
        return None
    value, refusal = _TYPED_READINGS[kind]
    return ParseExpressions(written=written, value=value.format(v=written), refusal=refusal.format(v=written))


_AS_IT_IS = ("{v}", "NULL")
_WHOLE = (
    "try_cast({v} AS BIGINT)",
    f"CASE WHEN NOT regexp_full_match({{v}}, {literal('-?[0-9]+')}) THEN {literal(NOT_WHOLE)} "
    f"WHEN try_cast({{v}} AS BIGINT) IS NULL THEN {literal(TOO_LARGE)} END",
)
_LIST = (
    "CASE WHEN json_valid({v}) THEN CASE WHEN json_type({v}) = 'ARRAY' AND "
    "len(list_filter(json_type({v}, '$[*]'), lambda kind: kind <> 'VARCHAR')) = 0 "
    "THEN CAST(CAST({v} AS JSON) AS VARCHAR[]) END END"
)


def _braced(pattern: str) -> str:
    """A pattern inside a text that ``str.format`` will read."""
    return literal(pattern).replace("{", "{{").replace("}", "}}")


_TEXT_READINGS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {
        ColumnType.TEXT: _AS_IT_IS,
        ColumnType.ID: _AS_IT_IS,
        ColumnType.INTEGER: _WHOLE,
        ColumnType.SECONDS: _WHOLE,
        ColumnType.MILLISECONDS: _WHOLE,
        ColumnType.DECIMAL: (
            "try_cast({v} AS DOUBLE)",
            f"CASE WHEN NOT regexp_full_match({{v}}, {_braced(_NUMBER)}) THEN {literal(NOT_NUMBER)} "
            f"WHEN NOT coalesce(isfinite(try_cast({{v}} AS DOUBLE)), false) THEN {literal(TOO_LARGE)} END",
        ),
        ColumnType.BOOLEAN: (
            "CASE lower({v}) WHEN 'true' THEN true WHEN 'false' THEN false END",
            f"CASE WHEN lower({{v}}) NOT IN ('true', 'false') THEN {literal(NOT_BOOLEAN)} END",
        ),
        ColumnType.INSTANT: (
            "try_cast({v} AS TIMESTAMPTZ)",
            f"CASE WHEN NOT regexp_full_match({{v}}, {_braced(_CLOCK + _OFFSET)}) THEN "
            f"CASE WHEN regexp_full_match({{v}}, {_braced(_CLOCK)}) THEN {literal(NO_OFFSET)} "
            f"ELSE {literal(NOT_INSTANT)} END "
            f"WHEN try_cast({{v}} AS TIMESTAMPTZ) IS NULL THEN {literal(NO_SUCH_TIME)} END",
        ),
        ColumnType.LIST: (_LIST, f"CASE WHEN ({_LIST}) IS NULL THEN {literal(NOT_LIST)} END"),
    }
)
_WHOLE_JSON = (("BIGINT", "UBIGINT"), NOT_WHOLE)
_JSON_TYPES: Mapping[ColumnType, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        ColumnType.TEXT: (("VARCHAR",), NOT_TEXT),
        ColumnType.ID: (("VARCHAR",), NOT_TEXT),
        ColumnType.INTEGER: _WHOLE_JSON,
        ColumnType.SECONDS: _WHOLE_JSON,
        ColumnType.MILLISECONDS: _WHOLE_JSON,
        ColumnType.DECIMAL: (("BIGINT", "UBIGINT", "DOUBLE"), NOT_NUMBER),
        ColumnType.BOOLEAN: (("BOOLEAN",), NOT_BOOLEAN),
        ColumnType.INSTANT: (("VARCHAR",), NOT_INSTANT),
        ColumnType.LIST: (("ARRAY",), NOT_LIST),
    }
)
_WHOLE_TYPES = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_ACCEPTED: Mapping[ColumnType, frozenset[str]] = MappingProxyType(
    {
        ColumnType.TEXT: frozenset(),
        ColumnType.ID: frozenset(),
        ColumnType.INTEGER: _WHOLE_TYPES,
        ColumnType.SECONDS: _WHOLE_TYPES,
        ColumnType.MILLISECONDS: _WHOLE_TYPES,
        ColumnType.DECIMAL: _WHOLE_TYPES | {"FLOAT", "DOUBLE", "DECIMAL"},
        ColumnType.BOOLEAN: frozenset({"BOOLEAN"}),
        ColumnType.INSTANT: frozenset({"TIMESTAMP WITH TIME ZONE"}),
        ColumnType.LIST: frozenset({"VARCHAR[]"}),
    }
)
_WHOLE_TYPED = (
    "try_cast({v} AS BIGINT)",
    f"CASE WHEN try_cast({{v}} AS BIGINT) IS NULL THEN {literal(TOO_LARGE)} END",
)
_TYPED_READINGS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {
        ColumnType.INTEGER: _WHOLE_TYPED,
        ColumnType.SECONDS: _WHOLE_TYPED,
        ColumnType.MILLISECONDS: _WHOLE_TYPED,
        ColumnType.DECIMAL: (
            "try_cast({v} AS DOUBLE)",
            f"CASE WHEN NOT isfinite(CAST({{v}} AS DOUBLE)) THEN {literal(NOT_NUMBER)} END",
        ),
        ColumnType.BOOLEAN: _AS_IT_IS,
        ColumnType.INSTANT: ("{v}", f"CASE WHEN NOT isfinite({{v}}) THEN {literal(NO_SUCH_TIME)} END"),
        ColumnType.LIST: (
            "{v}",
            f"CASE WHEN len(list_filter({{v}}, lambda part: part IS NULL)) > 0 THEN {literal(NOT_LIST)} END",
        ),
    }
)
