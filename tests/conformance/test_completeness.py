"""How far loads declare their tables to be complete, on every database, and what exports leave out because of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offtake.core.admin import identity
from offtake.core.admin.lake_status import lake_status
from offtake.core.exports.create import create_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.core.loads import changes, undo
from offtake.core.loads.changes import Recorded, Target
from offtake.core.loads.record import recorded
from offtake.core.services import Services
from offtake.errors import LakeError
from offtake.lake.ingest.load import load_files
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.tables import tables
from offtake.model.load import Completeness, LoadKind, LoadState
from offtake.model.tenant import Tenant
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, caller
from tests.fixtures.workers import run_next_attempt

CALL = Target(tenant="acme", table=tables()["call"], actor="tests")
EIGHT, NINE, TEN = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (8, 9, 10))
NEWEST = Completeness()


@pytest.fixture
def on(services: Services) -> Services:
    for tenant in ("acme", "globex"):
        identity.add_tenant(Tenant(name=tenant), services)
    return services


def _file(folder: Path, *ended: datetime) -> Path:
    file = folder / "call.ndjson"
    file.write_text("".join(json.dumps(call(f"c{at:%H}", at.isoformat())) + "\n" for at in ended))
    return file


def _load(on: Services, folder: Path, declares: Completeness | None, *ended: datetime) -> Recorded:
    file = _file(folder, *ended)
    return changes.load(CALL, [file], LoadOptions(), lambda rows: None, on, completeness=declares)


def _in_force(on: Services, tenant: str = "acme") -> datetime | None:
    found = {each.table: each.complete_until for each in lake_status(tenant, on, scan=False)}
    assert [each for table, each in found.items() if table != "call" and each] == []
    return found["call"]


def test_the_latest_instant_that_committed_loads_declare_is_in_force(on: Services, tmp_path: Path) -> None:
    """It moves back only by an undo, or by a load that lowers it; a load that fails declares nothing."""
    _load(on, tmp_path, None, EIGHT)
    assert _in_force(on) is None
    _load(on, tmp_path, Completeness(until=NINE), EIGHT)  # no row changes, and still the source is complete so far
    later = _load(on, tmp_path, Completeness(until=TEN), NINE)
    assert (_in_force(on), _in_force(on, "globex")) == (TEN, None)
    _load(on, tmp_path, Completeness(until=EIGHT), EIGHT)
    assert _in_force(on) == TEN
    assert later.id is not None
    undo.undo(later.id, "tests", on, is_dry_run=False)
    assert _in_force(on) == NINE
    newest = _load(on, tmp_path, NEWEST, EIGHT, TEN, NINE)
    assert _in_force(on) == TEN
    lowered = _load(on, tmp_path, Completeness(until=EIGHT, lowers=True), EIGHT)
    assert _in_force(on) == EIGHT
    assert lowered.id is not None
    assert newest.id is not None
    undo.undo(newest.id, "tests", on, is_dry_run=False)
    assert _in_force(on) == EIGHT
    with pytest.raises(LakeError):
        changes.load(
            CALL, [tmp_path / "none.csv"], LoadOptions(), lambda rows: None, on, completeness=Completeness(until=TEN)
        )
    assert _in_force(on) == EIGHT
    with pytest.raises(LakeError, match="no event time"):
        changes.load(
            replace(CALL, table=tables()["team"]), [], LoadOptions(), lambda rows: None, on, completeness=NEWEST
        )


def test_a_load_that_is_interrupted_after_its_commit_has_declared_its_newest_event(
    on: Services, tmp_path: Path
) -> None:
    new = CALL.new(LoadKind.LOAD, completeness=NEWEST)
    with pytest.raises(KeyboardInterrupt), recorded(new, on) as recording:  # noqa: PT012 - as a killed process
        options = LoadOptions(change=recording.change, newest_event=recording.declare)
        load_files(on.lake, CALL.table, [_file(tmp_path, EIGHT, NINE)], tenant="acme", options=options)
        assert _in_force(on) is None
        raise KeyboardInterrupt
    assert undo.get(recording.id, on).state is LoadState.COMMITTED
    assert _in_force(on) == NINE


def test_exports_end_where_the_tables_that_they_read_are_complete(on: Services, tmp_path: Path) -> None:
    """The rows of two dialects end there, and their manifests say so; the files of the other two have all rows."""
    _load(on, tmp_path, NEWEST, EIGHT, NINE, TEN)
    made = {}
    for dialect in ("native", "talkdesk", "khoros", "loop"):
        request = replace(EXPORT, dialect=dialect, format="csv")
        made[dialect] = create_export(request, caller(), on).request.watermark
    assert made == {"native": TEN, "talkdesk": TEN, "khoros": None, "loop": None}
    other = replace(EXPORT, report="conversation")
    assert create_export(other, caller(), on).request.watermark is None  # it reads no calls
    assert create_export(EXPORT, caller("globex"), on).request.watermark is None
    job = run_next_attempt(on)
    manifest = read_manifest(JobRef(id=job.id, dialect=job.request.dialect), caller(), on)[1]
    assert job.request.dialect == "native"
    assert (manifest.watermark, sum(file.rows for file in manifest.files)) == (TEN, 2)
    early = replace(EXPORT, dialect="native", timespan=replace(EXPORT.timespan, end=NINE))
    assert create_export(early, caller(), on).request.watermark is None
