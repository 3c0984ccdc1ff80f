"""Validation: one SQL statement reads a chunk, checks every row against the model, and inserts it into ``arriving``.

A good row is typed and has null ``_faults``; a bad row has its faults, at most one per column, and its raw text. Rows
are checked one by one: ``upsert.py`` resolves duplicate keys, and foreign keys are not enforced (see ``load.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from offtake.errors import InvalidExpression
from offtake.lake.ingest.incoming import ARRIVING, MARKED
from offtake.lake.ingest.mapping.mapped import NEVER, TENANT, UNKNOWN_COLUMN, MappedSource
from offtake.lake.ingest.parsing import NO_SUCH_TIME, ParseExpressions
from offtake.lake.tables import DUCKDB_TYPES, Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.model.expression import parse
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

_YEARS = "TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
_VALUE_LENGTH = 80  # of a faulty value that a fault keeps


def stage(
    connection: duckdb.DuckDBPyConnection, table: Table, source: MappedSource, path: str, *, size: int, tenant: str
) -> int:
    """Read the chunk at ``path``, whose longest record has at most ``size`` bytes; return the number of rows read."""
    parameters: dict[str, object] = {"path": path, "size": size, "tenant": tenant}
    for column in table.columns:
        if column.syntax == "filter" and column.name in source.expressions:
            _check_expressions(connection, source, column, parameters)
    sql = _statement(table, source)
    inserted = connection.execute(sql, _used(parameters, sql)).fetchone()
    return int(inserted[0]) if inserted else 0


def _used(parameters: Mapping[str, object], sql: str) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if f"${name}" in sql}


def _check_expressions(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, column: TableColumn, parameters: Mapping[str, object]
) -> None:
    """Parse each distinct filter expression of a column, which SQL cannot do, and store the faults in a variable."""
    texts = f"SELECT DISTINCT {source.expressions[column.name].value} FROM ({source.relation})"  # noqa: S608
    reasons: dict[str, str] = {}
    for (text,) in connection.execute(texts, _used(parameters, texts)).fetchall():
        try:
            parse(text or "")
        except InvalidExpression as error:
            reasons[text or ""] = str(error)
    connection.execute(
        f"SET VARIABLE {quote_identifier('faults of ' + column.name)} = map($texts, $reasons)",
        {"texts": list(reasons), "reasons": list(reasons.values())},
    )


def _statement(table: Table, source: MappedSource) -> str:
    """Return the INSERT statement; three nested layers, values, reasons and faults, compute each expression once."""
    expressions = source.expressions
    values = [f"{_value(column, expressions)} AS {_v(column)}" for column in table.columns]
    parse_reasons = [
        f"{each.reason} AS {quote_identifier('parse reason ' + name)}" for name, each in expressions.items()
    ]
    checked = [column for column in (*table.columns, TENANT) if column.name in expressions]
    reasons = [f"{_reason(table, column, source)} AS {_r(column)}" for column in checked]
    month = [f"strftime({quote_identifier('value ' + table.event_time)}, '%Y-%m') AS month"] if table.event_time else []
    typed = [f"{_v(column)} AS {quote_identifier(column.name)}" for column in table.columns]
    kept = [] if source.left_out == NEVER else ["_left_out"]
    ranked = [] if source.rank is None else ["_rank"]
    columns = [*typed, *month, *kept, *ranked, MARKED, f"{_faults(checked, source)} AS _faults"]
    return (
        f"INSERT INTO {ARRIVING} BY NAME\n"
        f"SELECT {comma_separated([*columns, f'CASE WHEN _faults IS NOT NULL THEN {source.raw} END AS _raw'])}\n"
        f"FROM (SELECT *, {comma_separated(reasons)}\n"
        f"FROM (SELECT *, {source.row_fault} AS _row_fault, {source.unknown_keys or 'NULL'} AS _unknown,\n"
        f"    {source.left_out} AS _left_out, {source.rank or 'NULL'} AS _rank, {source.marked} AS {MARKED},\n"
        f"    {comma_separated([*values, *parse_reasons])}\nFROM ({source.relation})))"
    )


def _v(column: TableColumn) -> str:
    return quote_identifier(f"value {column.name}")


def _r(column: TableColumn) -> str:
    return quote_identifier(f"reason {column.name}")


def _value(column: TableColumn, expressions: Mapping[str, ParseExpressions]) -> str:
    parsed = expressions.get(column.name)
    return parsed.value if parsed else f"CAST(NULL AS {DUCKDB_TYPES[column.type]})"


def _reason(table: Table, column: TableColumn, source: MappedSource) -> str:
    """Return SQL for the reason why the column's value violates the model or a rule of the load, or NULL."""
    value = source.expressions[column.name].source
    if column is TENANT:
        return f"CASE WHEN {value} IS DISTINCT FROM $tenant THEN 'is not the tenant of this load, ' || $tenant END"
    absent = quote_literal("is required but has no value") if column.name in table.not_null else "NULL"
    violated = _rules(column, source.expressions)
    if column.name in source.rules:
        rule, words = source.rules[column.name]
        violated.append((rule.format(value=_v(column)), quote_literal(words)))
    rules = " ".join(f"WHEN {rule} THEN {reason}" for rule, reason in violated)
    broken = f", CASE {rules} END" if rules else ""
    reason = f"coalesce({quote_identifier('parse reason ' + column.name)}{broken})"
    unchecked = "" if source.marked == "false" or column.name in table.key else f"WHEN {MARKED} THEN NULL "
    return f"CASE {unchecked}WHEN {value} IS NULL THEN {absent} ELSE {reason} END"


def _rules(column: TableColumn, expressions: Mapping[str, ParseExpressions]) -> list[tuple[str, str]]:
    """Return the model's rules beyond the type, as SQL: a condition that is true if violated, and the reason."""
    value = _v(column)
    rules = []
    if column.type is ColumnType.INSTANT:
        rules.append((f"{value} NOT BETWEEN {_YEARS}", quote_literal(NO_SUCH_TIME)))
    if column.values:
        allowed = ", ".join(quote_literal(word) for word in column.values)
        rules.append((f"{value} NOT IN ({allowed})", quote_literal(f"is not one of {', '.join(column.values)}")))
    if column.matches is not None:
        rule = f"NOT regexp_full_match({value}, {quote_literal(column.matches)})"
        rules.append((rule, quote_literal(f"does not match the pattern {column.matches}")))
    if column.syntax == "filter":
        reason = f"getvariable({quote_literal('faults of ' + column.name)})[{value}]"
        rules.append((f"{reason} IS NOT NULL", reason))
    if column.minimum is not None:
        rules.append((f"{value} < {column.minimum}", quote_literal(f"is less than the minimum {column.minimum}")))
    if column.not_before is not None and column.not_before in expressions:
        reason = quote_literal(f"is earlier than {column.not_before} of the same row")
        rules.append((f"{value} < {quote_identifier('value ' + column.not_before)}", reason))
    return rules


def _faults(checked: list[TableColumn], source: MappedSource) -> str:
    """Return SQL for the list of a row's faults, or NULL for a good row and one that is left out."""
    expressions = source.expressions
    row = "[{'column': NULL, 'value': NULL, 'reason': _row_fault}]"
    values = {
        column: f"left(CAST({expressions[column.name].source} AS VARCHAR), {_VALUE_LENGTH})" for column in checked
    }
    each = [
        f"CASE WHEN {_r(column)} IS NOT NULL THEN {{'column': {quote_literal(column.name)}, "
        f"'value': {values[column]}, 'reason': {_r(column)}}} END"
        for column in checked
    ]
    reasons = ", ".join(_r(column) for column in checked)
    left_out = "" if source.left_out == NEVER else "WHEN _left_out THEN NULL "
    found = f"list_filter([{comma_separated(each)}], lambda fault: fault IS NOT NULL)"
    condition = f"coalesce({reasons}) IS NOT NULL"
    if source.unknown_keys is not None:
        reason = quote_literal(UNKNOWN_COLUMN)
        keys = f"lambda key: {{'column': key, 'value': NULL, 'reason': {reason}}}"
        found = f"list_concat(list_transform(coalesce(_unknown, []), {keys}), {found})"
        condition = f"(_unknown IS NOT NULL OR {condition})"
    return f"CASE {left_out}WHEN _row_fault IS NOT NULL THEN {row} WHEN {condition} THEN\n    {found} END"
