"""Erasures and removals of tenants killed at moments of each part: the next run completes them."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from offtake.core.admin import identity
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.core.services import Services
from offtake.errors import UnknownName
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.tables import tables
from offtake.model.tenant import Tenant
from offtake.store.schema import erasure
from tests.conformance.test_erasure import ANN, MINE, THEIRS, rows, stored_rows, traces
from tests.fixtures.doomed_change import main, run
from tests.fixtures.exports import published
from tests.fixtures.installation import Installation

KILLS = 6  # of each command, at equal distances
TABLES = ("customer", "author", "conversation", "post")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.fixtures.doomed_change"])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two tenants that have the same rows, and a file of an export with the person; it is copied."""
    folder = tmp_path_factory.mktemp("killed-erasures")
    Installation(folder / "home").init()
    with Installation(folder / "home").services() as on:
        for tenant in (MINE, THEIRS):
            identity.add_tenant(Tenant(name=tenant), on)
            for table in TABLES:
                file = folder / f"{table}.ndjson"
                file.write_text("".join(json.dumps(row) + "\n" for row in rows()[table]))
                target = Target(tenant=tenant, table=tables()[table], actor="operator")
                changes.load(target, [file], LoadOptions(), lambda done: None, on)
        published(on)[1].write_text(f"a report of {ANN}")
    return folder / "home"


def _run(home: Path, command: str, fatal: int) -> int | None:
    process = PROCESSES.Process(target=main, args=(home, command, ANN, fatal))
    process.start()
    process.join(60)
    return process.exitcode


def _require_complete(command: str, home: Path, on: Services) -> None:
    """Nothing of the person or the tenant is left in any byte of the home."""
    on.lake.sweep_staging()
    if command == "erase":
        assert traces(home, on) == []
        with on.database.read() as connection:
            assert all(row.finished_at for row in connection.execute(select(erasure)))
    else:
        with pytest.raises(UnknownName):
            identity.get_tenant(MINE, on)
        assert [str(path) for path in home.rglob("*") if path.is_file() and f"tenant={MINE}" in str(path)] == []
        assert list((home / "artifacts").rglob(f"{MINE}/*")) == []


@pytest.mark.parametrize("command", ["erase", "remove"])
def test_a_killed_erasure_or_removal_is_completed_by_the_next(command: str, template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "whole" / "home")
    with Installation(template).services() as on:
        before, others = stored_rows(MINE, on), stored_rows(THEIRS, on)
    assert _run(tmp_path / "whole" / "home", command, 0) == 0
    with Installation(tmp_path / "whole" / "home").services() as on:
        after = stored_rows(MINE, on)
        _require_complete(command, tmp_path / "whole" / "home", on)
    moments = int((tmp_path / "whole" / "moments").read_text())
    assert moments > 2 * KILLS
    states = set()
    for fatal in (1 + (moments - 1) * number // (KILLS - 1) for number in range(KILLS)):
        home = tmp_path / str(fatal) / "home"
        shutil.copytree(template, home)
        assert _run(home, command, fatal) == -signal.SIGKILL
        with Installation(home).services() as on:
            now = stored_rows(MINE, on)
            for table in TABLES:
                assert now.get(table) in (before[table], after.get(table)), (fatal, table)
            states.add(tuple(now.get(table) == before[table] for table in TABLES))
            assert stored_rows(THEIRS, on) == others
            with nullcontext() if command == "erase" else suppress(UnknownName):  # the tenant may be removed already
                run(command, ANN, on)
            assert stored_rows(MINE, on) == after
            assert stored_rows(THEIRS, on) == others
            _require_complete(command, home, on)
    assert len(states) > 1, "the kills are before and after commits"
