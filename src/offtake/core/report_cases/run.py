"""Runs cases through the real lake, loader and engine, in a temporary folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from offtake.catalogue.load import Catalogue
from offtake.core.attempt.reconciliation import count_rows
from offtake.core.presentation import Presentation, choose
from offtake.core.query import filters, intermediate, server_audit
from offtake.core.report_cases.case import TENANT, Case, Row
from offtake.core.report_cases.row_comparison import differences
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan, plan_rows, with_instants
from offtake.errors import CatalogueError, OperatorError
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.snapshot import snapshot
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.layout import ColumnLayout, Layout
from offtake.model.query import Query
from offtake.model.report import PublishedColumn, Report, TableUse, reads_buckets
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.view import TableView
from offtake.store import audit
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.toml_reader import nearest

_SERVER_AUDIT = "server_audit"  # an input of the server, not of the lake
_PARTITIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledCase:
    """A case with a lake that holds its input rows. ``folder`` is for temporary files."""

    case: Case
    catalogue: Catalogue
    lake: Lake
    folder: Path

    @property
    def report(self) -> Report:
        """The report of the case."""
        return self.catalogue.reports[self.case.report]

    @contextmanager
    def open(
        self,
        *,
        tenants: Sequence[str] = (TENANT,),
        partitions: int = 1,
        uses: Sequence[TableUse] = (),
        writable: Sequence[Path] = (),
    ) -> Iterator[tuple[Session, ExportRequest]]:
        """Yield the engine over the case's tables, and the request.

        An export reads the files of one tenant; a test may give the views those of several ``tenants``. ``uses``
        replaces the table uses that the report declares. The session may write the files in ``writable``.
        """
        request = self.case.request(self._dialect())
        with (
            self._views(request, tenants, uses) as views,
            self._session(request, views, partitions=partitions, writable=writable) as opened,
        ):
            yield opened

    def rows_without(self, tables: Sequence[str | None]) -> Iterator[list[Row]]:
        """Yield the rows of the report with default parameters, each time with one of the tables empty; None: with all.

        Instants are text with six decimals.
        """
        request = dataclasses.replace(self.case.request(self._dialect()), parameters=ReportParameters())
        with self._views(request, (TENANT,), ()) as views:
            for table in tables:
                seen = [dataclasses.replace(view, files=()) if view.table == table else view for view in views]
                with self._session(request, seen) as (session, prepared):
                    yield session.rows(rows_query(self.report, prepared))

    @contextmanager
    def _views(
        self, request: ExportRequest, tenants: Sequence[str], uses: Sequence[TableUse]
    ) -> Iterator[list[TableView]]:
        uses, span = (*(uses or self.report.tables), *filters.tables(self.report)), request.timespan
        with ExitStack() as stack:
            seen = [
                stack.enter_context(snapshot(self.lake, uses, tenant=tenant, start=span.start, end=span.end))
                for tenant in tenants
            ]
            yield [
                dataclasses.replace(same[0], files=tuple(file for view in same for file in view.files))
                for same in zip(*seen, strict=True)
            ]

    @contextmanager
    def _session(
        self, request: ExportRequest, views: Sequence[TableView], *, partitions: int = 1, writable: Sequence[Path] = ()
    ) -> Iterator[tuple[Session, ExportRequest]]:
        with TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            limits = Limits(threads=1, memory_mb=256, temp_folder=folder / "temp", temp_mb=64)
            by_buckets = reads_buckets(self.report, views)
            opened = Session(
                limits, views, tenant=TENANT, writable=writable, partitions=partitions, by_buckets=by_buckets
            )
            with opened as session:
                request = filters.prepare(session, self.report, request)
                if self.report.server_audit:
                    with closing(_audit_database(self.case, folder)) as database:
                        server_audit.expose(session, database, request)
                intermediate.create_tables(session, self.report, request)
                yield session, request

    def _dialect(self) -> str:
        """Return a dialect that publishes the report; empty if none does."""
        return next((dialect for dialect, report in self.catalogue.publications if report == self.case.report), "")


def run_case(
    case: Case, catalogue: Catalogue, presentations: Mapping[str, Presentation], folder: Path
) -> dict[str, list[str]]:
    """Return the differences, by what was compared: the rows, their count, both in partitions, and the entries of each
    dialect.

    ``folder`` must be empty; the lake of the case is created there. Raises CatalogueError for a faulty case.
    """
    filled = fill(case, catalogue, folder)
    report, expected = filled.report, case.expected(filled.report)
    with filled.open() as (session, request):
        found = {"rows": differences(session.rows(rows_query(report, request)), expected, key=report.key)}
        found["count"] = _count_differences(count_rows(session, report, request), len(expected))
        for (dialect, name), publication in sorted(catalogue.publications.items()):
            entries = case.shown(dialect) if name == case.report else None
            if entries is not None:
                columns = choose(publication, request.columns, "json").columns
                query = entries_query(report, presentations[dialect](publication, request), columns, request)
                key = [column.name for column in columns if column.source in report.key]
                found[f"entries of {dialect}"] = differences(session.rows(query), entries, key=key)
    if report.partition_by is not None:
        with filled.open(partitions=_PARTITIONS) as (session, request):
            found[f"count of {_PARTITIONS} partitions"] = _count_differences(
                count_rows(session, report, request, query_partitions=1), len(expected)
            )
            query = rows_query(report, request)
            rows = [row for number in range(session.partitions) for row in session.rows(query, partition=number)]
            found[f"rows of {_PARTITIONS} partitions"] = differences(rows, expected, key=report.key)
    return found


def _count_differences(counted: int | None, rows: int) -> list[str]:
    """Return a line if the report's count differs from the rows of the case; none if the request is not counted."""
    return [] if counted in (None, rows) else [f"{counted} rows counted, {rows} rows expected"]


def fill(case: Case, catalogue: Catalogue, folder: Path) -> FilledCase:
    """Load the input rows of the case into a new lake, as ``offtake load`` does. Raises CatalogueError."""
    lake = Lake(FolderTableStorage(folder / "lake"))
    for number, (name, tenant, path, rows) in enumerate(case.inputs()):
        if name == _SERVER_AUDIT:
            continue
        table = tables().get(name)
        if table is None:
            raise CatalogueError(f"{path}:1: the lake has no table {name!r}; {nearest(name, tables())}")
        file = folder / f"{number}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        try:
            load(lake, table, [file], tenant=tenant)
        except OperatorError as error:
            raise CatalogueError(f"{path}: {error.message.replace(f'{file}:', 'row ')}") from error
    return FilledCase(case=case, catalogue=catalogue, lake=lake, folder=folder)


def rows_query(report: Report, request: ExportRequest) -> Query:
    """Return the query for the report's rows, with instants as text with six decimals."""
    return with_instants(plan_rows(report, request), report, _as_text)


def entries_query(
    report: Report, layout: Layout, columns: tuple[PublishedColumn, ...], request: ExportRequest
) -> Query:
    """Return the query for the entries that a dialect shows, under the names of its columns."""
    headers = tuple(column.name for column in columns)
    shown = ColumnLayout(columns=columns, headers=headers, instant_pattern=layout.shown.instant_pattern)
    return plan(report, shown, request)


def _audit_database(case: Case, folder: Path) -> Database:
    """Return a state database whose audit log holds the case's ``server_audit``."""
    database = Database(sqlite_url(folder / "state.db"))
    migrate(database)
    with database.write() as connection:
        for table, tenant, _, rows in case.inputs():
            for row in rows if table == _SERVER_AUDIT else []:
                now = datetime.fromisoformat(row.pop("happened_at")).astimezone(UTC)
                entry = AuditEntry(**{"principal": None, **row, "tenant": tenant})
                audit.record(connection, entry, now=now)
    return database


def _as_text(instant: str) -> str:
    return f"strftime({instant} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
