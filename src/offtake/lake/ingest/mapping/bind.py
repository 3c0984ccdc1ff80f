"""Apply a mapping to an open source: SQL for each column of the table, and the faults of the source's columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.long_values import long_columns
from offtake.lake.ingest.mapping.columns import lookup_variable, parse_column
from offtake.lake.ingest.mapping.definition import ColumnRule, MappingDefinition, notation_for
from offtake.lake.ingest.mapping.expression import Expression, read_expression
from offtake.lake.ingest.mapping.faults import (
    ExpressionUse,
    SourceFault,
    missing_column,
    twice,
    uncomputable,
    unfit_expression,
    unfit_type,
    unknown_column,
    unused_column,
)
from offtake.lake.ingest.mapping.layers import Layers, Term
from offtake.lake.ingest.mapping.mapped import NEVER, TENANT, MappedSource
from offtake.lake.ingest.parsing import ParseExpressions, parse_text
from offtake.lake.ingest.readers.source import Source, SourceKind, SourceValue, Wanted
from offtake.lake.tables import Table, TableColumn
from offtake.sql_text import quote_identifier, quote_literal

_START = Term("")
_NOT_COMPUTED = quote_literal("the expression of the mapping cannot be computed for this row")
_NOT_FILTERED = quote_literal("the filter of the mapping cannot be computed for this row")


@dataclass(frozen=True, slots=True)
class Bound:
    """A mapped source without the columns that have faults, and these faults."""

    source: MappedSource
    faults: list[SourceFault]
    location: str  # of the names of the source's columns


def bind(mapping: MappingDefinition, table: Table, source: Source, connection: duckdb.DuckDBPyConnection) -> Bound:
    """Map an open source to a table. Raises LakeError if it has no columns at all."""
    if source.names == ():
        known = ", ".join(table.by_name)
        raise LakeError(
            f"{source.location}: the header is missing; the first line must name columns of {table.name}: {known}."
        )
    return _Binder(mapping, table, source, connection).bound()


class _Binder:
    """Collects what a mapping uses of a source."""

    def __init__(
        self, mapping: MappingDefinition, table: Table, source: Source, connection: duckdb.DuckDBPyConnection
    ) -> None:
        self._mapping, self._table, self._source, self._connection = mapping, table, source, connection
        self._layers = Layers()
        self._used: dict[str, SourceValue] = {}
        self._faults: list[SourceFault] = []
        self._rules = dict(self._all_rules())

    def bound(self) -> Bound:
        self._faults += self._extra_columns()
        expressions: dict[str, ParseExpressions] = {}
        for column in (*self._table.columns, TENANT):
            if column.name in self._rules:
                parsed = self._column(column, self._rules[column.name])
                if parsed is not None:
                    expressions[column.name] = parsed
        self._faults += self._missing_columns()
        left_out, filter_fault = self._filter()
        rank = self._rank()
        long = self._long_columns()
        rows = self._source.rows(Wanted(columns=list(self._used), permitted=self._permitted(), long=list(long)))
        return Bound(
            MappedSource(
                path=self._source.path,
                form=self._source.form,
                chunks=rows.chunks,
                relation=self._layers.over(rows.relation),
                expressions=expressions,
                raw=rows.raw,
                row_fault=f"coalesce({rows.row_fault}, {filter_fault})" if filter_fault else rows.row_fault,
                unknown_keys=rows.unknown_keys,
                engine_names=rows.engine_names,
                long_columns=long,
                unknown_column=lambda location, name: unknown_column(self._mapping, self._table, location, name),
                left_out=left_out,
                rank=rank,
                origins={
                    name: rule.source for name, rule in self._rules.items() if rule.source and rule.source != name
                },
            ),
            self._faults,
            self._source.location,
        )

    def _all_rules(self) -> Iterator[tuple[str, ColumnRule]]:
        """Yield the rule of each column: the mapping's, or the source column of the same name if no rule uses it."""
        mapping, names = self._mapping, self._source.names
        yield from mapping.columns.items()
        named = {*mapping.ignored, *self._named(rules_only=True)}
        for column in (*self._table.columns, TENANT):
            is_free = column.name not in mapping.columns and column.name not in named
            if is_free and (names is None or column.name in names):
                notation = notation_for(column.type, mapping.values)
                yield column.name, ColumnRule(source=column.name, notation=notation)

    def _named(self, *, rules_only: bool = False) -> Iterator[str]:
        """Yield the source columns that the mapping uses: columns are made from them, or rows selected by them."""
        mapping = self._mapping
        for rule in mapping.columns.values():
            if rule.source is not None:
                yield rule.source
        texts = [rule.expression for rule in mapping.columns.values()]
        for text in (*texts, *(() if rules_only else (mapping.filter, mapping.keep_by))):
            if text is not None:
                yield from _expression(self._connection, text).columns

    def _value(self, name: str, column: str | None, keys: Sequence[str]) -> SourceValue | None:
        """Return a source column that the rule at ``keys`` uses; adds a fault if there is none."""
        value = self._source.column(name)
        if value is None:
            self._faults.append(missing_column(self._mapping, self._source, name, column, keys))
            return None
        self._used[name] = value
        return value

    def _column(self, column: TableColumn, rule: ColumnRule) -> ParseExpressions | None:
        if rule.constant is not None:
            return parse_text(column.type, quote_literal(rule.constant))
        if rule.lookup is not None:
            self._connection.execute(
                f"SET VARIABLE {quote_identifier(lookup_variable(column))} = map($codes, $values)",
                {"codes": list(rule.lookup.values), "values": list(rule.lookup.values.values())},
            )
        if rule.expression is not None:
            return self._computed(column, rule, rule.expression)
        value = self._value(str(rule.source), column.name, ("columns", column.name, "from"))
        if value is None:
            return None
        if column is TENANT and value.kind is SourceKind.JSON:
            # A row without the tenant key gets the tenant of the load; a row with the key must name that tenant.
            value = replace(value, sql=f"coalesce({value.sql}, $tenant)")
        parsed = parse_column(self._layers, column, rule, value, _START)
        if parsed is None:
            self._faults.append(unfit_type(self._source, column, value))
        return parsed

    def _computed(self, column: TableColumn, rule: ColumnRule, text: str) -> ParseExpressions | None:
        use = self._use(text, column.name, "columns", column.name, "expression")
        found = self._evaluated(use)
        if found is None:
            return None
        tried, duckdb_type = found
        result = self._layers.let(f"{tried}.v", tried)
        value = SourceValue(name=text, kind=SourceKind.TYPED, sql=result.sql, duckdb_type=duckdb_type)
        parsed = parse_column(self._layers, column, rule, value, result)
        if parsed is None:
            self._faults.append(unfit_expression(use, column, duckdb_type))
            return None
        return ParseExpressions(
            source=f"CASE WHEN {tried} IS NULL THEN {quote_literal(text)} ELSE CAST({parsed.source} AS VARCHAR) END",
            value=parsed.value,
            reason=f"CASE WHEN {tried} IS NULL THEN {_NOT_COMPUTED} ELSE {parsed.reason} END",
        )

    def _use(self, text: str, column: str | None, *keys: str) -> ExpressionUse:
        """Return the use of an expression that is written at ``keys`` of the mapping."""
        noun = {"filter": "the filter", "by": "the expression of by"}.get(keys[-1], "the expression")
        return ExpressionUse(text=text, column=column, keys=keys, location=self._mapping.location(*keys), noun=noun)

    def _evaluated(self, use: ExpressionUse) -> tuple[Term, str] | None:
        """Return a term ``{'v': value}`` of an expression, null where it fails, and the type of the value."""
        expression = _expression(self._connection, use.text)
        values = {name: self._value(name, use.column, use.keys) for name in expression.columns}
        found = {name: value for name, value in values.items() if value is not None}
        if len(found) < len(values):
            return None
        names = {name: self._layers.let(value.sql) for name, value in found.items()}
        sql = expression.sql(self._connection, lambda name: names[name].sql)
        typed = [f"CAST(NULL AS {value.duckdb_type}) AS {names[name]}" for name, value in found.items()]
        try:
            description = f"DESCRIBE SELECT {sql} AS v FROM (SELECT {', '.join([*typed, '1'])})"  # noqa: S608
            duckdb_type = str(self._connection.execute(description).fetchall()[0][1])
        except duckdb.Error as error:
            self._faults.append(uncomputable(use, found, str(error)))
            return None
        return self._layers.let(f"TRY({{'v': {sql}}})", *names.values()), duckdb_type

    def _filter(self) -> tuple[str, str]:
        """Return SQL of whether a row is left out, and of the fault of a row whose filter fails."""
        if self._mapping.filter is None:
            return NEVER, ""
        use = self._use(self._mapping.filter, None, "rows", "filter")
        if (found := self._evaluated(use)) is None:
            return NEVER, ""
        tried, duckdb_type = found
        if duckdb_type != "BOOLEAN":
            self._faults.append(use.fault(f"gives {duckdb_type}, not true or false; write a comparison."))
            return NEVER, ""
        return f"NOT coalesce({tried}.v, {tried} IS NULL)", f"CASE WHEN {tried} IS NULL THEN {_NOT_FILTERED} END"

    def _rank(self) -> str | None:
        if self._mapping.keep_by is None:
            return None
        found = self._evaluated(self._use(self._mapping.keep_by, None, "rows", "by"))
        if found is None:
            return None
        return f"create_sort_key({found[0]}.v, 'ASC NULLS FIRST')"

    def _long_columns(self) -> dict[str, str]:
        """Return the column by each key whose long texts may be taken out of rows: none if a rule looks at texts."""
        rules = {name: rule for name, rule in self._rules.items() if rule.source}
        is_plain = all(
            rule.is_plain and "." not in str(rule.source) for rule in self._rules.values() if not rule.constant
        )
        sources = [rule.source for rule in rules.values()]
        if not is_plain or self._mapping.filter or self._mapping.keep_by or len(set(sources)) < len(sources):
            return {}
        return {str(rules[name].source): name for name in long_columns(self._table) if name in rules}

    def _permitted(self) -> Collection[str] | None:
        if self._mapping.ignores_others:
            return None
        tops = {name.partition(".")[0] for name in self._used}
        return list(dict.fromkeys([*self._used, *sorted(tops - self._used.keys()), *sorted(self._mapping.ignored)]))

    def _extra_columns(self) -> Iterator[SourceFault]:
        used = {*self._named(), *(rule.source for rule in self._rules.values())}
        for index, name in enumerate(self._source.names or ()):
            if name not in used and name not in self._mapping.ignored and not self._mapping.ignores_others:
                yield unused_column(self._mapping, self._table, self._source, name)
            elif name in used and name in (self._source.names or ())[:index]:
                yield twice(self._source, name)

    def _missing_columns(self) -> Iterator[SourceFault]:
        table = self._table
        missing = [name for name in table.by_name if name in table.not_null and name not in self._rules]
        if missing:
            required = ", ".join(missing)
            message = f"{self._source.location}: required columns of {table.name} are missing; add {required}."
            for name in missing:
                yield SourceFault(column=name, reason="required column is missing", message=message)


def _expression(connection: duckdb.DuckDBPyConnection, text: str) -> Expression:
    """Return an expression that ``toml_mapping.py`` has accepted."""
    expression = read_expression(connection, text)
    if not isinstance(expression, Expression):
        raise TypeError(expression)
    return expression
