"""Loads, deletions and undos killed at every moment: the table is before or after, and the record tells which."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offtake.core.admin import identity
from offtake.core.loads.undo import list_loads
from offtake.core.services import Services
from offtake.errors import StateError
from offtake.lake.delta import Lake
from offtake.model.load import LoadFilter, LoadState
from offtake.model.tenant import Tenant
from tests.fixtures.doomed_change import TARGET, main, run
from tests.fixtures.installation import Installation
from tests.unit.lake.stored import stored

MOST_MOMENTS = 30
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.fixtures.doomed_change"])


def _posts(path: Path, rows: dict[str, str], *, bad: int = 0) -> Path:
    """Posts of one month, so that a change publishes two or three files."""
    lines = [
        {
            "post_id": key,
            "conversation_id": "c",
            "kind": "incoming",
            "happened_at": "2026-01-05T00:00:00Z",
            "body": body,
        }
        for key, body in rows.items()
    ]
    lines += [{"post_id": "bad"}] * bad
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


FIRST = {f"p{number}": "first" for number in range(6)}
SECOND = {"p0": "second", "p1": "second", "p6": "second"}
COMMANDS: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "load": lambda rows: rows | {"p2": "third", "p3": "first", "p8": "third"},
    "delete": lambda rows: {key: body for key, body in rows.items() if body != "second"},
    "undo": lambda rows: FIRST,
}


@contextmanager
def _opened(home: Path) -> Iterator[Services]:
    with Installation(home).services() as on:
        yield on


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with two loads, to be copied, and the id of the second load."""
    folder = tmp_path_factory.mktemp("killed-loads")
    home = folder / "home"
    Installation(home).init()
    with _opened(home) as on:
        identity.add_tenant(Tenant(name="acme", zone="UTC"), on)
        for name, rows in (("first", FIRST), ("second", SECOND)):
            run("load", str(_posts(folder / f"{name}.ndjson", rows)), on)
        second = list_loads(LoadFilter(), on, limit=1)[0].id
    return home, second


def _bodies(lake: Lake) -> dict[str, str]:
    return {str(key[0]): str(row["body"]) for key, row in stored(lake, TARGET.table).items()}


def _leftovers(home: Path) -> list[str]:
    """Files of staged rows and of running changes."""
    return [path.name for path in (home / "lake" / "_staging").iterdir() if path.name != "lock"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_change_is_whole_or_absent_and_its_record_is_true(
    command: str, template: tuple[Path, str], tmp_path: Path
) -> None:
    before = FIRST | SECOND
    after = COMMANDS[command](before)
    subject = {"load": str(tmp_path / "third.ndjson"), "delete": 'body = "second"', "undo": template[1]}[command]
    _posts(tmp_path / "third.ndjson", {"p2": "third", "p3": "first", "p8": "third"}, bad=1)
    outcomes = []
    for moment in range(1, MOST_MOMENTS):
        home = tmp_path / f"home-{moment}"
        shutil.copytree(template[0], home)
        process = PROCESSES.Process(target=main, args=(home, command, subject, moment))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        with _opened(home) as on:
            rows = _bodies(on.lake)
            assert rows in (before, after), moment
            records = list_loads(LoadFilter(), on, limit=9)[:-2]
            states = [record.state for record in records]
            assert states in ([], [LoadState.COMMITTED], [LoadState.FAILED])
            assert (states == [LoadState.COMMITTED]) == (rows == after), moment
            on.lake.sweep_staging()
            assert _leftovers(home) == []
            files = [path for path in (home / "lake").rglob("*.parquet") if records and records[0].id in path.name]
            assert bool(files) == (rows == after)
            if command == "undo" and rows == after:
                with pytest.raises(StateError, match="is undone by"):
                    run(command, subject, on)
            else:
                run(command, subject, on)
            assert _bodies(on.lake) == after
            repeated = list_loads(LoadFilter(), on, limit=1)[0]
            assert repeated.state is LoadState.COMMITTED
            if rows == after:
                assert (repeated.version is None) == (command != "undo"), "the repetition changes nothing"
        outcomes.append(rows == after)
    assert process.exitcode == 0, "the command has more moments"
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) >= 4
    assert outcomes.count(True) >= 2
