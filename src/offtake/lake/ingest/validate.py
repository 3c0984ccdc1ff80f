"""The data model as SQL: one statement reads a source, checks every row and puts it among the incoming rows.

A good row arrives typed and with null ``_faults``; a bad one with all its faults, at most one per column, and its raw
text. Nothing here looks at other rows: keys that occur twice are ``upsert.py``'s business, and foreign keys are not
enforced at all (see ``load.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from offtake.errors import InvalidExpression
from offtake.lake.ingest.files import TENANT, SourceFile
from offtake.lake.ingest.parsing import NO_SUCH_TIME, ParseExpressions
from offtake.lake.ingest.staging import INCOMING
from offtake.lake.sqltext import comma, literal, quoted
from offtake.lake.tables import DUCKDB_TYPES, Table, TableColumn
from offtake.model.expression import parse
from offtake.model.report import ColumnType

_YEARS = "TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
_SHOWN = 80  # characters of a faulty value that are kept


def stage(connection: duckdb.DuckDBPyConnection, table: Table, source: SourceFile, tenant: str) -> int:
    """Read one source into the incoming rows; returns how many rows were read, good and bad."""
    given: dict[str, object] = {"path": str(source.path), "tenant": tenant}
    sql = _statement(table, source)
    values = {name: value for name, value in given.items() if f"${name}" in sql}
    for column in table.columns:
        if column.syntax == "filter" and column.name in source.readings:
            _parse(connection, source, column, path=str(source.path))
    found = connection.execute(sql, values).fetchone()
    return int(found[0]) if found else 0


def _parse(connection: duckdb.DuckDBPyConnection, source: SourceFile, column: TableColumn, *, path: str) -> None:
    """Find the texts that are no filter expression; SQL cannot, so each different one is parsed here beforehand."""
    texts = f"SELECT DISTINCT {source.readings[column.name].value} FROM ({source.relation})"  # noqa: S608
    reasons: dict[str, str] = {}
    for (text,) in connection.execute(texts, {"path": path} if "$path" in texts else {}).fetchall():
        try:
            parse(text or "")
        except InvalidExpression as error:
            reasons[text or ""] = str(error)
    connection.execute(
        f"SET VARIABLE {quoted('faults of ' + column.name)} = map($texts, $reasons)",
        {"texts": list(reasons), "reasons": list(reasons.values())},
    )


def _statement(table: Table, source: SourceFile) -> str:
    """Three layers, so that no expression is written, or computed, twice: values, reasons, faults."""
    readings = source.readings
    values = [f"{_value(column, readings)} AS {_v(column)}" for column in table.columns]
    refusals = [f"{reading.refusal} AS {quoted('refusal ' + name)}" for name, reading in readings.items()]
    checked = [column for column in (*table.columns, TENANT) if column.name in readings]
    reasons = [f"{_reason(table, column, readings)} AS {_r(column)}" for column in checked]
    month = [f"strftime({quoted('value ' + table.event_time)}, '%Y-%m') AS month"] if table.event_time else []
    own = [f"{_v(column)} AS {quoted(column.name)}" for column in table.columns]
    last = [*own, *month, f"{source.number} AS _file", f"{_faults(checked, readings)} AS _faults"]
    return (
        f"INSERT INTO {INCOMING} BY NAME\n"
        f"SELECT {comma([*last, 'CASE WHEN _faults IS NOT NULL THEN _text END AS _raw'])}\n"
        f"FROM (SELECT *, {comma(reasons)}\n"
        f"FROM (SELECT *, {source.raw} AS _text,\n"
        f"    {source.row_fault} AS _row_fault, {source.row_column} AS _row_column,\n"
        f"    {comma([*values, *refusals])}\nFROM ({source.relation})))"
    )


def _v(column: TableColumn) -> str:
    return quoted(f"value {column.name}")


def _r(column: TableColumn) -> str:
    return quoted(f"reason {column.name}")


def _value(column: TableColumn, readings: Mapping[str, ParseExpressions]) -> str:
    reading = readings.get(column.name)
    return reading.value if reading else f"CAST(NULL AS {DUCKDB_TYPES[column.type]})"


def _reason(table: Table, column: TableColumn, readings: Mapping[str, ParseExpressions]) -> str:
    """SQL: why the value of this column breaks the model, or NULL."""
    written = readings[column.name].written
    if column is TENANT:
        return f"CASE WHEN {written} IS DISTINCT FROM $tenant THEN 'is not the tenant of this load' END"
    absent = literal("is required") if column.name in table.must_have else "NULL"
    rules = " ".join(f"WHEN {rule} THEN {reason}" for rule, reason in _rules(column, readings))
    broken = f", CASE {rules} END" if rules else ""
    refusal = f"coalesce({quoted('refusal ' + column.name)}{broken})"
    return f"CASE WHEN {written} IS NULL THEN {absent} ELSE {refusal} END"


def _rules(column: TableColumn, readings: Mapping[str, ParseExpressions]) -> list[tuple[str, str]]:
    """What the model demands beyond the type, as SQL: what is true where it is broken, and the reason."""
    value = _v(column)
    rules = []
    if column.type is ColumnType.INSTANT:
        rules.append((f"{value} NOT BETWEEN {_YEARS}", literal(NO_SUCH_TIME)))
    if column.values:
        allowed = ", ".join(literal(word) for word in column.values)
        rules.append((f"{value} NOT IN ({allowed})", literal(f"is not one of {', '.join(column.values)}")))
    if column.matches is not None:
        rule = f"NOT regexp_full_match({value}, {literal(column.matches)})"
        rules.append((rule, literal(f"does not match {column.matches}")))
    if column.syntax == "filter":
        reason = f"getvariable({literal('faults of ' + column.name)})[{value}]"
        rules.append((f"{reason} IS NOT NULL", reason))
    if column.minimum is not None:
        rules.append((f"{value} < {column.minimum}", literal(f"is less than {column.minimum}")))
    if column.not_before is not None and column.not_before in readings:
        before = literal(f"is before {column.not_before}")
        rules.append((f"{value} < {quoted('value ' + column.not_before)}", before))
    return rules


def _faults(checked: list[TableColumn], readings: Mapping[str, ParseExpressions]) -> str:
    """SQL: all faults of a row as a list, or NULL; the list is built for bad rows only."""
    row = "CASE WHEN _row_fault IS NOT NULL THEN {'column': _row_column, 'value': NULL, 'reason': _row_fault} END"
    each = [
        f"CASE WHEN {_r(column)} IS NOT NULL THEN {{'column': {literal(column.name)}, "
        f"'value': left(CAST({readings[column.name].written} AS VARCHAR), {_SHOWN}), 'reason': {_r(column)}}} END"
        for column in checked
    ]
    reasons = ", ".join(_r(column) for column in checked)
    return (
        f"CASE WHEN _row_fault IS NOT NULL THEN [{row}] WHEN coalesce({reasons}) IS NOT NULL THEN\n"
        f"    list_filter([{comma(each)}], lambda fault: fault IS NOT NULL) END"
    )
