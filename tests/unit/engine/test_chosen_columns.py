"""A request may choose any columns of a report; every writer writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offtake.core.query import filters, intermediate
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan
from offtake.formats.json import JSON
from offtake.lake.tables import tables
from offtake.model.layout import ColumnLayout, Framing
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan
from offtake.model.view import TableView
from tests.property.exporting import catalogue

DAY = Timespan(start=datetime(2026, 3, 2, tzinfo=UTC), end=datetime(2026, 3, 3, tzinfo=UTC), zone="UTC")
PUBLICATIONS = sorted(key for key in catalogue().publications if not catalogue().reports[key[1]].server_audit)


@contextmanager
def _opened(request: ExportRequest, file: Path) -> Iterator[Session]:
    """A session over tables without rows."""
    report = catalogue().reports[request.report]
    views = [
        TableView(table=use.table, columns=tuple(tables()[use.table].stored_columns), files=(), rows=0)
        for use in (*report.tables, *filters.tables(report))
    ]
    limits = Limits(threads=1, memory_mb=256, temp_folder=file.with_name("temp"), temp_mb=64)
    with Session(limits, views, tenant="acme", writable=(file,)) as session:
        filters.prepare(session, report, request)
        intermediate.create_tables(session, report, request)
        yield session


@pytest.mark.parametrize(("dialect", "name"), PUBLICATIONS)
def test_each_column_alone_can_be_written(dialect: str, name: str, tmp_path: Path) -> None:
    """The fast writer checks the length of rows before their decimals are rounded, without the other columns."""
    request = ExportRequest(dialect=dialect, report=name, format="json", timespan=DAY, name="any", account_zone="UTC")
    publication, file = catalogue().publications[dialect, name], tmp_path / "file"
    with _opened(request, file) as session:
        for column in (publication.columns[0], publication.columns[-1]):
            shown = ColumnLayout(columns=(column,), headers=(column.name,))
            query = plan(catalogue().reports[name], shown, request)
            for writer in (JSON.write, *JSON.write_wide):
                file.unlink(missing_ok=True)
                assert writer(session, query, file, framing=Framing()) == 0
