"""Checks a report's SQL at the start: one SELECT of permitted functions, the right bound values, the declared columns.

The check runs the query over empty tables with the lake's types, wrapped as the engine wraps it. So a faulty query
fails at the start, not in the first job of a client. The database is private, has no rows and must not open files.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from offtake.catalogue.folder import COUNT_FILE, Tables
from offtake.catalogue.macros import MACROS
from offtake.catalogue.permitted_sql import CHAIN_REMEDY, joins, refusals
from offtake.model.audit import SERVER_AUDIT
from offtake.model.column_type import ColumnType
from offtake.model.report import IntermediateTable, Report, RowCount, partition_markers
from offtake.model.request import ReportParameters
from offtake.sql_text import quote_identifier
from offtake.toml_reader import nearest

_BOUND: dict[str, object] = {
    "start": datetime(2026, 1, 1, tzinfo=UTC),
    "end": datetime(2026, 2, 1, tzinfo=UTC),
    "zone": "UTC",
    "account_zone": "UTC",
    "as_of": datetime(2026, 1, 15, tzinfo=UTC),
}
_REQUIRED = ("start", "end")
_DEFAULTS = dataclasses.asdict(ReportParameters())
_PARAMETER = re.compile(r"\$([A-Za-z_0-9]+)")
_ERROR_LINE = re.compile(r"^LINE (\d+): ", re.MULTILINE)
_RESULT_TYPES: dict[ColumnType, str] = {
    ColumnType.TEXT: r"VARCHAR",
    ColumnType.ID: r"VARCHAR",
    ColumnType.INTEGER: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.SECONDS: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.MILLISECONDS: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.DECIMAL: r"DOUBLE|FLOAT|DECIMAL\(.*\)",
    ColumnType.BOOLEAN: r"BOOLEAN",
    ColumnType.INSTANT: r"TIMESTAMP WITH TIME ZONE",
    ColumnType.DATE: r"DATE",
    ColumnType.LIST: r"VARCHAR\[\]",
}
_COUNT_TYPE = r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?"


class QueryCheck:
    """Checks queries in one database for the whole load, because opening one costs more than a check.

    Use as a context manager.
    """

    def __init__(self, tables: Tables, faults: list[str]) -> None:
        self._tables = tables
        self._faults = faults
        self._connection = duckdb.connect(config={"threads": 1, "enable_external_access": "false"})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(MACROS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def check(self, report: Report, path: Path, intermediate_tables: Sequence[Path] = ()) -> Report:
        """Add a fault for each error in the SQL of ``report``: its query, read from ``path``, its intermediate tables,
        and its count next to the query.

        Return the report, in which the columns that the query returns as DOUBLE are marked.
        """
        texts = [
            *(
                (intermediate.sql, file)
                for intermediate, file in zip(report.intermediate_tables, intermediate_tables, strict=True)
            ),
            (report.sql, path),
        ]
        self._check_partition_markers(report, texts)
        parsed = [self._parameters(sql, file) for sql, file in texts]
        bound = [parameters for parameters in parsed if parameters is not None]
        if len(bound) < len(texts) or not self._check_permitted(texts):
            return report
        if not self._check_bound_values(report, texts, bound):
            return report
        with self._empty_tables(report):
            for intermediate, file, parameters in zip(
                report.intermediate_tables, intermediate_tables, bound, strict=False
            ):
                if not self._create_intermediate(intermediate, parameters, file):
                    return report
            columns = self._result_columns(report.sql, bound[-1], path)
        if report.count is not None:
            self._check_count(report, report.count, path.with_name(COUNT_FILE))
        if columns is None:
            return report
        self._compare(report, columns, path)
        doubles = {name for name, sql_type in columns if sql_type == "DOUBLE"}
        marked = (dataclasses.replace(column, is_double=column.name in doubles) for column in report.columns)
        return dataclasses.replace(report, columns=tuple(marked))

    def _fault(self, path: Path, line: int, text: str) -> None:
        self._faults.append(f"{path}:{line}: {text}")

    def _parameters(self, sql: str, path: Path) -> set[str] | None:
        """Return the names of the bound values of the SELECT, or None unless the text is exactly one SELECT."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            self._fault(path, _line(error, 0), f"not valid SQL: {_first_line(error)}")
            return None
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            self._fault(
                path, 1, "a query must be exactly one SELECT; move everything else into common table expressions"
            )
            return None
        return set(statements[0].named_parameters)

    def _check_permitted(self, texts: Sequence[tuple[str, Path]]) -> bool:
        """Whether the texts use only functions and relations that a report may use."""
        faults = [(path, line, fault) for sql, path in texts for line, fault in refusals(self._connection, sql)]
        for path, line, fault in faults:
            self._fault(path, line, fault)
        return not faults

    def _check_bound_values(self, report: Report, texts: Sequence[tuple[str, Path]], bound: Sequence[set[str]]) -> bool:
        """Whether the texts together use every required value, and each text uses only known ones."""
        faults_before, used, path = len(self._faults), set[str]().union(*bound), texts[-1][1]
        missing = [f"${name}" for name in _REQUIRED if name not in used]
        if missing:
            self._fault(path, 1, f"the query does not use {', '.join(missing)}; every report must use them")
        for name in sorted(set(report.parameters) - used):
            self._fault(path, 1, f"report.toml declares the parameter {name!r}, but the query does not use ${name}")
        for (sql, file), parameters in zip(texts, bound, strict=True):
            self._check_known_values(report, sql, file, parameters)
        return len(self._faults) == faults_before

    def _check_known_values(self, report: Report, sql: str, file: Path, parameters: set[str]) -> bool:
        """Whether a text uses only values that the engine binds."""
        known, before = (*_BOUND, *report.parameters), len(self._faults)
        for name in sorted(parameters.difference(known)):
            self._fault(file, _line_of(sql, f"${name}"), f"unknown bound value ${name}; {_hint(name, known)}")
        # The engine binds every name in the text, and DuckDB rejects a value that only a comment or a string names.
        for name in sorted(set(_PARAMETER.findall(sql)) - parameters):
            self._fault(file, _line_of(sql, f"${name}"), f"${name} occurs only in a comment or string; remove the $")
        return len(self._faults) == before

    def _check_count(self, report: Report, count: RowCount, path: Path) -> None:
        """Check that the text counts rows of the lake: it yields one whole number, and it has no join.

        It cannot read an intermediate table, whose rows the report's SQL has joined and filtered.
        """
        sql, before = count.sql, len(self._faults)
        self._check_partition_columns(report, [(sql, path)])
        parameters = self._parameters(sql, path)
        if parameters is None or not self._check_permitted([(sql, path)]):
            return
        for line in joins(self._connection, sql):
            fault = "a count must not join, because a join can lose or multiply rows; use IN (SELECT …) or UNION ALL"
            self._fault(path, line, fault)
        if not self._check_known_values(report, sql, path, parameters) or len(self._faults) > before:
            return
        with self._empty_tables(report):
            columns = self._result_columns(sql, parameters, path)
            if columns is None:
                return
            is_number = len(columns) == 1 and re.fullmatch(_COUNT_TYPE, columns[0][1]) is not None
            rows = self._connection.fetchmany(2) if is_number else []
        if len(rows) != 1 or rows[0][0] is None:
            self._fault(
                path, 1, "a count must yield one row with one whole number that is never null, as count(*) does"
            )

    def _create_intermediate(self, intermediate: IntermediateTable, parameters: set[str], path: Path) -> bool:
        """Create an empty intermediate table for the texts after it. Return False, after a fault, if that fails."""
        values = {name: (_BOUND | _DEFAULTS)[name] for name in parameters}
        try:
            # The text is the report's, and values are bound. The line breaks keep the line numbers of errors right.
            self._connection.execute(
                f"CREATE TABLE {quote_identifier(intermediate.name)} AS FROM (\n{intermediate.sql}\n)", values
            )
        except duckdb.Error as error:
            fault = (
                "the intermediate table cannot be created from the declared tables "
                "and the earlier intermediate tables: "
                f"{_first_line(error)}"
            )
            self._fault(path, _line(error, 1), fault)
            return False
        return True

    @contextmanager
    def _empty_tables(self, report: Report) -> Iterator[None]:
        """Create the tables that the report declares, empty, and drop them after the block."""
        self._connection.begin()
        try:
            for use in report.tables:
                columns = ", ".join(
                    f"{quote_identifier(name)} {sql_type}" for name, sql_type in self._tables[use.table].items()
                )
                self._connection.execute(f"CREATE TABLE {quote_identifier(use.table)} ({columns})")
            if report.server_audit:
                columns = ", ".join(f"{name} {sql_type}" for name, sql_type in SERVER_AUDIT.items())
                self._connection.execute(f"CREATE TABLE server_audit ({columns})")
            if "smart_view_id" in report.parameters:
                self._connection.execute("CREATE TABLE in_smart_view (conversation_id VARCHAR)")
            yield
        finally:
            self._connection.rollback()

    def _result_columns(self, sql: str, parameters: set[str], path: Path) -> list[tuple[str, str]] | None:
        """Return name and type of each column of the result, or None, after a fault, if the query does not run."""
        values = {name: (_BOUND | _DEFAULTS)[name] for name in parameters}
        try:
            # The text is the report's, wrapped as the engine wraps it, and values are bound.
            result = self._connection.execute(f"SELECT * FROM (\n{sql}\n) AS report", values)  # noqa: S608
        except duckdb.Error as error:
            self._fault(path, _line(error, 1), f"the query does not run over the declared tables: {_first_line(error)}")
            return None
        return [(column[0], str(column[1])) for column in result.description or ()]

    def _check_partition_markers(self, report: Report, texts: Sequence[tuple[str, Path]]) -> None:
        """Check that the texts call ``in_partition`` if ``partition_by`` is declared, and only for its column.

        Without a call, every partition would have all rows; with another column, rows would be lost.
        """
        self._check_partition_columns(report, texts)
        if report.partition_by and not any(partition_markers(sql) for sql, _ in texts):
            fault = f"report.toml declares partition_by {report.partition_by!r}, but no query calls in_partition(…)"
            self._fault(texts[-1][1], 1, fault)

    def _check_partition_columns(self, report: Report, texts: Sequence[tuple[str, Path]]) -> None:
        hint = (
            f"partition by {report.partition_by!r}"
            if report.partition_by
            else "declare the column there as partition_by"
        )
        for sql, path in texts:
            for text, column in partition_markers(sql):
                if column != report.partition_by:
                    fault = f"{text} partitions by another column than report.toml declares; {hint}"
                    self._fault(path, _line_of(sql, text), fault)

    def _compare(self, report: Report, columns: list[tuple[str, str]], path: Path) -> None:
        declared = [column.name for column in report.columns]
        names = [name for name, _ in columns]
        if names != declared:
            self._fault(
                path, 1, f"the query returns other columns than report.toml declares: {_difference(names, declared)}"
            )
            return
        for column, (name, sql_type) in zip(report.columns, columns, strict=True):
            if not re.fullmatch(_RESULT_TYPES[column.type], sql_type):
                self._fault(
                    path,
                    1,
                    f"the query returns {name!r} as {sql_type}, report.toml declares {column.type.value}; cast it",
                )


def _difference(names: list[str], declared: list[str]) -> str:
    differences = [f"{name!r} is not declared" for name in names if name not in declared]
    differences += [f"{name!r} is not returned" for name in declared if name not in names]
    if not differences:
        at = next((index for index, pair in enumerate(zip(names, declared, strict=False)) if pair[0] != pair[1]), -1)
        differences = [f"their order differs from {names[at]!r} on"]
    return "; ".join(differences)


def _hint(name: str, known: Sequence[str]) -> str:
    if name == "tenant":
        return "remove the condition: the tables show only the rows of the request's tenant"
    return "declare it among the parameters of report.toml" if name in _DEFAULTS else nearest(name, known)


def _line_of(sql: str, text: str) -> int:
    before, match, _ = sql.partition(text)
    return before.count("\n") + 1 if match else 1


def _line(error: duckdb.Error, above: int) -> int:
    """Return the line that DuckDB names, minus the lines ``above`` the report's text."""
    match = _ERROR_LINE.search(str(error))
    return max(1, int(match.group(1)) - above) if match else 1


def _first_line(error: duckdb.Error) -> str:
    if "Max expression depth" in str(error):
        return f"more than 1000 expressions are nested; {CHAIN_REMEDY}"
    return str(error).partition("\n")[0]
