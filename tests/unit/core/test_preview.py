"""A preview shows the first rows of a request, within its limits of time, memory and number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from offtake.app import build_services
from offtake.core.exports import preview as module
from offtake.core.exports.estimate import estimate
from offtake.core.exports.preview import preview
from offtake.core.policy import PreviewPolicy
from offtake.core.presentation import layout_of
from offtake.core.preview_slots import PreviewSlots
from offtake.core.query import filters
from offtake.core.query.preparation import prepare
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan
from offtake.errors import InvalidRequest, NotPermitted, PreviewTooLarge, TimespanTooLong, Unavailable
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.lake.snapshot import snapshot
from offtake.lake.storage import FolderTableStorage
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope
from offtake.model.timespan import Timespan
from offtake.settings import CatalogueSettings, Settings
from offtake.store.schema import audit
from tests.fixtures.exports import caller, with_limits
from tests.fixtures.sample import PLAN, Sample

END = datetime(2026, 11, 1, tzinfo=UTC)
SPAN = Timespan(start=END - timedelta(days=10), end=END + timedelta(days=19), zone="UTC")
CALLS = ExportRequest(dialect="talkdesk", report="calls", format="json", timespan=SPAN, name="preview")
ENDED, TALKED = "end_at", "talk_time"  # names on the wire of ended_at and talk_seconds


def _endless(select: str) -> Mapping[str, str]:
    """A report whose query makes billions of rows: the calls of a timespan three times, each with each."""
    return {
        "report.toml": """\
title = "Endless"
grain = "One row."
key = ["row_id"]
tables = [{ table = "call", prune = "window" }]
columns = [{ name = "row_id", type = "id", mark = "proposed", nullable = false, meaning = "Any." }]
""",
        "query.sql": f"""\
WITH found AS (SELECT call_id FROM call WHERE ended_at >= $start AND ended_at < $end)
SELECT {select} AS row_id
FROM found AS a CROSS JOIN found AS b CROSS JOIN found AS c
""",
        "wire.talkdesk.toml": """\
slug = "SLUG"
title = "Endless"
columns = [{ name = "row", from = "row_id", as = "text", mark = "proposed" }]
""",
    }


OWN = {
    "slow": _endless("CAST(sum(hash(a.call_id || b.call_id || c.call_id)) AS VARCHAR)"),
    "large": _endless("string_agg(a.call_id || b.call_id || c.call_id, ',')"),
}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory, sample: Sample) -> Iterator[Services]:
    """Services over the sample data, with two reports that take too much."""
    folder = tmp_path_factory.mktemp("preview")
    for report, files in OWN.items():
        (folder / "own" / report).mkdir(parents=True)
        for name, text in files.items():
            (folder / "own" / report / name).write_text(text.replace("SLUG", report))
    home = Home(folder / "home")
    home.create()
    services = build_services(home, Settings(catalogue=CatalogueSettings(folders=(str(folder / "own"),))))
    services = replace(services, lake=sample.lake, clock=lambda: END + timedelta(days=19))
    yield with_limits(services, longest_timespan=timedelta(days=366))
    services.database.close()


def whole(on: Services, request: ExportRequest, folder: Path) -> list[dict[str, Any]]:
    """All rows of the request, from one query over its timespan."""
    report = on.catalogue.reports[request.report]
    layout = layout_of(
        on.catalogue.publications[request.dialect, request.report], request, on.presentations[request.dialect].default
    )
    span, uses = request.timespan, (*report.tables, *filters.tables(report))
    limits = Limits(threads=1, memory_mb=512, temp_folder=folder, temp_mb=100)
    with (
        snapshot(on.lake, uses, tenant=PLAN.tenant, start=span.start, end=span.end) as views,
        Session(limits, views, tenant=PLAN.tenant) as session,
    ):
        request = prepare(session, report, request, on.database)
        query = plan(report, replace(layout.shown, order=()), request)
        return session.rows(query)


@pytest.mark.parametrize(
    ("dialect", "report"),
    [
        ("talkdesk", "calls"),  # its timespan is divided
        ("native", "calls"),
        ("talkdesk", "studio_flow_execution"),
        ("khoros", "conversation_actions"),  # and is read in partitions
        ("khoros", "incoming_post"),  # its rows depend on the end of the timespan
        ("khoros", "team_performance_interval"),  # it aggregates the timespan
        ("loop", "inbox_conversations"),  # it is sorted
    ],
)
def test_a_preview_shows_rows_of_the_export(on: Services, dialect: str, report: str, tmp_path: Path) -> None:
    request = replace(CALLS, dialect=dialect, report=report, as_of=on.clock())
    rows = [json.dumps(row, sort_keys=True) for row in whole(on, request, tmp_path)]
    shown = preview(request, caller(), on)
    found = [json.dumps(row, sort_keys=True) for row in shown.rows]
    assert len(found) == min(100, len(rows)) > 1
    assert shown.truncated == (len(rows) > 100)
    assert set(found) <= set(rows)
    assert len(set(found)) == len(found)
    few = preview(request, caller(), on, 1)
    assert (len(few.rows), few.truncated) == (1, True)
    assert [column.name for column in few.columns] == list(few.rows[0])


@pytest.mark.parametrize("order", [("ended_at",), ("-ended_at",), ("-talk_seconds", "ended_at")])
def test_a_preview_in_an_order_shows_the_first_rows(on: Services, order: tuple[str, ...], tmp_path: Path) -> None:
    """Also if only the first or the last part of the timespan is read."""
    rows = whole(on, CALLS, tmp_path)
    shown = preview(replace(CALLS, order=order), caller(), on, 30).rows
    rows.sort(key=lambda row: row[ENDED], reverse=order[0] == "-ended_at")
    if order[0] == "-talk_seconds":
        rows.sort(key=lambda row: -row[TALKED])
    assert [(row[ENDED], row[TALKED]) for row in shown] == [(row[ENDED], row[TALKED]) for row in rows[:30]]


def test_a_preview_finds_rows_anywhere_in_the_timespan(on: Services, tmp_path: Path) -> None:
    """Only one row fulfils the filter, and it is among the last ones."""
    last = max(whole(on, CALLS, tmp_path), key=lambda row: row[ENDED])
    wanted = ColumnFilter(column="call_id", operator=FilterOperator.EQ, values=(last["call_id"],))
    shown = preview(replace(CALLS, filters=(wanted,)), caller(), on)
    assert ([dict(row) for row in shown.rows], shown.truncated) == ([last], False)


def test_a_preview_reads_only_a_part_of_the_timespan(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has a few thousand rows of the lake on average, however long the timespan is."""
    monkeypatch.setattr(module, "_ROWS_OF_FIRST_PART", 40)
    read: list[timedelta] = []

    def recorded(session: Session, report: Any, request: ExportRequest, database: Any) -> ExportRequest:
        read.append(request.timespan.length())
        return prepare(session, report, request, database)

    monkeypatch.setattr(module, "prepare", recorded)
    assert len(preview(CALLS, caller(), on, 5).rows) == 5
    assert read[-1] < SPAN.length() / 3
    assert preview(replace(CALLS, columns=("call_id",)), caller(), on).truncated
    assert read == sorted(read[:1]) + read[1:]


def test_a_preview_shows_one_tenant_only(on: Services) -> None:
    shown = preview(CALLS, caller("globex"), on)
    assert (shown.rows, shown.truncated) == ((), False)


def test_a_preview_and_an_estimate_are_recorded_and_a_preview_needs_both_scopes(on: Services) -> None:
    for scopes in ({Scope.READ}, {Scope.WRITE}):
        with pytest.raises(NotPermitted):
            preview(CALLS, caller(scopes=frozenset(scopes)), on)
    with on.database.read() as connection:
        before = len(connection.execute(select(audit)).all())
    preview(CALLS, caller(), on, 1)
    estimate(replace(CALLS, format="csv"), caller(), on)
    with on.database.read() as connection:
        entries = connection.execute(select(audit)).all()
    recorded = [(each.operation, each.tenant, each.report, each.format, each.column_count) for each in entries[before:]]
    columns = len(on.catalogue.publications[CALLS.dialect, "calls"].columns)
    assert recorded == [
        ("report.preview", "acme", "calls", "json", columns),
        ("report.estimate", "acme", "calls", "csv", columns),
    ]


def test_a_preview_is_validated_as_an_export(on: Services) -> None:
    with pytest.raises(TimespanTooLong):
        preview(replace(CALLS, timespan=replace(SPAN, start=datetime(2020, 1, 1, tzinfo=UTC))), caller(), on)
    with pytest.raises(InvalidRequest):
        preview(replace(CALLS, order=("nothing",)), caller(), on)


def limited(on: Services, **policy: Any) -> Services:
    return replace(on, previews=PreviewSlots(PreviewPolicy(**policy)))


def test_previews_over_the_limit_are_refused_until_one_ends(on: Services) -> None:
    here = limited(on, at_once=1)
    with here.previews.take("other"):
        with pytest.raises(Unavailable) as caught:
            preview(CALLS, caller(), here)
        assert caught.value.retry_after == 1
    assert preview(CALLS, caller(), here, 1).rows
    with pytest.raises(InvalidRequest):
        preview(replace(CALLS, order=("nothing",)), caller(), here)
    with pytest.raises(PreviewTooLarge):
        preview(CALLS, caller(), replace(here, previews=PreviewSlots(PreviewPolicy(time=timedelta(0)))))
    assert preview(CALLS, caller(), here, 1).rows


def test_a_tenant_with_a_preview_leaves_the_last_slot_to_others() -> None:
    slots = PreviewSlots(PreviewPolicy(at_once=2))
    with slots.take("acme"):
        with pytest.raises(Unavailable), slots.take("acme"):
            pass
        with slots.take("beta"), pytest.raises(Unavailable), slots.take("gamma"):
            pass
    with slots.take("acme"):
        pass


@pytest.mark.parametrize(
    ("report", "limit", "seconds", "memory_mb"), [("slow", "longer", 1, 4_000), ("large", "memory", 600, 200)]
)
def test_a_query_without_end_is_stopped(on: Services, report: str, limit: str, seconds: int, memory_mb: int) -> None:
    """By its time or by its memory; the slot is free afterwards."""
    here = limited(on, at_once=1, time=timedelta(seconds=seconds), memory_mb=memory_mb)
    with pytest.raises(PreviewTooLarge, match=limit):
        preview(replace(CALLS, report=report), caller(), here)
    with here.previews.take("other"):
        pass


def test_a_lake_that_cannot_be_read_is_a_retryable_error(on: Services, sample: Sample, tmp_path: Path) -> None:
    broken = Lake(FolderTableStorage(tmp_path / "lake"))
    log = tmp_path / "lake" / "call" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no log")
    with pytest.raises(Unavailable):
        preview(CALLS, caller(), replace(on, lake=broken))
