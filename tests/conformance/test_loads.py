"""Records of loads: their moves, those of ended processes, and why an undo is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from offtake.core.admin import identity
from offtake.core.loads import changes, undo
from offtake.core.loads.changes import Recorded, Target
from offtake.core.loads.record import recorded
from offtake.core.services import Services
from offtake.errors import LakeError, LoadRejected, StateError, UnknownName
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load_files
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.upsert import Change
from offtake.model.load import LoadFilter, LoadKind, LoadRecord, LoadState
from offtake.model.tenant import Tenant
from offtake.store import loads
from offtake.store.schema import load as load_table
from tests.unit.lake.stored import TEAM, stored, version, written

TARGET = Target(tenant="acme", table=TEAM, actor="operator")


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def _load(on: Services, folder: Path, text: str) -> Recorded:
    return changes.load(TARGET, [_file(folder, text)], LoadOptions(), lambda rows: None, on)


def _file(folder: Path, text: str) -> Path:
    return written(folder / "teams.csv", f"team_id,name\n{text}")


def _names(lake: Lake) -> Mapping[object, object]:
    return {key[0]: row["name"] for key, row in stored(lake, TEAM).items()}


def _begin(on: Services, load_id: str, *, age: timedelta) -> None:
    """Record a load of another machine that has not ended."""
    with on.database.write() as connection:
        now = on.now(connection) - age
        loads.add(connection, load_id, TARGET.new(LoadKind.LOAD), base_version=version(on.lake, TEAM), now=now)


def _listed(on: Services, state: LoadState | None = None) -> list[LoadRecord]:
    return list(undo.list_loads(LoadFilter(tenant="acme", table="team", state=state), on, limit=9))


def test_the_record_of_a_load_tells_what_happened(on: Services, tmp_path: Path) -> None:
    first = _load(on, tmp_path, "a,1\nb,1\n")
    again = _load(on, tmp_path, "b,1\n")
    with pytest.raises(LoadRejected):
        _load(on, tmp_path, "c,1\n,2\n")
    failed, unchanged, record = _listed(on)
    assert (record.id, record.state, record.version, record.counts["inserted"]) == (first.id, "committed", 1, 2)
    assert (unchanged.id, unchanged.state, unchanged.version) == (again.id, "committed", None)
    assert (failed.state, failed.failure, failed.version) == ("failed", "load_rejected", None)
    assert failed.source[0].bytes == len("team_id,name\nc,1\n,2\n")
    assert undo.undo_until(unchanged) is None
    with pytest.raises(StateError, match="changed nothing"):
        undo.undo(unchanged.id, "operator", on, is_dry_run=False)
    with pytest.raises(StateError, match="is failed; only a committed one can"):
        undo.undo(failed.id, "operator", on, is_dry_run=False)
    with pytest.raises(UnknownName):
        undo.get("unknown", on)
    assert _listed(on, LoadState.FAILED) == [failed]


def test_records_of_ended_processes_are_completed_from_the_log(on: Services, tmp_path: Path) -> None:
    _load(on, tmp_path, "a,1\n")
    _begin(on, "stored", age=timedelta(days=2))
    _begin(on, "lost", age=timedelta(days=2))
    _begin(on, "elsewhere", age=timedelta(hours=1))
    options = LoadOptions(change=Change(id="stored"))
    load_files(on.lake, TEAM, [_file(tmp_path, "a,2\nb,2\n")], tenant="acme", options=options)
    found = {record.id: record for record in _listed(on)}
    assert (found["stored"].state, found["stored"].version) == ("committed", version(on.lake, TEAM))
    assert (found["stored"].counts["inserted"], found["stored"].counts["updated"]) == (1, 1)
    assert (found["lost"].state, found["lost"].failure) == ("failed", "killed")
    assert found["elsewhere"].state == "running", "a process of another machine may still make it"
    undo.undo("stored", "operator", on, is_dry_run=False)
    assert _names(on.lake) == {"a": "1"}


def test_a_load_whose_record_has_ended_is_not_stored(on: Services, tmp_path: Path) -> None:
    """Another process took it for one of a killed process."""
    _load(on, tmp_path, "a,1\n")
    with pytest.raises(LakeError, match="recorded as failed"):
        _load_after_the_record_has_ended(on, _file(tmp_path, "a,2\n"))
    assert _names(on.lake) == {"a": "1"}
    assert _listed(on)[0].state == "failed"


def _load_after_the_record_has_ended(on: Services, file: Path) -> None:
    with recorded(TARGET.new(LoadKind.LOAD), on) as recording:
        with on.database.write() as connection:
            assert loads.fail(connection, recording.id, failure="killed", now=on.now(connection))
        load_files(on.lake, TEAM, [file], tenant="acme", options=LoadOptions(change=recording.change))


def test_an_undo_is_refused_when_the_earlier_files_are_gone(on: Services, tmp_path: Path) -> None:
    _load(on, tmp_path, "a,1\n")
    second = _load(on, tmp_path, "a,2\n").id
    delta = on.lake.open(TEAM)
    assert delta is not None
    assert second is not None
    delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(StateError, match="files of the earlier rows are gone"):
        undo.undo(second, "operator", on, is_dry_run=True)
    with on.database.write() as connection:
        ended_at = on.now(connection) - timedelta(days=7, seconds=1)
        connection.execute(update(load_table).where(load_table.c.id == second).values(finished_at=ended_at))
    with pytest.raises(StateError, match=f"were kept until {ended_at + timedelta(days=7):%Y-%m-%d}"):
        undo.undo(second, "operator", on, is_dry_run=False)
    assert _names(on.lake) == {"a": "2"}
