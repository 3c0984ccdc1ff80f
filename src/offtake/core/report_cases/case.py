"""Reads a case folder. Raises CatalogueError with file, line and remedy for a file that is not as documented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from offtake.catalogue.folder import PARAMETERS
from offtake.errors import CatalogueError, InvalidZone, OfftakeError
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, Report
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Selection
from offtake.model.timespan import Timespan
from offtake.model.timespan import zone as time_zone
from offtake.toml_reader import TomlTable, nearest, open_table

TENANT = "acme"  # the tenant of the export; input rows without a tenant are its own
_KEYS = ("start", "end", "zone", "account_zone", "as_of", "columns", "parameters", "defaults")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case folder of a report."""

    report: str
    folder: Path

    @property
    def id(self) -> str:
        """The report's name and the case's."""
        return f"{self.report}/{self.folder.name}"

    def request(self, dialect: str) -> ExportRequest:
        """Return the export request, in a dialect that publishes the report. Raises CatalogueError."""
        faults: list[str] = []
        table = self._table(faults)
        table.allow(*_KEYS)
        start, end, as_of = (_instant(table, name, faults) for name in ("start", "end", "as_of"))
        zone, account_zone = table.text("zone"), table.text("account_zone")
        for key, name in (("zone", zone), ("account_zone", account_zone)):
            if name and not faults:
                _check_zone(table, key, name)
        parameters = _parameters(table, faults)
        if faults or start is None or end is None:
            raise CatalogueError("\n".join(faults))
        try:
            return ExportRequest(
                dialect=dialect,
                report=self.report,
                format="json",
                timespan=Timespan(start=start, end=end, zone=zone),
                name=self.id,
                as_of=as_of,
                account_zone=account_zone,
                columns=table.texts("columns"),
                parameters=parameters,
            )
        except OfftakeError as error:
            raise CatalogueError(f"{table.file.where('start')}: {error.message}") from error

    def inputs(self) -> Iterator[tuple[str, str, Path, list[Row]]]:
        """Yield table, tenant, file, and the tenant's rows, completed with the defaults of the case."""
        table = self._table([])
        defaults = table.data.get("defaults", {})
        for path in sorted((self.folder / "input").glob("*.jsonl")):
            by_tenant: dict[str, list[Row]] = {}
            for line in read_rows(path):
                row = {**(defaults.get(path.stem, {}) if isinstance(defaults, Mapping) else {}), **line}
                by_tenant.setdefault(row.pop("tenant", TENANT), []).append(row)
            for tenant, rows in by_tenant.items():
                yield path.stem, tenant, path, rows

    def expected(self, report: Report) -> list[Row]:
        """Return the expected rows; an omitted column is null, and instants are text with six decimals."""
        columns = {column.name: column for column in report.columns}
        path = self.folder / "expected.jsonl"
        rows = read_rows(path)
        for number, row in enumerate(rows, start=1):
            for name in row.keys() - columns.keys():
                hint = nearest(name, columns)
                raise CatalogueError(f"{path}: row {number}: the report has no column {name!r}; {hint}")
        return [
            {name: _typed(column, row.get(name), f"{path}: row {number}") for name, column in columns.items()}
            for number, row in enumerate(rows, start=1)
        ]

    def shown(self, dialect: str) -> list[Row] | None:
        """Return the expected JSON entries of a dialect, or None if the case has none."""
        path = self.folder / f"expected.{dialect}.jsonl"
        return read_rows(path) if path.exists() else None

    def _table(self, faults: list[str]) -> TomlTable:
        table = open_table(self.folder / "request.toml", faults)
        if table is None:
            raise CatalogueError("\n".join(faults))
        return table


def cases_of(report: str, folder: Path) -> list[Case]:
    """Return the cases in the folder of a report."""
    return [Case(report=report, folder=path) for path in sorted(folder.glob("cases/*")) if path.is_dir()]


def read_rows(path: Path) -> list[Row]:
    """Read one object per line; only a newline ends a line, a line separator inside a text does not."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}:1: cannot be read; a case needs this file in UTF-8") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line else {}
        except (ValueError, RecursionError) as error:
            raise CatalogueError(f"{path}:{number}: not JSON; write one object per line") from error
        if not isinstance(row, dict):
            raise CatalogueError(f"{path}:{number}: not a JSON object; write one object per line")
        if line:
            rows.append(row)
    return rows


def _instant(table: TomlTable, key: str, faults: list[str]) -> datetime | None:
    value = table.data.get(key)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if key in table.data or key != "as_of":
        table.fault(f"{key!r} must be an instant with an offset, without quotes, such as 2026-03-01T00:00:00Z", key)
    return None


def _check_zone(table: TomlTable, key: str, name: str) -> None:
    try:
        time_zone(name)
    except InvalidZone as error:
        table.fault(error.message, key)


def _parameters(table: TomlTable, faults: list[str]) -> ReportParameters:
    """Read the table ``[parameters]``: lists of ids, words, numbers."""
    data = table.data.get("parameters", {})
    if not isinstance(data, Mapping):
        table.fault("'parameters' must be a table, [parameters]", "parameters")
        return ReportParameters()
    given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in data.items()}
    for name in given.keys() - set(PARAMETERS):
        table.fault(f"{name!r} is not a parameter of reports; {nearest(name, PARAMETERS)}", "parameters", name)
    words: dict[str, type[BusinessHours | Selection]] = {"business_hours": BusinessHours, "selection": Selection}
    for name, enumeration in words.items():
        if name in given:
            known = [each.value for each in enumeration]
            if given[name] in known:
                given[name] = enumeration(given[name])
            else:
                table.fault(f"{name!r} is {given[name]!r}; {nearest(str(given[name]), known)}", "parameters", name)
    return ReportParameters() if faults else ReportParameters(**given)


def _typed(column: Column, value: object, where: str) -> object:
    """Return the value as the engine returns it; instants as text with six decimals."""
    if value is None or column.type not in (ColumnType.INSTANT, ColumnType.DATE):
        return value
    try:
        if column.type is ColumnType.DATE:
            return date.fromisoformat(str(value))
        return datetime.fromisoformat(str(value)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as error:
        form = "2026-03-01" if column.type is ColumnType.DATE else "2026-03-01T08:00:00Z"
        raise CatalogueError(f"{where}: {column.name} must have the form {form}") from error
