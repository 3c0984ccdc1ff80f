"""SQL of one column of a table, by its rule: text of the source, then its notation, then the value."""

from __future__ import annotations

from dataclasses import replace

from offtake.lake.ingest.mapping.definition import TABLE_NOTATION, ColumnRule, Lookup, Notation, UnknownCode
from offtake.lake.ingest.mapping.layers import Layers, Term
from offtake.lake.ingest.mapping.numbers import parse_duration, parse_number
from offtake.lake.ingest.mapping.phones import parse_phone
from offtake.lake.ingest.mapping.times import ISO, local_time, parse_time
from offtake.lake.ingest.parsing import INTEGERS, NOT_LIST, ParseExpressions, parse, parse_text
from offtake.lake.ingest.readers.source import SourceKind, SourceValue
from offtake.lake.tables import TableColumn
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_literal

NOT_SCALAR = "is a JSON object or array, not a text, number, true or false"
BLANKS = " \t\r\n\u00a0\u202f\u3000"  # what trim removes
_NUMBERS = {ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.SECONDS, ColumnType.MILLISECONDS}
_TEXTS = {ColumnType.TEXT, ColumnType.ID}
NAIVE_TYPES = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}


def parse_column(
    layers: Layers, column: TableColumn, rule: ColumnRule, value: SourceValue, start: Term
) -> ParseExpressions | None:
    """Return the expressions of a column; None if the type of the source does not fit.

    ``start`` is the term at which the value exists. The values of the rule's lookup are in the session variable that
    ``lookup_variable`` names.
    """
    parsed = _parsed(layers, column, rule, value, start)
    if parsed is None or rule.default is None:
        return parsed
    default, source = parse_text(column.type, quote_literal(rule.default)), parsed.source
    return ParseExpressions(
        source=f"coalesce({_as_text(source)}, {quote_literal(rule.default)})",
        value=f"CASE WHEN ({source}) IS NULL THEN {default.value} ELSE {parsed.value} END",
        reason=f"CASE WHEN ({source}) IS NOT NULL THEN {parsed.reason} END",
    )


def lookup_variable(column: TableColumn) -> str:
    """Return the name of the session variable with the lookup of a column, a map of texts."""
    return f"lookup of {column.name}"


def _as_text(sql: str) -> str:
    return f"CAST({sql} AS VARCHAR)"


def _parsed(
    layers: Layers, column: TableColumn, rule: ColumnRule, value: SourceValue, start: Term
) -> ParseExpressions | None:
    notation = rule.notation
    if notation.split is None and notation.join is not None:
        return _joined(layers, value, start, notation)
    if column.type is ColumnType.LIST and notation.split is None:
        return parse(column.type, value)
    if rule.lookup is None and notation == TABLE_NOTATION:
        return parse(column.type, value)
    if value.duckdb_type in NAIVE_TYPES and column.type is ColumnType.INSTANT and rule.lookup is None:
        return _naive(layers, value, start, notation)
    if _keeps_type(column, rule, value):
        return parse(column.type, value)
    text = _text(layers, column, value, start, notation)
    if text is None:
        return None
    if rule.lookup is not None:
        parsed = _looked_up(layers, text, column, rule.lookup)
    else:
        parsed = _by_type(layers, text, column, notation)
    return parsed if value.kind is not SourceKind.JSON else _scalar_only(value, parsed)


def _keeps_type(column: TableColumn, rule: ColumnRule, value: SourceValue) -> bool:
    """Return whether a typed value needs no notation: it is no text, and the notation concerns texts."""
    if value.kind is not SourceKind.TYPED or value.duckdb_type == "VARCHAR" or rule.lookup is not None:
        return False
    notation = replace(rule.notation, trim=False, null=())
    if column.type in {ColumnType.SECONDS, ColumnType.MILLISECONDS}:
        return not notation.duration
    if column.type is ColumnType.INSTANT:
        return value.duckdb_type.startswith("TIMESTAMP")
    if column.type is ColumnType.BOOLEAN:
        return value.duckdb_type == "BOOLEAN"
    return notation.phone is None and notation.split is None


def _text(layers: Layers, column: TableColumn, value: SourceValue, start: Term, notation: Notation) -> Term | None:
    """Return the text of a value without what the notation leaves out, null if there is none."""
    if value.duckdb_type.endswith("]") or value.duckdb_type.startswith(("STRUCT", "MAP", "BLOB")):
        return None
    is_integer = value.kind is SourceKind.TYPED and value.duckdb_type in INTEGERS
    if is_integer and column.type is ColumnType.INSTANT and not set(notation.time) - {ISO}:
        return None  # no digits are a time in ISO 8601
    sql = value.sql if value.duckdb_type == "VARCHAR" else _as_text(value.sql)
    if notation.trim:
        # Most values begin and end with a printable ASCII character, which is far cheaper to find out.
        is_trimmed = f"unicode({sql}) BETWEEN 33 AND 126 AND right({sql}, 1) BETWEEN '!' AND '~'"
        sql = f"CASE WHEN {is_trimmed} THEN {sql} ELSE trim({sql}, {quote_literal(BLANKS)}) END"
    if column.type not in _TEXTS:
        sql = f"nullif({sql}, '')"
    text = layers.let(sql, start)
    if notation.null:
        words = ", ".join(quote_literal(word) for word in notation.null)
        text = layers.let(f"CASE WHEN {text} NOT IN ({words}) THEN {text} END", text)
    return text


def _by_type(layers: Layers, text: Term, column: TableColumn, notation: Notation) -> ParseExpressions:
    if column.type is ColumnType.INSTANT:
        return parse_time(layers, text, notation)
    if column.type in _NUMBERS:
        if notation.duration:
            return parse_duration(layers, text, column.type, notation)
        return parse_number(layers, text, column.type, notation)
    if column.type is ColumnType.BOOLEAN and notation.true:
        return _words(text, notation)
    if column.type is ColumnType.LIST:
        return _split(text, str(notation.split))
    if notation.phone is not None:
        return parse_phone(layers, text, notation.phone)
    return parse_text(column.type, text.sql)


def _words(text: Term, notation: Notation) -> ParseExpressions:
    true, false = (
        ", ".join(quote_literal(word.lower()) for word in words) for words in (notation.true, notation.false)
    )
    accepted = ", ".join([*notation.true, *notation.false])
    fault = quote_literal(f"is not one of the words for true and false: {accepted}")
    return ParseExpressions(
        source=text.sql,
        value=f"CASE WHEN lower({text}) IN ({true}) THEN true WHEN lower({text}) IN ({false}) THEN false END",
        reason=f"CASE WHEN lower({text}) NOT IN ({true}, {false}) THEN {fault} END",
    )


def _split(text: Term, separator: str) -> ParseExpressions:
    items = f"list_transform(string_split({text}, {quote_literal(separator)}), lambda item: trim(item))"
    return ParseExpressions(source=text.sql, value=f"list_filter({items}, lambda item: item <> '')", reason="NULL")


def _joined(layers: Layers, value: SourceValue, start: Term, notation: Notation) -> ParseExpressions | None:
    """Return a text of the items of a list."""
    parsed = parse(ColumnType.LIST, value)
    if parsed is None:
        return None
    items = layers.let(parsed.value, start)
    return ParseExpressions(
        source=parsed.source,
        value=f"array_to_string({items}, {quote_literal(str(notation.join))})",
        reason=f"coalesce({parsed.reason}, CASE WHEN {items} IS NULL THEN {quote_literal(NOT_LIST)} END)",
    )


def _looked_up(layers: Layers, text: Term, column: TableColumn, lookup: Lookup) -> ParseExpressions:
    found = layers.let(f"getvariable({quote_literal(lookup_variable(column))})[{text}]", text)
    if lookup.unknown is UnknownCode.NULL:
        parsed = parse_text(column.type, found.sql)
        return ParseExpressions(source=found.sql, value=parsed.value, reason=parsed.reason)
    if lookup.unknown is UnknownCode.KEEP:
        kept = layers.let(f"coalesce({found}, {text})", found)
        parsed = parse_text(column.type, kept.sql)
        return ParseExpressions(source=text.sql, value=parsed.value, reason=parsed.reason)
    parsed = parse_text(column.type, found.sql)
    fault = quote_literal("is a code that the lookup of the mapping does not have")
    reason = f"CASE WHEN {found} IS NULL THEN {fault} ELSE {parsed.reason} END"
    return ParseExpressions(source=text.sql, value=parsed.value, reason=reason)


def _naive(layers: Layers, value: SourceValue, start: Term, notation: Notation) -> ParseExpressions | None:
    """Return an instant of a typed local time."""
    if notation.zone is None:
        return None
    naive = layers.let(f"CAST({value.sql} AS TIMESTAMP)", start)
    return local_time(layers, naive, notation)


def _scalar_only(value: SourceValue, parsed: ParseExpressions) -> ParseExpressions:
    scalar = f"json_type({value.json}) IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'BOOLEAN')"
    reason = f"CASE WHEN NOT {scalar} THEN {quote_literal(NOT_SCALAR)} ELSE {parsed.reason} END"
    return ParseExpressions(source=parsed.source, value=parsed.value, reason=reason)
