"""Rows end at the watermark, and no month after it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.attempt import run
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.services import Services
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.snapshot import Located, local_views
from offtake.lake.tables import tables
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan
from offtake.model.view import TableView
from offtake.settings import Settings
from offtake.store import job_claims, jobs
from offtake.store.migrate import migrate
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, queued
from tests.fixtures.storage_paths import artifact_path

SPAN = Timespan(start=datetime(2026, 2, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone="UTC")
ENDED = ("2026-01-31T23:59:59Z", "2026-02-10T00:00:00Z", "2026-02-28T23:59:59.999999Z", "2026-03-01T00:00:00Z")


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Services]:
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())
    migrate(services.database)
    identity.add_tenant(Tenant(name="acme"), services)
    file = tmp_path / "call.jsonl"
    file.write_text("".join(json.dumps(call(at, at)) + "\n" for at in ENDED))
    load(services.lake, tables()["call"], [file], tenant="acme")
    yield services
    services.database.close()


@pytest.mark.parametrize(
    ("watermark", "shown", "months"),
    [
        (None, 3, {"2026-02", "2026-03"}),
        (datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC), 3, {"2026-02", "2026-03"}),
        (datetime(2026, 3, 1, tzinfo=UTC), 2, {"2026-02"}),
        (datetime(2026, 2, 15, tzinfo=UTC), 1, {"2026-02"}),
        (datetime(2026, 1, 15, tzinfo=UTC), 0, set()),  # the data of the timespan has not come at all
        (datetime(2026, 5, 1, tzinfo=UTC), 3, {"2026-02", "2026-03"}),
    ],
)
def test_rows_and_months_end_at_the_same_instant(
    on: Services, monkeypatch: pytest.MonkeyPatch, watermark: datetime | None, shown: int, months: set[str]
) -> None:
    read: set[str] = set()

    @contextmanager
    def watched(lake: Lake, located: Located, *rest: Any) -> Iterator[tuple[TableView, ...]]:
        with local_views(lake, located, *rest) as views:
            folders = [Path(file).parent.name for view in views for file in view.files]
            read.update(name.removeprefix("month=") for name in folders if name.startswith("month="))
            yield views

    monkeypatch.setattr(run, "local_views", watched)
    request = replace(EXPORT, format="json", timespan=SPAN, watermark=watermark)
    with on.database.write() as connection:
        now = on.now(connection)
        jobs.add(connection, replace(queued(created_at=now), request=request))
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    artifact = run.run_attempt(lease, on, Cancellation())
    rows = json.loads(artifact_path(on, artifact.key).read_text("utf-8"))["entries"]
    assert sorted(row["call_id"] for row in rows) == list(ENDED[1 : 1 + shown])
    assert read == months
