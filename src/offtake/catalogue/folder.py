"""``report.toml`` with ``query.sql`` and the steps beside it becomes a ``Report``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from offtake.catalogue.section import Section, nearest, open_section
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, Mark, Prune, Report, Step, TableUse
from offtake.model.request import Parameters

Tables = Mapping[str, Mapping[str, str]]  # lake table -> column -> DuckDB type, in order
PARAMETERS = tuple(field.name for field in dataclasses.fields(Parameters))
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_KEYS = ("title", "grain", "window", "key", "parameters", "server_audit", "parts_by", "steps", "tables", "columns")
SHARED = "_steps"  # the folder, beside those of the reports, of the steps that several of them have


def read_report(folder: Path, tables: Tables, faults: list[str]) -> Report | None:
    """The report of that folder, or None where a fault was noted. The query's text is taken as it is."""
    before = len(faults)
    if not NAME.fullmatch(folder.name):
        faults.append(f"{folder}:1: a report's folder is named in snake_case, such as ring_attempts")
    section = open_section(folder / "report.toml", faults)
    sql = _query_text(folder / "query.sql", faults)
    report = _report(section, folder, sql=sql, tables=tables) if section else None
    return report if len(faults) == before else None


def step_file(folder: Path, name: str) -> Path:
    """Where the step of that name stands: with its report, or else with those that are shared."""
    own = folder / f"step.{name}.sql"
    return own if own.is_file() else folder.parent / SHARED / f"{name}.sql"


def _report(section: Section, folder: Path, *, sql: str, tables: Tables) -> Report:
    section.only(*_KEYS)
    columns = _columns(section)
    report = Report(
        name=folder.name,
        title=section.text("title"),
        grain=section.text("grain"),
        window=section.optional_text("window"),
        key=section.texts("key", required=True),
        tables=_table_uses(section, tables),
        columns=columns,
        sql=sql,
        server_audit=section.flag("server_audit", default=False),
        parts_by=section.optional_text("parts_by"),
        steps=_steps(section, folder, tables),
        parameters=_parameters(section),
    )
    _check_window_and_key(section, report)
    _check_parts(section, report, tables)
    return report


def _steps(section: Section, folder: Path, tables: Tables) -> tuple[Step, ...]:
    steps: list[Step] = []
    for index, name in enumerate(section.texts("steps")):
        if not NAME.fullmatch(name) or name in tables or name in {step.name for step in steps}:
            fault = f"step {name!r} must have a snake_case name of its own, which no table of the lake has"
            section.fault(fault, "steps", index)
            continue
        path = step_file(folder, name)
        if path.is_file():
            steps.append(Step(name=name, sql=_query_text(path, section.faults)))
        else:
            fault = f"there is no step.{name}.sql beside this file, and no {SHARED}/{name}.sql beside its folder"
            section.fault(f"{fault}; write one of the two, or take the step out", "steps", index)
    return tuple(steps)


def _columns(section: Section) -> tuple[Column, ...]:
    columns: list[Column] = []
    for row in section.rows("columns"):
        column = _column(row)
        if column.name in {each.name for each in columns}:
            row.fault(f"column {column.name!r} stands here twice; remove one of the two")
        columns.append(column)
    return tuple(columns)


def _column(row: Section) -> Column:
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


def _parameters(section: Section) -> tuple[str, ...]:
    names = section.texts("parameters")
    for index, name in enumerate(names):
        if name not in PARAMETERS:
            section.fault(f"no report has a parameter {name!r}; {nearest(name, PARAMETERS)}", "parameters", index)
        elif name in names[:index]:
            section.fault(f"parameter {name!r} stands here twice; remove one of the two", "parameters", index)
    return names


def _table_uses(section: Section, tables: Tables) -> tuple[TableUse, ...]:
    uses: list[TableUse] = []
    for row in section.rows("tables"):
        row.only("table", "prune")
        use = TableUse(table=row.text("table"), prune=row.word("prune", Prune))
        if use.table and use.table not in tables:
            row.fault(f"the lake has no table {use.table!r}; {nearest(use.table, tables)}", "table")
        elif use.table in {each.table for each in uses}:
            row.fault(f"table {use.table!r} stands here twice; remove one of the two")
        uses.append(use)
    return tuple(uses)


def _check_window_and_key(section: Section, report: Report) -> None:
    columns = {column.name: column for column in report.columns}
    if report.window:
        _must_be_column(section, report.window, columns, key="window")
    for name in report.key:
        _must_be_column(section, name, columns, key="key")
    window = columns.get(report.window or "")
    if window and (window.type is not ColumnType.INSTANT or window.nullable):
        section.fault(f"the window column {window.name!r} must be an instant with nullable = false", "window")


def _check_parts(section: Section, report: Report, tables: Tables) -> None:
    """The column must be one of the tables read: by their rows the number of parts is chosen."""
    held = sorted({name for use in report.tables for name in tables.get(use.table, {})})
    if report.parts_by is not None and held and report.parts_by not in held:
        hint = nearest(report.parts_by, held)
        section.fault(f"parts_by names {report.parts_by!r}, which no table of the report has; {hint}", "parts_by")


def _must_be_column(section: Section, name: str, columns: Collection[str], *, key: str) -> None:
    if name not in columns:
        section.fault(f"{key} names {name!r}, which is no column of the report; {nearest(name, columns)}", key)


def _query_text(path: Path, faults: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        faults.append(f"{path}:1: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        faults.append(f"{path}:1: cannot be read: {error.strerror}; a report needs a query.sql")
    return ""
