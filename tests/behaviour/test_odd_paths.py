"""Folders and files with unusual names that settings and options name: used, or refused with a reason."""

from __future__ import annotations

import json
import shutil
import ssl
from pathlib import Path

import duckdb
import httpx
import pytest
import trustme

from offtake.composition.catalogue import build_catalogue
from offtake.home import Home
from offtake.lake.engine_path import engine_path
from offtake.lake.storage import unsupported_characters
from offtake.lake.tables import tables
from offtake.settings import load_settings
from offtake.sql_text import select_typed
from offtake.store.database import Database, sqlite_url
from tests.fixtures.care import call
from tests.fixtures.commands import command
from tests.fixtures.installation import Installation
from tests.fixtures.storage_paths import artifact_path
from tests.fixtures.workers import create_job, run_next_attempt

ODD = "h?q=1 #*é'\" call_id=x ~{a,b};&$A:@+"  # characters of URLs, patterns, partitions, shells and SQL
UNOPENABLE = ("h%41", "h[1]", "h\\x", "h^", "h|x", "h\nx")  # delta-rs would open another path
TLS = {"certificate": "pem", "key": "key"}
REPORT = Path(__file__).parents[2] / "src" / "offtake" / "catalogue" / "reports" / "calls"


@pytest.mark.parametrize("name", [ODD, *UNOPENABLE])
def test_the_state_database_is_where_its_path_says(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = Database(sqlite_url(folder / "state.db"))
    database.check_connection()
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (folder / "state.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["home", "others"])
def test_every_folder_and_file_may_have_an_odd_name(kind: str, tmp_path: Path) -> None:
    """In the home, and for the settings that name folders and files outside it."""
    odd = tmp_path / ODD / "h"
    odd.mkdir(parents=True)
    twin = tmp_path / "hxq=1 #xxé'\" call_id=x ~{a,b};&$A:@+" / "h"  # what the name matches as a pattern
    made = Installation(odd / "home" if kind == "home" else tmp_path / "home")
    settings = ""
    if kind == "others":
        settings = "".join(f"{name}_url = {json.dumps((odd / name).as_uri())}\n" for name in ("lake", "artifacts"))
        settings += f"state_url = {json.dumps(sqlite_url(odd / 'state.db'))}\n"
    reports = odd / "reports"
    shutil.copytree(REPORT, reports / "my_calls")
    (reports / "my_calls" / "wire.talkdesk.toml").unlink()
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(odd / "tls.pem"))
    certificate.private_key_pem.write_to_path(str(odd / "tls.key"))
    settings += f"[catalogue]\nfolders = [{json.dumps(str(reports))}]\n[server]\n"
    settings += "".join(f"tls_{name} = {json.dumps(str(odd / f'tls.{end}'))}\n" for name, end in TLS.items())
    made.init(settings)
    made.add_tenant("acme")
    loaded = made.load("call", [call("c1", "2026-03-01T10:00:00Z"), call("c2", "2026-03-02T10:00:00Z")], tenant="acme")
    assert loaded["inserted"] == 2
    shutil.copytree(odd, twin)
    updated = made.load("call", [call("c2", "2026-03-02T10:00:00Z", talk_seconds=5)], tenant="acme")
    assert updated["updated"] == 1
    job = create_job(made)
    with made.services() as on:
        run_next_attempt(on)
        (file,) = (on.artifacts.root / "files").rglob(f"{job}*")
        assert file == artifact_path(on, file.relative_to(on.artifacts.root).as_posix())
    entries = json.loads(file.read_bytes())["entries"]
    assert sorted(entry["call_id"] for entry in entries) == ["c1", "c2"]
    running = made.serve(workers=0)
    try:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        assert httpx.get(f"{running.url}/healthz", verify=trust).status_code == 200
    finally:
        assert running.stop() == 0
    assert "my_calls" in build_catalogue(Home(made.home), load_settings(made.home / "offtake.toml")).reports
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == sorted((ODD, twin.parent.name))


@pytest.mark.parametrize("name", UNOPENABLE)
def test_a_lake_that_its_library_cannot_open_is_refused(name: str, tmp_path: Path) -> None:
    home = tmp_path / name / "home"
    done = command("init", home=home)
    assert (done.code, done.out) == (4, "")
    shown = str(home / "lake").replace("\n", "\\n")
    assert f"The lake cannot be in '{shown}': " in done.err
    assert "set lake_url" in done.err
    assert list(tmp_path.iterdir()) == []
    elsewhere = {"OFFTAKE_LAKE_URL": (tmp_path / "lake").as_uri()}
    assert command("init", home=home, environment=elsewhere).code == 0
    named = {"OFFTAKE_LAKE_URL": (tmp_path / name / "lake").as_uri()}
    done = command("init", home=tmp_path / "other", environment=named)
    assert done.code == 3
    assert done.err.startswith("offtake: lake_url: The lake cannot be in ")
    (tmp_path / "plain").symlink_to(tmp_path / name)
    assert command("init", home=tmp_path / "plain" / "linked").code == 4


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////srv/h?q=1/state.db", "write %3F"),
        ("sqlite:///state.db", "absolute path"),
        ("sqlite:///:memory:", "absolute path"),
    ],
)
def test_a_database_url_that_names_another_file_is_refused(url: str, words: str, tmp_path: Path) -> None:
    done = command("init", home=tmp_path / "home", environment={"OFFTAKE_STATE_URL": url})
    assert done.code == 3
    assert words in done.err


@pytest.mark.parametrize("option", ["lake_url", "artifacts_url"])
@pytest.mark.parametrize("end", ["?q=1", "#x"])
def test_a_folder_url_with_a_query_or_fragment_is_refused(option: str, end: str, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/h{end}"
    done = command("init", home=tmp_path / "home", environment={f"OFFTAKE_{option}".upper(): url})
    assert done.code == 3
    assert option in done.err
    assert not (tmp_path / "h").exists()


def test_cached_files_are_read_by_their_own_names(tmp_path: Path) -> None:
    """The cache of a lake in object storage; its folder is a setting, too."""
    table = tables()["team"]
    assert unsupported_characters(tmp_path) == ""
    for name, value in ((ODD, "ours"), (ODD.replace("*", "z"), "theirs")):
        folder = tmp_path / name / "tenant=acme"
        folder.mkdir(parents=True)
        with duckdb.connect() as connection:
            rows = connection.sql(f"SELECT 't1' AS team_id, '{value}' AS name")
            rows.write_parquet(str(tmp_path / "plain.parquet"))
        (tmp_path / "plain.parquet").rename(folder / "a.parquet")
    with engine_path(tmp_path / ODD) as path, duckdb.connect() as connection:
        connection.execute("SET VARIABLE files = $files", {"files": [str(path / "tenant=acme" / "a.parquet")]})
        found = connection.execute(select_typed(table.stored_columns, files="files"))
        names = [column[0] for column in found.description or ()]
        (row,) = found.fetchall()
    assert set(names) == {name for name, _ in table.stored_columns}
    assert (row[names.index("team_id")], row[names.index("name")]) == ("t1", "ours")
