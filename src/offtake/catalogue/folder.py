"""Reads ``report.toml``, ``query.sql``, ``count.sql`` and the intermediate tables of a folder into a ``Report``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from offtake.model.column_type import ColumnType
from offtake.model.report import (
    Column,
    IfEmpty,
    IntermediateTable,
    Mark,
    Prune,
    Report,
    RowCount,
    RowsIfEmpty,
    TableUse,
)
from offtake.model.request import ReportParameters
from offtake.toml_reader import TomlTable, nearest, open_table

Tables = Mapping[str, Mapping[str, str]]  # lake table -> column -> DuckDB type, in order
PARAMETERS = tuple(field.name for field in dataclasses.fields(ReportParameters))
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_KEYS = (
    "title",
    "grain",
    "window",
    "consecutive",
    "key",
    "parameters",
    "server_audit",
    "partition_by",
    "intermediate_tables",
    "count",
    "tables",
    "columns",
)
_MOST_DECIMALS = 15
COUNT_FILE = "count.sql"
SHARED = "_intermediate"  # folder of the intermediate tables that several reports share


def read_report(folder: Path, tables: Tables, faults: list[str]) -> Report | None:
    """Return the report of the folder, or None after a fault. The SQL is not checked."""
    before = len(faults)
    if not NAME.fullmatch(folder.name):
        faults.append(
            f"{folder}:1: the folder of a report must be named in snake_case, such as ring_attempts; rename it"
        )
    table = open_table(folder / "report.toml", faults)
    sql = _query_text(folder / "query.sql", faults)
    report = _report(table, folder, sql=sql, tables=tables) if table else None
    return report if len(faults) == before else None


def intermediate_file(folder: Path, name: str) -> Path:
    """Return the file of an intermediate table: in the folder of the report if there is one, else the shared one."""
    private = folder / f"intermediate.{name}.sql"
    return private if private.is_file() else folder.parent / SHARED / f"{name}.sql"


def _report(table: TomlTable, folder: Path, *, sql: str, tables: Tables) -> Report:
    table.allow(*_KEYS)
    columns = _columns(table)
    report = Report(
        name=folder.name,
        title=table.text("title"),
        grain=table.text("grain"),
        window=table.optional_text("window"),
        consecutive=table.optional_text("consecutive"),
        key=table.texts("key", required=True),
        tables=_table_uses(table, tables, [column.name for column in columns]),
        columns=columns,
        sql=sql,
        server_audit=table.flag("server_audit", default=False),
        partition_by=table.optional_text("partition_by"),
        intermediate_tables=_intermediate_tables(table, folder, tables),
        parameters=_parameters(table),
        count=_row_count(table, folder),
    )
    _check_window_and_key(table, report)
    _check_partition_by(table, report, tables)
    return report


def _intermediate_tables(table: TomlTable, folder: Path, tables: Tables) -> tuple[IntermediateTable, ...]:
    intermediate_tables: list[IntermediateTable] = []
    for index, name in enumerate(table.texts("intermediate_tables")):
        if (
            not NAME.fullmatch(name)
            or name in tables
            or name in {intermediate.name for intermediate in intermediate_tables}
        ):
            fault = (
                f"intermediate table {name!r} must have a unique snake_case name, which no table of the lake has; "
                "rename it"
            )
            table.fault(fault, "intermediate_tables", index)
            continue
        path = intermediate_file(folder, name)
        if path.is_file():
            intermediate_tables.append(IntermediateTable(name=name, sql=_query_text(path, table.faults)))
        else:
            fault = f"intermediate.{name}.sql is missing in this folder, and {SHARED}/{name}.sql in its parent"
            table.fault(
                f"{fault}; write one of the two files, or remove {name!r} from the list", "intermediate_tables", index
            )
    return tuple(intermediate_tables)


def _row_count(table: TomlTable, folder: Path) -> RowCount | None:
    """Return the count of the report's rows, or None if the folder has neither its file nor its key."""
    what, path = table.optional_text("count"), folder / COUNT_FILE
    if not path.is_file():
        if what is not None:
            table.fault(f"{COUNT_FILE} is missing in this folder; write it, or remove the key 'count'", "count")
        return None
    if what is None:
        fault = "report.toml does not say which rows the query counts; add the key 'count' there, or remove this file"
        table.faults.append(f"{path}:1: {fault}")
        return None
    return RowCount(what=what, sql=_query_text(path, table.faults))


def _columns(table: TomlTable) -> tuple[Column, ...]:
    columns: list[Column] = []
    for row in table.rows("columns"):
        column = _column(row)
        if column.name in {each.name for each in columns}:
            row.fault(f"column {column.name!r} is declared twice; remove or rename one of the two")
        columns.append(column)
    return tuple(columns)


def _column(row: TomlTable) -> Column:
    row.allow("name", "type", "mark", "nullable", "personal", "varies", "decimals", "meaning")
    name = row.text("name")
    if name and not NAME.fullmatch(name):
        row.fault(f"column {name!r} must be snake_case, such as started_at", "name")
    column_type = row.word("type", ColumnType)
    decimals = row.optional_whole_number("decimals", most=_MOST_DECIMALS)
    if decimals is not None and column_type is not ColumnType.DECIMAL:
        row.fault(
            f"'decimals' applies to columns of type decimal, and {name!r} is {column_type}; remove it", "decimals"
        )
    return Column(
        name=name,
        type=column_type,
        mark=row.optional_word("mark", Mark, default=Mark.PROPOSED),
        nullable=row.flag("nullable", default=True),
        personal=row.flag("personal", default=False),
        varies=row.flag("varies", default=False),
        decimals=decimals,
        meaning=row.text("meaning"),
    )


def _parameters(table: TomlTable) -> tuple[str, ...]:
    names = table.texts("parameters")
    for index, name in enumerate(names):
        if name not in PARAMETERS:
            table.fault(f"{name!r} is not a parameter of reports; {nearest(name, PARAMETERS)}", "parameters", index)
        elif name in names[:index]:
            table.fault(f"parameter {name!r} is listed twice; remove one of the two", "parameters", index)
    return names


def _table_uses(table: TomlTable, tables: Tables, columns: Collection[str]) -> tuple[TableUse, ...]:
    uses: list[TableUse] = []
    for row in table.rows("tables"):
        row.allow("table", "prune", "if_empty")
        use = TableUse(table=row.text("table"), prune=row.word("prune", Prune), if_empty=_if_empty(row, columns))
        if use.table and use.table not in tables:
            row.fault(f"the lake has no table {use.table!r}; {nearest(use.table, tables)}", "table")
        elif use.table in {each.table for each in uses}:
            row.fault(f"table {use.table!r} is listed twice; remove one of the two")
        uses.append(use)
    return tuple(uses)


def _if_empty(use: TomlTable, columns: Collection[str]) -> IfEmpty | None:
    """Return what a table use declares about the table being empty."""
    if "if_empty" not in use.data:
        return None
    table = use.table("if_empty")
    table.allow("rows", "null", "other")
    found = IfEmpty(rows=table.word("rows", RowsIfEmpty), null=table.texts("null"), other=table.texts("other"))
    for key, names in (("null", found.null), ("other", found.other)):
        for name in names:
            if name not in columns:
                table.fault(f"{key!r} names {name!r}, which is not a column; {nearest(name, columns)}", key)
    if found.rows is RowsIfEmpty.NONE and (found.null or found.other):
        table.fault("there are no rows, so remove 'null' and 'other'", "rows")
    return found


def _check_window_and_key(table: TomlTable, report: Report) -> None:
    columns = {column.name: column for column in report.columns}
    if report.window:
        _check_is_column(table, report.window, columns, key="window")
    for name in report.key:
        _check_is_column(table, name, columns, key="key")
    window = columns.get(report.window or "")
    if window and (window.type is not ColumnType.INSTANT or window.nullable):
        table.fault(f"the window column {window.name!r} must be an instant with nullable = false", "window")


def _check_partition_by(table: TomlTable, report: Report, tables: Tables) -> None:
    """Check that one of the report's tables has the column, because its rows determine the number of partitions."""
    columns = sorted({name for use in report.tables for name in tables.get(use.table, {})})
    if report.partition_by is not None and columns and report.partition_by not in columns:
        hint = nearest(report.partition_by, columns)
        table.fault(
            f"partition_by names {report.partition_by!r}, which no table of the report has; {hint}", "partition_by"
        )


def _check_is_column(table: TomlTable, name: str, columns: Collection[str], *, key: str) -> None:
    if name not in columns:
        table.fault(f"{key} names {name!r}, which is not a column of the report; {nearest(name, columns)}", key)


def _query_text(path: Path, faults: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        faults.append(f"{path}:1: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        faults.append(f"{path}:1: cannot be read: {error.strerror}; a report needs a query.sql")
    return ""
