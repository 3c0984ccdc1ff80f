"""Unattended sources: each file is loaded once, wherever the process that loads it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import obstore
import pytest

from offtake.cli.watching import ad_hoc_source
from offtake.core.loads import undo
from offtake.core.loads.changes import Target
from offtake.core.services import Services
from offtake.core.sources import records
from offtake.core.sources.source import WatchedSource
from offtake.core.sources.watch import load_new_files
from offtake.errors import LakeError, StateError, StorageUnavailable, UnknownName
from offtake.lake.tables import tables
from offtake.model.load import LoadFilter, LoadState
from offtake.model.source import WatchPolicy
from tests.fixtures.buckets import ENVIRONMENT, S3Server
from tests.fixtures.care import call
from tests.fixtures.installation import Installation
from tests.fixtures.polling import TIMEOUT_SECONDS, wait_for

# A program that runs a command and kills itself when the function of this name is called the first time.
_DYING = """
import importlib, os, signal
found = importlib.import_module({module!r})
whole = getattr(found, {name!r})
def dying(*values, **named):
    if {after!r}:
        whole(*values, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(found, {name!r}, dying)
from offtake.cli import main
main()
"""
_POINTS = (
    ("offtake.store.source_files", "begin", True),  # within the transaction
    ("offtake.core.loads.changes", "load_files", True),  # committed to the lake, and the record is running
    ("offtake.store.loads", "commit", True),  # within the transaction
    ("offtake.core.sources.watch", "finish", False),  # the record of the load is committed
)
CALL = Target(tenant="acme", table=tables()["call"], actor="tests")
AT_ONCE = WatchPolicy(every=timedelta(0), unchanged=timedelta(0), retry_delay=timedelta(0), attempts=3)


@pytest.fixture
def home(installation: Installation) -> Installation:
    installation.init()
    installation.add_tenant("acme")
    return installation


def _drop(folder: Path, name: str, *rows: str) -> None:
    """Write a file as a well-behaved producer does: it appears complete."""
    folder.mkdir(exist_ok=True)
    hidden = folder / f".{name}"
    hidden.write_text("".join(json.dumps(call(row, "2026-03-01T08:00:00Z")) + "\n" for row in rows))
    hidden.rename(folder / name)


def _source(folder: Path, policy: WatchPolicy = AT_ONCE) -> WatchedSource:
    return replace(ad_hoc_source(str(folder), "*.ndjson", CALL), policy=policy)


def _files(on: Services) -> dict[str, tuple[str, int, str | None]]:
    return {
        file.name: (file.state.value, file.attempts, file.error)
        for source in records.list_sources(on)
        for file in records.files(source, on)
    }


def _committed(on: Services) -> list[tuple[int, int]]:
    loads = undo.list_loads(LoadFilter(state=LoadState.COMMITTED), on, limit=100)
    return sorted((each.counts["inserted"], each.counts["unchanged"]) for each in loads)


def _kill_within(point: tuple[str, str, bool], home: Installation, location: str) -> None:
    """Watch the location in a process that kills itself at that point."""
    module, name, after = point
    program = _DYING.format(module=module, name=name, after=after)
    command = ["load", "call", "--tenant", "acme", "--home", str(home.home), "--watch", location]
    options = ["--glob", "*.ndjson", "--watch-every", "0.2", "--watch-unchanged", "0"]
    died = subprocess.run(
        [sys.executable, "-c", program, *command, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


def test_new_files_are_loaded_once_and_bad_ones_are_quarantined(
    home: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad file does not hold up the later ones, and is loaded after it was corrected."""
    folder = tmp_path / "in"
    _drop(folder, "1.ndjson", "c1", "c2")
    (folder / "2.ndjson").write_text('{"call_id": "c3"}\n')
    _drop(folder, "3.ndjson", "c2", "c4")
    (folder / "4.txt").write_text("not of this source")
    with home.services() as on:
        patient = _source(folder, replace(AT_ONCE, unchanged=timedelta(hours=1)))
        assert load_new_files(patient, on, Event())  # they may be written still
        assert {state for state, _, _ in _files(on).values()} == {"waiting"}
        for _ in range(2):  # the second time, there is nothing to do
            assert not load_new_files(_source(folder), on, Event())
            assert _files(on) == {
                "1.ndjson": ("loaded", 1, None),
                "2.ndjson": ("quarantined", 1, "load_rejected"),
                "3.ndjson": ("loaded", 1, None),
            }
            assert _committed(on) == [(1, 1), (2, 0)]
        (known,) = records.list_sources(on)
        with pytest.raises(StateError, match="loaded"):
            records.retry(known, "1.ndjson", on)
        records.retry(known, "2.ndjson", on)
        assert _files(on)["2.ndjson"][0] == "waiting"
        _drop(folder, "2.ndjson", "c3")
        assert not load_new_files(_source(folder), on, Event())
        assert _files(on)["2.ndjson"] == ("loaded", 1, None)
        assert _committed(on) == [(1, 0), (1, 1), (2, 0)]
        late = folder / "0.ndjson"  # a late file has a name before all others
        _drop(folder, late.name, "c9")
        assert records.reload(known, on, first="2.ndjson", dry_run=True) == ["2.ndjson", "3.ndjson"]
        assert records.reload(known, on, first="2.ndjson") == ["2.ndjson", "3.ndjson"]
        with pytest.raises(UnknownName, match="has seen no file 'x'"):
            records.reload(known, on, first="x")
        with monkeypatch.context() as small:
            small.setattr("offtake.lake.ingest.watched._PAGE", 1)
            assert not load_new_files(_source(folder), on, Event())
        assert _committed(on) == [(0, 1), (0, 2), (1, 0), (1, 0), (1, 1), (2, 0)]
        assert {state for state, _, _ in _files(on).values()} == {"loaded"}


def test_later_files_wait_while_the_storage_is_away(
    home: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    _drop(folder, "1.ndjson", "c1")
    _drop(folder, "2.ndjson", "c2")

    def fail(*ignored: Any, **named: Any) -> None:
        raise StorageUnavailable("The storage is away.")

    with home.services() as on:
        with monkeypatch.context() as broken:
            broken.setattr("offtake.core.loads.changes.load_files", fail)
            for attempts in (1, 2):
                assert load_new_files(_source(folder), on, Event())
                assert _files(on) == {
                    "1.ndjson": ("waiting", attempts, "storage_unavailable"),
                    "2.ndjson": ("waiting", 0, None),
                }
        assert not load_new_files(_source(folder), on, Event())
        assert _files(on) == {"1.ndjson": ("loaded", 3, None), "2.ndjson": ("loaded", 1, None)}


def test_a_file_is_loaded_once_if_its_process_is_killed(home: Installation, tmp_path: Path) -> None:
    for number, point in enumerate(_POINTS):
        name = point[1]
        folder = tmp_path / str(number)
        _drop(folder, "1.ndjson", f"c{number}", f"d{number}")
        _kill_within(point, home, str(folder))
        with home.services() as on:
            assert not load_new_files(_source(folder), on, Event()), name
            assert {state for state, _, _ in _files(on).values()} == {"loaded"}, name
            assert _committed(on) == [(2, 0)] * (number + 1), name


def test_objects_of_a_bucket_are_loaded_once_if_their_process_is_killed(
    home: Installation, moto: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto.bucket(moto.fresh_bucket(), "")
    with (home.home / "offtake.toml").open("a") as settings:
        settings.write(f'[storage]\nendpoint = "{moto.url}"\nallow_http = true\n')
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def drop(name: str, *rows: str) -> None:
        content = "".join(json.dumps(call(row, "2026-03-01T08:00:00Z")) + "\n" for row in rows)
        obstore.put(bucket.store, f"in/{name}", content.encode())

    odd = "1 a?b#c%20'*[d].ndjson"  # neither a pattern nor a query
    drop(odd, "c1", "c2")
    drop("2.ndjson", "c2", "c3")
    for name in ("_3.ndjson", "below/4.ndjson", "5.txt"):
        drop(name, "no")
    location = f"s3://{bucket.location.bucket}/in"
    source = replace(ad_hoc_source(location, "*.ndjson", CALL), policy=AT_ONCE)
    _kill_within(_POINTS[1], home, location)
    with home.services() as on:
        assert {name: state for name, (state, _, _) in _files(on).items()} == {odd: "loading", "2.ndjson": "waiting"}
        assert not load_new_files(source, on, Event())
        assert _files(on) == {odd: ("loaded", 1, None), "2.ndjson": ("loaded", 1, None)}
        assert _committed(on) == [(1, 1), (2, 0)]
        obstore.put(bucket.store, "in/6.ndjson", b'{"call_id": "c3"}\n')
        drop("0.ndjson", "c0")
        assert not load_new_files(source, on, Event())
        assert _files(on)["6.ndjson"] == ("quarantined", 1, "load_rejected")
        drop("6.ndjson", "c6")
        for _ in range(2):
            assert not load_new_files(source, on, Event())
            assert _committed(on) == [(1, 0), (1, 0), (1, 1), (2, 0)]
        assert {state for state, _, _ in _files(on).values()} == {"loaded"}
        gone = replace(source, location="s3://no-such-bucket/in")
        with pytest.raises(LakeError, match=r"s3://no-such-bucket/in/: the bucket does not exist"):
            load_new_files(gone, on, Event())


def _ended(home: Installation, *names: str) -> dict[str, tuple[str, int, str | None]] | None:
    with home.services() as on:
        found = _files(on)
    return found if all(found.get(name, ("",))[0] in ("loaded", "quarantined") for name in names) else None


def _attempted(home: Installation, name: str) -> bool:
    with home.services() as on:
        return _files(on).get(name, ("", 0, None))[1] > 0


def test_a_server_loads_new_files_and_continues_after_kill_9(home: Installation, tmp_path: Path) -> None:
    """The next server waits neither for a lease of a load nor for an operator."""
    folder = tmp_path / "in"
    folder.mkdir()
    (home.home / "offtake.toml").write_text(
        '[metrics]\ntoken = "a-token-of-tests"\n'
        "[worker]\nheartbeat_seconds = 0.3\nlease_seconds = 1.5\n"
        f'[sources.calls]\ntenant = "acme"\ntable = "call"\nlocation = "file://{folder}"\npattern = "*.ndjson"\n'
        "every_seconds = 0.2\nunchanged_seconds = 0\ncomplete_until_newest = true\n"
    )
    first = home.serve(workers=0)
    _drop(folder, "1.ndjson", "c1")
    wait_for("the first file", lambda: _ended(home, "1.ndjson"))
    names = [f"{number}.ndjson" for number in (2, 3)]
    for name in names:
        _drop(folder, name, f"c{name[0]}")
    wait_for("an attempt", lambda: _attempted(home, "2.ndjson"))
    first.kill()
    second = home.serve(workers=0)
    found = wait_for("all files", lambda: _ended(home, *names))
    assert {state for state, _, _ in found.values()} == {"loaded"}
    lines = [line for line in first.log_lines() + second.log_lines() if line["event"] == "source_file"]
    assert lines[0]["file"] == "1.ndjson"
    metrics = httpx.get(
        f"{second.url}/metrics", headers={"Authorization": "Bearer a-token-of-tests"}, trust_env=False
    ).text
    assert 'offtake_source_files_total{source="calls"} 3.0' in metrics
    assert 'offtake_source_rows_total{source="calls"} 3.0' in metrics
    assert 'offtake_source_quarantined_files{source="calls"} 0.0' in metrics
    loads = home.must("loads", "list", "--tenant", "acme")["loads"]
    assert sum(each["counts"]["inserted"] for each in loads if each["state"] == "committed") == 3
    status = home.must("lake", "status", "--tenant", "acme", "--quick")["tables"]
    assert {each["table"]: each["rows"] for each in status}["call"] == 3
    assert {each["complete_until"] for each in status if each["table"] == "call"} == {"2026-03-01T08:00:00+00:00"}
