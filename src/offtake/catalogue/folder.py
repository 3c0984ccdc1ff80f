"""Reads ``report.toml``, ``query.sql`` and the intermediate tables of a folder into a ``Report``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from offtake.catalogue.toml_reader import TomlTable, nearest, open_table
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, IntermediateTable, Mark, Prune, Report, TableUse
from offtake.model.request import ReportParameters

Tables = Mapping[str, Mapping[str, str]]  # lake table -> column -> DuckDB type, in order
PARAMETERS = tuple(field.name for field in dataclasses.fields(ReportParameters))
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_KEYS = (
    "title",
    "grain",
    "window",
    "key",
    "parameters",
    "server_audit",
    "partition_by",
    "intermediate_tables",
    "tables",
    "columns",
)
SHARED = "_intermediate"  # folder of the intermediate tables that several reports share


def read_report(folder: Path, tables: Tables, faults: list[str]) -> Report | None:
    """The report of that folder, or None where a fault was noted. The query's text is taken as it is."""
    before = len(faults)
    if not NAME.fullmatch(folder.name):
        faults.append(f"{folder}:1: a report's folder is named in snake_case, such as ring_attempts")
    table = open_table(folder / "report.toml", faults)
    sql = _query_text(folder / "query.sql", faults)
    report = _report(table, folder, sql=sql, tables=tables) if table else None
    return report if len(faults) == before else None


def intermediate_file(folder: Path, name: str) -> Path:
    """Where the step of that name stands: with its report, or else with those that are shared."""
    own = folder / f"intermediate.{name}.sql"
    return own if own.is_file() else folder.parent / SHARED / f"{name}.sql"


def _report(table: TomlTable, folder: Path, *, sql: str, tables: Tables) -> Report:
    table.only(*_KEYS)
    columns = _columns(table)
    report = Report(
        name=folder.name,
        title=table.text("title"),
        grain=table.text("grain"),
        window=table.optional_text("window"),
        key=table.texts("key", required=True),
        tables=_table_uses(table, tables),
        columns=columns,
        sql=sql,
        server_audit=table.flag("server_audit", default=False),
        partition_by=table.optional_text("partition_by"),
        intermediate_tables=_intermediate_tables(table, folder, tables),
        parameters=_parameters(table),
    )
    _check_window_and_key(table, report)
    _check_parts(table, report, tables)
    return report


def _intermediate_tables(table: TomlTable, folder: Path, tables: Tables) -> tuple[IntermediateTable, ...]:
    intermediate_tables: list[IntermediateTable] = []
    for index, name in enumerate(table.texts("intermediate_tables")):
        if (
            not NAME.fullmatch(name)
            or name in tables
            or name in {intermediate.name for intermediate in intermediate_tables}
        ):
            fault = f"step {name!r} must have a snake_case name of its own, which no table of the lake has"
            table.fault(fault, "intermediate_tables", index)
            continue
        path = intermediate_file(folder, name)
        if path.is_file():
            intermediate_tables.append(IntermediateTable(name=name, sql=_query_text(path, table.faults)))
        else:
            fault = f"intermediate.{name}.sql is missing in this folder, and {SHARED}/{name}.sql in its parent"
            table.fault(f"{fault}; write one of the two, or take the step out", "intermediate_tables", index)
    return tuple(intermediate_tables)


def _columns(table: TomlTable) -> tuple[Column, ...]:
    columns: list[Column] = []
    for row in table.rows("columns"):
        column = _column(row)
        if column.name in {each.name for each in columns}:
            row.fault(f"column {column.name!r} stands here twice; remove one of the two")
        columns.append(column)
    return tuple(columns)


def _column(row: TomlTable) -> Column:
    row.only("name", "type", "mark", "nullable", "personal", "meaning")
    name = row.text("name")
    if name and not NAME.fullmatch(name):
        row.fault(f"column {name!r} must be snake_case, such as started_at", "name")
    return Column(
        name=name,
        type=row.word("type", ColumnType),
        mark=row.word("mark", Mark),
        nullable=row.flag("nullable", default=True),
        personal=row.flag("personal", default=False),
        meaning=row.text("meaning"),
    )


def _parameters(table: TomlTable) -> tuple[str, ...]:
    names = table.texts("parameters")
    for index, name in enumerate(names):
        if name not in PARAMETERS:
            table.fault(f"no report has a parameter {name!r}; {nearest(name, PARAMETERS)}", "parameters", index)
        elif name in names[:index]:
            table.fault(f"parameter {name!r} stands here twice; remove one of the two", "parameters", index)
    return names


def _table_uses(table: TomlTable, tables: Tables) -> tuple[TableUse, ...]:
    uses: list[TableUse] = []
    for row in table.rows("tables"):
        row.only("table", "prune")
        use = TableUse(table=row.text("table"), prune=row.word("prune", Prune))
        if use.table and use.table not in tables:
            row.fault(f"the lake has no table {use.table!r}; {nearest(use.table, tables)}", "table")
        elif use.table in {each.table for each in uses}:
            row.fault(f"table {use.table!r} stands here twice; remove one of the two")
        uses.append(use)
    return tuple(uses)


def _check_window_and_key(table: TomlTable, report: Report) -> None:
    columns = {column.name: column for column in report.columns}
    if report.window:
        _must_be_column(table, report.window, columns, key="window")
    for name in report.key:
        _must_be_column(table, name, columns, key="key")
    window = columns.get(report.window or "")
    if window and (window.type is not ColumnType.INSTANT or window.nullable):
        table.fault(f"the window column {window.name!r} must be an instant with nullable = false", "window")


def _check_parts(table: TomlTable, report: Report, tables: Tables) -> None:
    """The column must be one of the tables read: by their rows the number of parts is chosen."""
    held = sorted({name for use in report.tables for name in tables.get(use.table, {})})
    if report.partition_by is not None and held and report.partition_by not in held:
        hint = nearest(report.partition_by, held)
        table.fault(
            f"partition_by names {report.partition_by!r}, which no table of the report has; {hint}", "partition_by"
        )


def _must_be_column(table: TomlTable, name: str, columns: Collection[str], *, key: str) -> None:
    if name not in columns:
        table.fault(f"{key} names {name!r}, which is no column of the report; {nearest(name, columns)}", key)


def _query_text(path: Path, faults: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        faults.append(f"{path}:1: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        faults.append(f"{path}:1: cannot be read: {error.strerror}; a report needs a query.sql")
    return ""
