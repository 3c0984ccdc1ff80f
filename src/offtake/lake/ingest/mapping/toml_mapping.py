"""Reads the TOML file of a mapping and reports all its faults at once, with their lines.

``docs/reference/mapping.md`` describes the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.mapping.definition import (
    ColumnRule,
    Keep,
    Lookup,
    MappingDefinition,
    UnknownCode,
    notation_for,
)
from offtake.lake.ingest.mapping.expression import Expression, read_expression
from offtake.lake.ingest.mapping.lookup_file import MOST_CODES, read_lookup_file
from offtake.lake.ingest.mapping.mapped import TENANT
from offtake.lake.ingest.mapping.toml_notation import read_notation, settable
from offtake.lake.ingest.mapping.toml_source import read_options
from offtake.lake.ingest.parsing import parse_text
from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_literal
from offtake.toml_reader import TomlTable, nearest, open_table

_ORIGINS = ("from", "expression", "constant")
_RULE_KEYS = (*_ORIGINS, "default", "lookup", "lookup_file", "unknown")


def read_mapping(path: Path) -> MappingDefinition:
    """Return the mapping in a TOML file. Raises LakeError with all its faults, one per line."""
    faults: list[str] = []
    document = open_table(path, faults)
    found = _mapping(document) if document is not None else None
    if faults or found is None:
        raise LakeError("\n".join(faults))
    return found


def _mapping(document: TomlTable) -> MappingDefinition | None:
    document.allow("table", "source", "values", "rows", "columns")
    name = document.text("table")
    table = tables().get(name)
    if table is None:
        if name:
            document.fault(f"there is no table {name!r}; {nearest(name, list(tables()))}", "table")
        return None
    with duckdb.connect() as connection:
        return _Reader(document, table, connection).mapping()


class _Reader:
    """Reads the tables of one file, whose table of the model is known."""

    def __init__(self, document: TomlTable, table: Table, connection: duckdb.DuckDBPyConnection) -> None:
        self._document, self._table, self._connection = document, table, connection
        self._connection.execute("SET TimeZone = 'UTC'")

    def mapping(self) -> MappingDefinition:
        source, rows = self._document.table("source"), self._document.table("rows")
        options = read_options(source)
        values_table = self._document.table("values")
        values_table.allow(*settable(None))
        values = read_notation(values_table, None)
        rows.allow("filter", "keep", "by")
        mapping = MappingDefinition(
            table=self._table.name,
            options=options,
            values=values,
            ignored=frozenset(source.texts("ignore")),
            ignores_others=source.flag("ignore_extra", default=False),
            filter=self._expression(rows, "filter"),
            keep=rows.optional_word("keep", Keep, default=Keep.LAST),
            keep_by=self._expression(rows, "by"),
            file=self._document.file,
        )
        return replace(mapping, columns=dict(self._rules(mapping)))

    def _rules(self, mapping: MappingDefinition) -> Iterator[tuple[str, ColumnRule]]:
        columns = self._document.table("columns")
        known = {**self._table.by_name, TENANT.name: TENANT}
        for name, value in columns.data.items():
            column = known.get(name)
            if column is None:
                columns.fault(f"table {self._table.name} has no column {name!r}; {nearest(name, list(known))}", name)
            elif isinstance(value, str) and value:
                yield name, ColumnRule(source=value, notation=notation_for(column.type, mapping.values))
            elif isinstance(value, dict):
                yield name, self._rule(columns.table(name), column, mapping)
            else:
                columns.fault(f"{name!r} must be the name of a source column, or a table with a key from", name)

    def _rule(self, table: TomlTable, column: TableColumn, mapping: MappingDefinition) -> ColumnRule:
        for key in table.data:
            if key not in (*_RULE_KEYS, *settable(column.type)):
                accepted = [*_RULE_KEYS, *settable(column.type)]
                table.fault(f"{key!r} is not a key of a column of type {column.type}; {nearest(key, accepted)}", key)
        origins = [key for key in _ORIGINS if key in table.data]
        if len(origins) != 1:
            problem = "has no origin" if not origins else f"has several origins: {', '.join(origins)}"
            table.fault(f"column {column.name} {problem}; write exactly one of {', '.join(_ORIGINS)}")
        rule = ColumnRule(
            source=table.optional_text("from"),
            expression=self._expression(table, "expression"),
            constant=self._value(table, "constant", column),
            default=self._value(table, "default", column),
            lookup=self._lookup(table, column),
            notation=read_notation(table, column.type, default=notation_for(column.type, mapping.values)),
        )
        if rule.constant is not None and len(table.data) > 1:
            table.fault("a constant needs no other key", "constant")
        return rule

    def _expression(self, table: TomlTable, key: str) -> str | None:
        text = table.optional_text(key)
        if not text:
            return None
        found = read_expression(self._connection, text)
        if isinstance(found, Expression):
            return text
        for fault in found:
            table.fault(f"{key!r}: {fault}", key)
        return None

    def _value(self, table: TomlTable, key: str, column: TableColumn) -> str | None:
        """Return a value of the column's type in the notation of text."""
        if key not in table.data:
            return None
        text = _as_text(table.data[key])
        if text is None or (not text and column.type is not ColumnType.TEXT):
            table.fault(f"{key!r} must be a value of type {column.type}", key)
            return None
        self._check_value(table, key, column, text)
        return text

    def _check_value(self, table: TomlTable, key: str, column: TableColumn, text: str) -> None:
        parsed = parse_text(column.type, quote_literal(text))
        row = self._connection.execute(f"SELECT {parsed.reason}").fetchone()
        if row and row[0] is not None:
            table.fault(f"{key!r}: {text!r} {row[0]}", key)
        elif column.values and text not in column.values:
            table.fault(f"{key!r}: {text!r} is not a value of {column.name}; {nearest(text, column.values)}", key)

    def _lookup(self, table: TomlTable, column: TableColumn) -> Lookup | None:
        if "lookup" not in table.data and "lookup_file" not in table.data:
            if "unknown" in table.data:
                table.fault("'unknown' needs a lookup or a lookup_file", "unknown")
            return None
        if "lookup" in table.data and "lookup_file" in table.data:
            table.fault("write either lookup or lookup_file", "lookup_file")
        unknown = table.optional_word("unknown", UnknownCode, default=UnknownCode.REJECT)
        values = self._file_values(table) if "lookup_file" in table.data else self._inline_values(table)
        if "lookup" in table.data and len(values) > MOST_CODES:
            table.fault(f"a lookup has at most {MOST_CODES:,} codes, not {len(values):,}", "lookup")
        for code, value in values.items():
            keys = ("lookup", code) if "lookup" in table.data else ("lookup_file",)
            if column.values and value not in column.values:
                table.fault(
                    f"the lookup of {code!r} is {value!r}, not a value of {column.name}; "
                    f"{nearest(value, column.values)}",
                    *keys,
                )
        return Lookup(values=values, unknown=unknown)

    @staticmethod
    def _inline_values(table: TomlTable) -> dict[str, str]:
        lookup = table.table("lookup")
        if not lookup.data:
            table.fault("'lookup' must have at least one code, such as lookup = { A = \"inbound\" }", "lookup")
        found = {}
        for code, value in lookup.data.items():
            text = _as_text(value)
            if text is None:
                lookup.fault(f"the lookup of {code!r} must be a text, number, true or false", code)
            else:
                found[code] = text
        return found

    @staticmethod
    def _file_values(table: TomlTable) -> dict[str, str]:
        name = table.text("lookup_file")
        values, faults = read_lookup_file(table.file.path.parent / name) if name else ({}, [])
        for fault in faults:
            table.fault(fault, "lookup_file")
        return values


def _as_text(value: object) -> str | None:
    """Return a value of TOML in the notation of text; None if no column has such values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return json.dumps(value, ensure_ascii=False)
    return None
