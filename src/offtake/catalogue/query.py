"""Checks a report's SQL at the start: one SELECT, the right bound values, exactly the declared columns.

The query is run over empty tables of the lake's types, wrapped as the engine wraps it, so a typing slip is found at the
start and not in a customer's first job. The database is private, has no rows and may not open files.
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

from offtake.catalogue.folder import Tables
from offtake.catalogue.macros import MACROS
from offtake.catalogue.toml_reader import nearest
from offtake.model.audit import SERVER_AUDIT
from offtake.model.column_type import ColumnType
from offtake.model.report import IntermediateTable, Report, partition_markers
from offtake.model.request import ReportParameters
from offtake.sql_text import quote_identifier

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
_YIELDS: dict[ColumnType, str] = {
    ColumnType.TEXT: r"VARCHAR",
    ColumnType.ID: r"VARCHAR",
    ColumnType.INTEGER: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.SECONDS: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.MILLISECONDS: r"(TINY|SMALL|BIG)?INT(EGER)?",
    ColumnType.DECIMAL: r"DOUBLE|FLOAT|DECIMAL\(.*\)",
    ColumnType.BOOLEAN: r"BOOLEAN",
    ColumnType.INSTANT: r"TIMESTAMP WITH TIME ZONE",
    ColumnType.LIST: r"VARCHAR\[\]",
}


class QueryCheck:
    """One database for a whole load, because opening one costs more than a check. Use as a context manager."""

    def __init__(self, tables: Tables, faults: list[str]) -> None:
        self._tables = tables
        self._faults = faults
        self._connection = duckdb.connect(config={"threads": 1, "enable_external_access": "false"})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(MACROS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def check(self, report: Report, path: Path, intermediate_tables: Sequence[Path] = ()) -> None:
        """Note everything that is wrong with the query of ``report``, which stands in ``path``, and with its steps."""
        texts = [
            *(
                (intermediate.sql, file)
                for intermediate, file in zip(report.intermediate_tables, intermediate_tables, strict=True)
            ),
            (report.sql, path),
        ]
        self._check_parts(report, texts)
        found = [self._parameters(sql, file) for sql, file in texts]
        bound = [parameters for parameters in found if parameters is not None]
        if len(bound) < len(texts) or not self._are_bound(report, texts, bound):
            return
        with self._empty_tables(report):
            for intermediate, file, parameters in zip(
                report.intermediate_tables, intermediate_tables, bound, strict=False
            ):
                if not self._create_intermediate(intermediate, parameters, file):
                    return
            yielded = self._yielded(report.sql, bound[-1], path)
        if yielded is not None:
            self._compare(report, yielded, path)

    def _fault(self, path: Path, line: int, text: str) -> None:
        self._faults.append(f"{path}:{line}: {text}")

    def _parameters(self, sql: str, path: Path) -> set[str] | None:
        """The bound values of the one SELECT; None where there is not exactly one."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            self._fault(path, _line(error, 0), f"not SQL: {_first_line(error)}")
            return None
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            self._fault(path, 1, "a query is exactly one SELECT; move everything else into common table expressions")
            return None
        return set(statements[0].named_parameters)

    def _are_bound(self, report: Report, texts: Sequence[tuple[str, Path]], bound: Sequence[set[str]]) -> bool:
        """What the texts together must use, and what each may."""
        before, everything, path = len(self._faults), set[str]().union(*bound), texts[-1][1]
        known = (*_BOUND, *report.parameters)
        missing = [f"${name}" for name in _REQUIRED if name not in everything]
        if missing:
            self._fault(path, 1, f"the query does not use {', '.join(missing)}; every report is bound to them")
        for name in sorted(set(report.parameters) - everything):
            self._fault(path, 1, f"report.toml promises the parameter {name!r}, but the query does not use ${name}")
        for (sql, file), parameters in zip(texts, bound, strict=True):
            for name in sorted(parameters.difference(known)):
                self._fault(file, _line_of(sql, f"${name}"), f"unknown bound value ${name}; {_hint(name, known)}")
            # The engine binds what the text names, and DuckDB refuses a value that only a comment or a string names.
            for name in sorted(set(_PARAMETER.findall(sql)) - parameters):
                fault = f"${name} stands in a comment or string only; leave out the $"
                self._fault(file, _line_of(sql, f"${name}"), fault)
        return len(self._faults) == before

    def _create_intermediate(self, intermediate: IntermediateTable, parameters: set[str], path: Path) -> bool:
        """The empty table that the texts after it read; False where its text does not run."""
        values = {name: (_BOUND | _DEFAULTS)[name] for name in parameters}
        try:
            # The text is the report's own; values are bound. It ends on the line it ended on, for the errors' sake.
            self._connection.execute(
                f"CREATE TABLE {quote_identifier(intermediate.name)} AS FROM (\n{intermediate.sql}\n)", values
            )
        except duckdb.Error as error:
            fault = f"the step does not run over the declared tables and the steps before it: {_first_line(error)}"
            self._fault(path, _line(error, 1), fault)
            return False
        return True

    @contextmanager
    def _empty_tables(self, report: Report) -> Iterator[None]:
        """The tables the report declares, and no others; gone again afterwards."""
        self._connection.begin()
        try:
            for use in report.tables:
                columns = ", ".join(
                    f"{quote_identifier(name)} {kind}" for name, kind in self._tables[use.table].items()
                )
                self._connection.execute(f"CREATE TABLE {quote_identifier(use.table)} ({columns})")
            if report.server_audit:
                columns = ", ".join(f"{name} {kind}" for name, kind in SERVER_AUDIT.items())
                self._connection.execute(f"CREATE TABLE server_audit ({columns})")
            if "smart_view_id" in report.parameters:
                self._connection.execute("CREATE TABLE in_smart_view (conversation_id VARCHAR)")
            yield
        finally:
            self._connection.rollback()

    def _yielded(self, sql: str, parameters: set[str], path: Path) -> list[tuple[str, str]] | None:
        values = {name: (_BOUND | _DEFAULTS)[name] for name in parameters}
        try:
            # The text is the report's own, wrapped as the engine does; values are bound.
            found = self._connection.execute(f"SELECT * FROM (\n{sql}\n) AS report", values)  # noqa: S608
        except duckdb.Error as error:
            self._fault(path, _line(error, 1), f"the query does not run over the declared tables: {_first_line(error)}")
            return None
        return [(column[0], str(column[1])) for column in found.description or ()]

    def _check_parts(self, report: Report, texts: Sequence[tuple[str, Path]]) -> None:
        """A declaration without a division would do nothing; by another column, some rows would come never."""
        hint = f"divide by {report.partition_by!r}" if report.partition_by else "declare it there as partition_by"
        for sql, path in texts:
            for text, column in partition_markers(sql):
                if column != report.partition_by:
                    fault = f"{text} divides by another column than report.toml says; {hint}"
                    self._fault(path, _line_of(sql, text), fault)
        if report.partition_by and not any(partition_markers(sql) for sql, _ in texts):
            fault = f"report.toml says partition_by {report.partition_by!r}, but nothing is held to in_partition(…)"
            self._fault(texts[-1][1], 1, fault)

    def _compare(self, report: Report, yielded: list[tuple[str, str]], path: Path) -> None:
        declared = [column.name for column in report.columns]
        names = [name for name, _ in yielded]
        if names != declared:
            self._fault(
                path, 1, f"the query yields other columns than report.toml declares: {_difference(names, declared)}"
            )
            return
        for column, (name, kind) in zip(report.columns, yielded, strict=True):
            if not re.fullmatch(_YIELDS[column.type], kind):
                self._fault(
                    path, 1, f"the query yields {name!r} as {kind}, report.toml says {column.type.value}; cast it"
                )


def _difference(names: list[str], declared: list[str]) -> str:
    said = [f"{name!r} is not declared" for name in names if name not in declared]
    said += [f"{name!r} is not yielded" for name in declared if name not in names]
    if not said:
        at = next((index for index, pair in enumerate(zip(names, declared, strict=False)) if pair[0] != pair[1]), -1)
        said = [f"their order differs from {names[at]!r} on"]
    return "; ".join(said)


def _hint(name: str, known: Sequence[str]) -> str:
    if name == "tenant":
        return "leave the condition out: the tables show the rows of the request's tenant only"
    return "declare it among the parameters of report.toml" if name in _DEFAULTS else nearest(name, known)


def _line_of(sql: str, text: str) -> int:
    before, found, _ = sql.partition(text)
    return before.count("\n") + 1 if found else 1


def _line(error: duckdb.Error, above: int) -> int:
    """The line DuckDB points at, less the lines put above the report's own text."""
    found = _ERROR_LINE.search(str(error))
    return max(1, int(found.group(1)) - above) if found else 1


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
