"""Every report yields the rows of its cases, through the real lake and the real engine.

A case is data; ``docs/reference/report-folder.md`` describes its files.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import load_catalogue
from offtake.core.attempt import filters, intermediate, server_audit
from offtake.core.presentation import choose
from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import plan, plan_rows
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import TableKind, tables
from offtake.model.audit import AuditEntry
from offtake.model.column_type import ColumnType
from offtake.model.layout import DEFAULT_PATTERN, ColumnLayout
from offtake.model.report import Column, Prune, Report, TableUse
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Selection
from offtake.model.timespan import Timespan
from offtake.store import audit
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.wire import DIALECTS
from tests.fixtures.instants import with_instants
from tests.fixtures.row_comparison import are_same_rows, assert_same_rows
from tests.fixtures.storage_paths import views_of

LOCALE_PATTERN = "%m/%d/%Y %I:%M:%S %p"  # English, Khoros contract 5.2
TENANT = "acme"  # the tenant of the export; rows without a tenant are its own

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case folder."""

    report: str
    folder: Path

    @property
    def id(self) -> str:
        return f"{self.report}/{self.folder.name}"

    def request(self) -> ExportRequest:
        """The export request."""
        said = self._said()
        return ExportRequest(
            dialect=next(dialect for dialect, report in CATALOGUE.publications if report == self.report),
            report=self.report,
            format="json",
            timespan=Timespan(start=_utc(said["start"]), end=_utc(said["end"]), zone=said["zone"]),
            name=self.id,
            as_of=_utc(said["as_of"]) if "as_of" in said else None,
            account_zone=said["account_zone"],
            columns=tuple(said.get("columns", ())),
            parameters=_parameters(said.get("parameters", {})),
        )

    def inputs(self) -> Iterator[tuple[str, str, list[Row]]]:
        """Table, tenant and the tenant's rows, completed with the defaults of the case."""
        defaults: Mapping[str, Row] = self._said().get("defaults", {})
        for path in sorted((self.folder / "input").glob("*.jsonl")):
            by_tenant: dict[str, list[Row]] = {}
            for line in read_jsonl(path):
                row = {**defaults.get(path.stem, {}), **line}
                by_tenant.setdefault(row.pop("tenant", TENANT), []).append(row)
            for tenant, rows in by_tenant.items():
                yield path.stem, tenant, rows

    def expected(self, report: Report) -> list[Row]:
        """The expected rows; an omitted column is null, and instants are text with six decimals."""
        columns = {column.name: column for column in report.columns}
        rows = read_jsonl(self.folder / "expected.jsonl")
        for row in rows:
            assert row.keys() <= columns.keys(), f"{self.id}: unknown columns {row.keys() - columns.keys()}"
        return [{name: _typed(column, row.get(name)) for name, column in columns.items()} for row in rows]

    def shown(self, dialect: str) -> list[Row] | None:
        """The expected JSON entries of a dialect, if the case has any."""
        path = self.folder / f"expected.{dialect}.jsonl"
        return read_jsonl(path) if path.exists() else None

    def _said(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "request.toml").read_text(encoding="utf-8"))


def read_jsonl(path: Path) -> list[Row]:
    """One object per line; only a newline ends a line, a line separator inside a text does not."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _parameters(said: Mapping[str, Any]) -> ReportParameters:
    """The table ``[parameters]`` of a request: lists of ids, words, numbers."""
    given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in said.items()}
    if "business_hours" in given:
        given["business_hours"] = BusinessHours(given["business_hours"])
    if "selection" in given:
        given["selection"] = Selection(given["selection"])
    return ReportParameters(**given)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _typed(column: Column, value: object) -> object:
    if value is not None and column.type is ColumnType.INSTANT:
        assert isinstance(value, str)
        return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


CATALOGUE = load_catalogue(
    BUILT_IN,
    tables={name: dict(table.stored_columns) for name, table in tables().items()},
    dialects=[dialect.name for dialect in DIALECTS],
)
ALL = [Case(report=folder.parts[-3], folder=folder) for folder in sorted(BUILT_IN.glob("*/cases/*"))]
CASES = [pytest.param(case, id=case.id) for case in ALL]
SHOWN = [
    pytest.param(case, dialect, id=f"{case.id}-{dialect}")
    for case in ALL
    for dialect in sorted({dialect for dialect, _ in CATALOGUE.publications})
    if case.shown(dialect) is not None
]


Filled = Callable[[Case], Lake]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The lake of a case, filled when the first test of that case needs it."""

    @cache
    def lake_of(case: Case) -> Lake:
        folder = tmp_path_factory.mktemp("case")
        lake = Lake(FolderTableStorage(folder / "lake"))
        for number, (table, tenant, rows) in enumerate(case.inputs()):
            if table != "server_audit":  # a table of the server, not of the lake
                _load(lake, folder / f"{number}.jsonl", rows, table=table, tenant=tenant)
        return lake

    return lake_of


@pytest.mark.parametrize("case", CASES)
def test_the_report_gives_the_expected_rows(case: Case, filled: Filled, tmp_path: Path) -> None:
    report = CATALOGUE.reports[case.report]
    with _session(case, filled(case), tmp_path) as (session, request):
        query = with_instants(plan_rows(report, request), report, _as_text)
        assert_same_rows(session.rows(query), case.expected(report), key=report.key)


DIVIDED = [pytest.param(case, id=case.id) for case in ALL if CATALOGUE.reports[case.report].partition_by is not None]


@pytest.mark.parametrize("case", DIVIDED)
def test_the_partitions_together_hold_the_rows_of_the_whole(case: Case, filled: Filled, tmp_path: Path) -> None:
    report = CATALOGUE.reports[case.report]
    with _session(case, filled(case), tmp_path, partitions=3) as (session, request):
        query = with_instants(plan_rows(report, request), report, _as_text)
        rows = [row for partition in range(session.partitions) for row in session.rows(query, partition=partition)]
        assert_same_rows(rows, case.expected(report), key=report.key)


@pytest.mark.parametrize(("case", "dialect"), SHOWN)
def test_the_dialect_shows_the_expected_entries(case: Case, dialect: str, filled: Filled, tmp_path: Path) -> None:
    publication = CATALOGUE.publication(dialect, case.report)
    assert publication is not None
    request = case.request()
    columns = choose(publication, request.columns, "json").columns
    pattern = LOCALE_PATTERN if dialect == "khoros" else DEFAULT_PATTERN
    shown = ColumnLayout(columns=columns, headers=tuple(column.name for column in columns), instant_pattern=pattern)
    report = CATALOGUE.reports[case.report]
    key = [column.name for column in columns if column.source in report.key]
    with _session(case, filled(case), tmp_path) as (session, request):
        assert_same_rows(session.rows(plan(report, shown, request)), case.shown(dialect) or [], key=key)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ALL if case.folder.name == "other_tenant"])
def test_views_hide_foreign_rows_in_their_files(case: Case, filled: Filled, tmp_path: Path) -> None:
    """The condition in the views suffices alone: here they are given every tenant's files."""
    report = CATALOGUE.reports[case.report]
    with _session(case, filled(case), tmp_path, tenants=(TENANT, "globex")) as (session, request):
        query = with_instants(plan_rows(report, request), report, _as_text)
        assert_same_rows(session.rows(query), case.expected(report), key=report.key)


NARROWER = {Prune.UNTIL: Prune.WINDOW, Prune.ALL: Prune.UNTIL}
HISTORIES = [
    pytest.param(report, use, id=f"{report.name}-{use.table}")
    for report in CATALOGUE.reports.values()
    for use in report.tables
    if tables()[use.table].kind is TableKind.FACT and use.prune in NARROWER
]


@pytest.mark.parametrize(("report", "use"), HISTORIES)
def test_history_that_is_read_is_needed(report: Report, use: TableUse, filled: Filled, tmp_path: Path) -> None:
    """Some case yields other rows if fewer months of the table are read; otherwise reading them is unnecessary."""
    narrower = dataclasses.replace(use, prune=NARROWER[use.prune])
    uses = tuple(narrower if each is use else each for each in report.tables)
    differing = (
        case
        for number, case in enumerate(
            case for case in ALL if case.report == report.name and _reaches_out(case, use.table)
        )
        if not are_same_rows(_rows(case, filled(case), tmp_path / str(number), uses), case.expected(report))
    )
    assert next(differing, None) is not None


def _reaches_out(case: Case, table: str) -> bool:
    """Whether the table has rows of other months than the timespan."""
    event_time, start = tables()[table].event_time or "", case.request().timespan.start
    instants = (row[event_time] for name, _, rows in case.inputs() if name == table for row in rows)
    return any(instant[:7] != f"{start:%Y-%m}" for instant in instants)


def _rows(case: Case, lake: Lake, folder: Path, uses: tuple[TableUse, ...]) -> list[Row]:
    report = CATALOGUE.reports[case.report]
    with _session(case, lake, folder, uses=uses) as (session, request):
        query = with_instants(plan_rows(report, request), report, _as_text)
        return session.rows(query)


@contextmanager
def _session(
    case: Case,
    lake: Lake,
    folder: Path,
    *,
    tenants: tuple[str, ...] = (TENANT,),
    partitions: int = 1,
    uses: tuple[TableUse, ...] = (),
) -> Iterator[tuple[Session, ExportRequest]]:
    """The engine over what these tenants have of the case's tables; an export reads one tenant only. ``uses`` replaces
    the table uses that the report declares."""
    report, request = CATALOGUE.reports[case.report], case.request()
    uses, timespan = (*(uses or report.tables), *filters.tables(report)), request.timespan
    seen = [views_of(lake, uses, tenant=tenant, timespan=timespan) for tenant in tenants]
    views = [
        dataclasses.replace(same[0], files=tuple(file for view in same for file in view.files))
        for same in zip(*seen, strict=True)
    ]
    limits = Limits(threads=1, memory_mb=256, temp_folder=folder / "temp", temp_mb=64)
    with Session(limits, views, tenant=TENANT, partitions=partitions) as session:
        request = filters.prepare(session, report, request)
        if report.server_audit:
            with closing(_recorded(case, folder)) as database:
                server_audit.expose(session, database, request)
        intermediate.create_tables(session, report, request)
        yield session, request


def _recorded(case: Case, folder: Path) -> Database:
    """A state database whose audit log holds the case's ``server_audit``."""
    database = Database(sqlite_url(folder / "state.db"))
    migrate(database)
    with database.write() as connection:
        for table, tenant, rows in case.inputs():
            for row in rows if table == "server_audit" else []:
                now = _utc(datetime.fromisoformat(row.pop("happened_at")))
                entry = AuditEntry(**{"principal": None, **row, "tenant": tenant})
                audit.record(connection, entry, now=now)
    return database


def _load(lake: Lake, path: Path, rows: list[Row], *, table: str, tenant: str) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    load(lake, tables()[table], [path], tenant=tenant)


def _as_text(instant: str) -> str:
    return f"strftime({instant} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
