"""Attempts that write workbooks: plan, write, verify, row limit, interrupt and publish.

The dialect of these tests publishes workbooks of a report whose own dialect offers none. It defines what every dialect
must define: the renderings of cells, the headers and the lines of the sheet ``About``.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from offtake.core.admin import identity
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.run import run_attempt
from offtake.core.exports.create import create_export
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.errors import AttemptInterrupted, RowLimitExceeded
from offtake.lake.delta import Lake
from offtake.lake.seed import SeedPlan, seed
from offtake.lake.storage import FolderTableStorage
from offtake.model.artifact import Artifact
from offtake.model.job import Job, Lease
from offtake.model.layout import AboutEntry, ColumnLayout, FinalCount, Layout
from offtake.model.rendering import in_cells
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan
from offtake.store import job_claims
from tests.fixtures.exports import caller
from tests.fixtures.storage_paths import artifact_path

ZONE = "Europe/Prague"
PLAN = SeedPlan(tenant="acme", until=date(2026, 3, 31), calls=20_000, days=31)
ORDER = ExportRequest(
    dialect="talkdesk",
    report="calls",
    format="xlsx",
    timespan=Timespan(start=PLAN.start, end=PLAN.end, zone=ZONE),
    name="march",
)
DAY = replace(ORDER, timespan=Timespan(start=PLAN.end - timedelta(days=1), end=PLAN.end, zone=ZONE))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with enough calls for an attempt to be interrupted halfway."""
    made = Lake(FolderTableStorage(tmp_path_factory.mktemp("lake")))
    seed(made, PLAN, only=("team", "queue", "agent", "call"))
    return made


@pytest.fixture
def on(services: Services, lake: Lake) -> Services:
    """Services whose dialect offers workbooks."""
    identity.add_tenant(Tenant(name="acme"), services)
    usual = services.presentations["talkdesk"].default

    def present(publication: Publication, request: ExportRequest) -> Layout:
        return _workbook(publication) if request.format == "xlsx" else usual(publication, request)

    return replace(services, lake=lake, presentations={"talkdesk": PerTenant(default=present)})


def _workbook(publication: Publication) -> Layout:
    columns = tuple(replace(c, rendering=in_cells(c.rendering)) for c in publication.columns)
    return Layout(shown=ColumnLayout(columns=columns, headers=tuple(c.name for c in columns)), about=_about)


def _about(job: Job, made_at: datetime) -> tuple[AboutEntry, ...]:
    return (
        AboutEntry(label="Export", value=job.id),
        AboutEntry(label="Zone", value=job.request.timespan.zone),
        AboutEntry(label="Rows in all", value=FinalCount.ROWS),
        AboutEntry(label="Made", value=made_at.isoformat()),
    )


def _leased(on: Services, request: ExportRequest) -> Lease:
    create_export(request, caller(), on)
    now = on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=5))
    assert lease is not None
    return lease


def _published(on: Services, request: ExportRequest) -> tuple[Artifact, Path]:
    artifact = run_attempt(_leased(on, request), on, Cancellation())
    return artifact, artifact_path(on, artifact.key)


def test_a_workbook_contains_the_same_values_as_json(on: Services) -> None:
    workbook_artifact, path = _published(on, DAY)
    json_artifact, document = _published(on, replace(DAY, format="json"))
    entries = {entry["call_id"]: entry for entry in json.loads(document.read_bytes())["entries"]}
    assert workbook_artifact.rows == json_artifact.rows == len(entries) > 100
    workbook = openpyxl.load_workbook(path, read_only=True)
    header, *rows = workbook["Export"].iter_rows(values_only=True)
    assert header == tuple(next(iter(entries.values())))
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert {row["call_id"] for row in found} == set(entries)
    for row in found:
        assert row == {name: _as_cell(value) for name, value in entries[row["call_id"]].items()}
    (_, job), *others = workbook["About"].iter_rows(values_only=True)
    assert str(job) in workbook_artifact.key
    assert others[0] == ("Zone", ZONE)
    assert others[1] == ("Rows in all", workbook_artifact.rows)
    assert [label for label, _ in others] == ["Zone", "Rows in all", "Made", "Truncated cells"]


INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?")


def _as_cell(value: object) -> object:
    """Instants become local times of the zone, unless they are local already; long numbers become text."""
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        return value if value != "" else None
    moment = datetime.fromisoformat(value).replace(microsecond=0)
    return moment.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None) if moment.tzinfo else moment


def test_too_many_rows_end_the_attempt(on: Services) -> None:
    with pytest.raises(RowLimitExceeded):
        run_attempt(_leased(on, replace(ORDER, row_limit=100)), on, Cancellation())
    assert list(on.artifacts.found()) == []


def test_exactly_the_row_limit_is_published(on: Services) -> None:
    rows = _published(on, DAY)[0].rows
    assert _published(on, replace(DAY, row_limit=rows))[0].rows == rows
    with pytest.raises(RowLimitExceeded):
        run_attempt(_leased(on, replace(DAY, row_limit=rows - 1)), on, Cancellation())


def test_an_attempt_interrupted_while_writing_leaves_no_file(on: Services) -> None:
    lease, cancellation, over = _leased(on, ORDER), Cancellation(), threading.Event()
    staged = on.artifacts.staging(lease.job.id, lease.fence, "xlsx")
    watcher = threading.Thread(target=_interrupt_when, args=(staged, cancellation, over))
    watcher.start()
    try:
        with pytest.raises(AttemptInterrupted):
            run_attempt(lease, on, cancellation)
    finally:
        over.set()
        watcher.join()
    assert cancellation.reason is CancelReason.STOPPING
    assert list(on.artifacts.found()) == []


def _interrupt_when(staged: Path, cancellation: Cancellation, over: threading.Event) -> None:
    """Request the cancellation repeatedly, as a heartbeat does, once the staging file exists."""
    while not over.wait(0.001):
        if staged.exists():
            cancellation.request(CancelReason.STOPPING)
