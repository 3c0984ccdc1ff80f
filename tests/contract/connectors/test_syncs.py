"""Connectors sync five reports, twice: Airbyte over both APIs, and dlt; what they have read is what exports contain.

The connectors run at the same time, for one tenant, whose second half of rows is loaded between their syncs. Their
dependencies conflict with the project's, so they run in environments of their own, each from its own lock.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from offtake_client import Offtake

from offtake.lake.seed import SeedPlan, seed
from tests.fixtures import loop
from tests.fixtures.databases import fresh_database
from tests.fixtures.installation import Served
from tests.fixtures.own_environment import python_of
from tests.fixtures.row_comparison import assert_same_rows
from tests.fixtures.storage_paths import lake_folder
from tests.fixtures.talkdesk import Credential
from uv_command import ROOT

AIRBYTE, PIPELINES = ROOT / "tests" / "fixtures" / "airbyte", ROOT / "tests" / "fixtures" / "pipelines"
MANIFEST = ROOT / "connectors" / "airbyte" / "offtake.yaml"
PAGE = ROOT / "docs" / "how-to" / "use-dlt.md"
RECIPES = ROOT / "docs" / "how-to" / "use-an-orchestrator.md"
Row = dict[str, Any]
ZONE = "Africa/Johannesburg"  # two hours from UTC, without repeated hours
# The tables of the five streams, and the column with the end of a row.
FACTS = {
    "call": "ended_at",
    "agent_state": "ended_at",
    "flow_step": "flow_ended_at",
    "contact": "ended_at",
    "ring_attempt": "ended_at",
}
DIMENSIONS = ("team", "queue", "agent")
CURSORS = {
    "calls": "end_at",
    "user_status": "status_end_at",
    "studio_flow_execution": "studio_flow_executions_aggregated.flow_execution_finished_time",
    "contacts": "finished_at",
    "ring_attempts": "ring_finished_at_time",
}
KEYS = {
    "calls": ["call_id"],
    "user_status": ["agent_id", "started_at"],
    "studio_flow_execution": ["flow_execution_id", "step_order"],
    "contacts": ["contact_id"],
    "ring_attempts": ["ring_attempt_id"],
}
WITHOUT_EVENT_TIME = "team_performance"
pytestmark = [
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="airbyte-cdk has no release for this Python"),
    pytest.mark.timeout(900),  # the first run downloads the environments
]


@pytest.fixture(scope="module")
def halves(busy: Served) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Sample rows of ten past days: those of the first week, and the others."""
    donor, last = busy.tenant("sync-donor").tenant, (datetime.now(UTC) - timedelta(days=2)).date()
    with busy.installation.services() as on:
        seed(on.lake, SeedPlan(tenant=donor, days=10, until=last, calls=120, seed=7), only=(*DIMENSIONS, *FACTS))
        lake = lake_folder(on.lake)
    first: dict[str, list[Row]] = {name: _rows(lake / name, donor) for name in DIMENSIONS}
    second: dict[str, list[Row]] = {}
    middle = datetime.combine(last, datetime.min.time(), UTC) - timedelta(days=3)
    begin = middle - timedelta(days=7)  # the generator also makes rows of earlier days
    for table, over in FACTS.items():
        rows = [row for row in _rows(lake / table, donor) if row[over] is not None and begin <= _instant(row[over])]
        first[table] = [row for row in rows if _instant(row[over]) < middle]
        second[table] = [row for row in rows if _instant(row[over]) >= middle]
        assert first[table], table
        assert second[table], table
    return first, second


def _rows(folder: Path, tenant: str) -> list[Row]:
    """Read the rows of the lake without the product."""
    files = [unquote(uri) for uri in DeltaTable(str(folder)).file_uris()]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    hidden = "tenant, _version, _load_version" + ("" if folder.name in DIMENSIONS else ", month")
    shown = f"SELECT to_json(t) FROM (SELECT * EXCLUDE ({hidden}) FROM found WHERE tenant = $tenant) AS t"
    source = "read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    statement = shown.replace("found", source)
    found = connection.execute(statement, {"files": files, "tenant": tenant}).fetchall()
    return [json.loads(row[0]) for row in found]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass
class Program:
    """A connector that runs, and what it has printed: the records of each of its syncs, and the state between them."""

    process: subprocess.Popen[str]
    first: dict[str, list[Row]] = field(default_factory=dict)
    second: dict[str, list[Row]] = field(default_factory=dict)
    states: list[Row] = field(default_factory=list)
    catalog: Row = field(default_factory=dict)

    def sync(self) -> None:
        """Collect the records of one sync, until its state or the end of the process."""
        assert self.process.stdout is not None
        seen, known = (self.second, len(self.states)) if self.states else (self.first, 0)
        for line in self.process.stdout:
            message: Row = json.loads(line) if line.startswith("{") else {}
            self.catalog = message.get("catalog", self.catalog)
            if "record" in message and "stream" in message:  # the CDK logs to standard output, too
                seen.setdefault(message["stream"], []).append(message["record"])
            if "state" in message:
                self.states.append(message["state"])
            if len(self.states) > known and known == 0:
                return

    def go_on(self) -> None:
        """Let the second sync begin; collect its records."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.sync()
        assert self.process.wait(60) == 0


@contextmanager
def _running(command: Sequence[str | Path], folder: Path, **environment: str) -> Iterator[Program]:
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        )
        try:
            yield Program(process)
        finally:
            process.kill()
            process.communicate()


def _talkdesk(url: str, credential: Credential, start: datetime) -> list[str]:
    config = {
        "url": url,
        "auth_url": f"{url}/oauth/token?grant_type=client_credentials",
        "api_key": f"{credential.client_id}:{credential.client_secret}",
        "start_date": start.strftime("%Y-%m-%dT%H:%M:%S"),
        "timezone": ZONE,
        "second": 0.02,
    }
    return [python_of(AIRBYTE), str(AIRBYTE / "connector.py"), json.dumps(config)]


def _native(url: str, token: str, start: datetime) -> list[str]:
    """With a short timespan per export, so that rows lie at the bounds of several."""
    config = {"url": url, "token": token, "start_date": f"{start:%Y-%m-%d}T00:00:00Z", "days_per_export": 14}
    return [python_of(AIRBYTE), str(AIRBYTE / "declarative.py"), str(MANIFEST), json.dumps(config), "0.1"]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _dlt(url: str, token: str, folder: Path, database: str) -> list[str]:
    (settings,), (lines,) = _blocks(PAGE, "toml"), _blocks(PAGE, "python")
    (folder / ".dlt").mkdir()
    settings = settings.replace("https://exports.example.com", url).replace("TOKEN", token)
    (folder / ".dlt" / "secrets.toml").write_text(settings)
    (folder / ".dlt" / "config.toml").write_text("[runtime]\ndlthub_telemetry = false\n")
    parts = urlsplit(database)
    host = quote(parse_qs(parts.query)["host"][0], safe="")
    credentials = {"host": host, "port": 5432, "database": parts.path[1:], "username": "postgres", "password": "-"}
    return [python_of(PIPELINES), str(PIPELINES / "load.py"), lines, json.dumps(credentials)]


@dataclass(frozen=True)
class Synced:
    """The programs after both syncs, and what exports of the same reports contain."""

    talkdesk: Program
    native: Program
    dlt: Program
    folder: Path  # of dlt
    database: str
    credential: Credential
    exported: Mapping[str, list[Row]]


@pytest.fixture(scope="module")
def synced(
    busy: Served,
    postgresql: str,
    halves: tuple[dict[str, list[Row]], dict[str, list[Row]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Synced:
    """Sync the first half, load the second, sync again."""
    credential, installation = busy.tenant("syncs", timezone=ZONE), busy.installation
    token = loop.token(installation, credential.tenant, user=None)
    start = datetime.now(UTC) - timedelta(days=20)
    folders = [tmp_path_factory.mktemp(name) for name in ("talkdesk", "native", "dlt")]
    database = fresh_database(postgresql).replace("+psycopg", "", 1)
    installation.load_all(halves[0], tenant=credential.tenant)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        commands = [
            (_talkdesk(busy.url, credential, start), {"TZ": ZONE}),
            (_native(busy.url, token, start), {}),
            (
                _dlt(busy.url, token, folders[2], database),
                {
                    "PYTHONPATH": str(ROOT / "connectors" / "dlt"),
                    "DLT_DATA_DIR": str(folders[2] / "data"),
                    "XDG_STATE_HOME": str(folders[2] / "state"),
                },
            ),
        ]
        programs = [
            stack.enter_context(_running(command, folder, **environment))
            for (command, environment), folder in zip(commands, folders, strict=True)
        ]
        list(pool.map(Program.sync, programs))
        for program, folder in zip(programs, folders, strict=True):
            assert program.states, (folder / "stderr").read_text()[-4000:]
        installation.load_all(halves[1], tenant=credential.tenant)
        list(pool.map(Program.go_on, programs))
    with Offtake(busy.url, token=token) as client:
        exported = {report: _exported(client, report, start) for report in (*CURSORS, WITHOUT_EVENT_TIME)}
    talkdesk, native, pipeline = programs
    return Synced(talkdesk, native, pipeline, folders[2], database, credential, exported)


def _exported(client: Offtake, report: str, start: datetime) -> list[Row]:
    """Return the rows of an export as JSON has them, read without a connector."""
    export = client.export(report, start=start, end=datetime.now(UTC), format="ndjson")
    with tempfile.TemporaryDirectory() as folder:
        (path,) = export.download(folder)
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_connector_for_talkdesk_reads_every_row_once(
    busy: Served, synced: Synced, halves: tuple[dict[str, list[Row]], dict[str, list[Row]]]
) -> None:
    """Talkdesk contract 9 and 2.2, seen: naive local ``to`` and the zone inside ``timespan``, redirects followed with
    back-off, ``entries`` read, the cursor sent back unchanged: with Z for calls, and naive for the others."""
    first, second, (state,) = synced.talkdesk.first, synced.talkdesk.second, synced.talkdesk.states
    tables = dict(zip(CURSORS, FACTS, strict=True))
    now = datetime.now(UTC)
    with busy.client(synced.credential) as client:
        for stream, cursor in CURSORS.items():
            before = {json.dumps(record) for record in first[stream]}
            assert len(before) == len(first[stream])
            assert state[stream] == {cursor: max(record[cursor] for record in first[stream])}
            again = [record for record in second[stream] if json.dumps(record) in before]
            assert all(record[cursor] == state[stream][cursor] for record in again)  # the bound itself, inclusive
            union = before | {json.dumps(record) for record in second[stream]}
            span = ((now - timedelta(days=21)).isoformat(), now.isoformat())
            whole = json.loads(client.export(stream, *span, timezone=ZONE))["entries"]
            assert union == {json.dumps(record) for record in whole}
            if stream != "user_status":  # a stay is cut where the month changes
                assert len(before) == len(halves[0][tables[stream]])
                assert len(whole) == len(before) + len(halves[1][tables[stream]])


def test_the_manifest_for_airbyte_reads_every_row(synced: Synced) -> None:
    """By key, because the second sync begins a day before the newest row of the first. The types are the report's."""
    (state,) = synced.native.states
    assert_same_rows(synced.native.second["full contacts"], synced.exported["contacts"], key=["contact_id"])
    for stream, key in KEYS.items():
        first, second = synced.native.first[stream], synced.native.second[stream]
        cursor = "flow_ended_at" if stream == "studio_flow_execution" else "ended_at"
        newest = max(record[cursor] for record in first)
        assert state[stream] == {cursor: newest}
        assert len({tuple(record[name] for name in key) for record in first}) == len(first)
        lag = timedelta(days=1)
        assert min(_instant(record[cursor]) for record in second) >= _instant(newest) - lag
        union = {tuple(record[name] for name in key): record for record in [*first, *second]}
        assert_same_rows(union.values(), synced.exported[stream], key=key)
        kinds = {name: tuple(kind["type"]) for name, kind in synced.native.catalog[stream].items()}
        assert list(kinds) == list(synced.exported[stream][0])
        named: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array"}
        found = {
            (name, named[type(value)]) for row in union.values() for name, value in row.items() if value is not None
        }
        assert {(name, kind) for name, kind in found if kind not in kinds[name]} <= {
            (name, "integer") for name in kinds if "number" in kinds[name]
        }


def test_dlt_merges_new_rows_and_loads_all_rows(synced: Synced) -> None:
    """Into DuckDB in two runs, the second of which begins a day before the end of the first, and into PostgreSQL."""
    after_first, after_second = synced.dlt.states
    with duckdb.connect(str(synced.folder / "offtake.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for report, key in KEYS.items():
            assert after_first[report] < after_second[report]
            found = connection.sql(f"SELECT * FROM care.{report}").to_arrow_table().to_pylist()
            _assert_loaded(found, synced.exported[report], key)
    with psycopg.connect(synced.database) as database:
        for report in ("calls", "contacts", WITHOUT_EVENT_TIME):
            rows = database.execute(f"SELECT * FROM care.{report}")
            names = [column.name for column in rows.description or ()]
            found = [dict(zip(names, row, strict=True)) for row in rows]
            _assert_loaded(found, synced.exported[report], KEYS.get(report, ["agent_id"]))


def test_the_recipes_for_orchestrators_export_one_day(busy: Served, synced: Synced, tmp_path: Path) -> None:
    """Dagster materializes its asset; the function of the Airflow task runs without Airflow."""
    day = max(row["ended_at"] for row in synced.exported["calls"])[:10]
    expected = [row for row in synced.exported["calls"] if row["ended_at"].startswith(day)]
    token = loop.token(busy.installation, synced.credential.tenant, user=None)
    environment = {"OFFTAKE_CLIENT_URL": busy.url, "OFFTAKE_CLIENT_TOKEN": token, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [python_of(PIPELINES), str(PIPELINES / "orchestrators.py"), *_blocks(RECIPES, "python"), day],
        cwd=tmp_path,
        env={**os.environ, **environment, "DAGSTER_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout)
    assert answer["rows"] == len(expected) > 0
    for paths in (answer["dagster"], answer["airflow"]):
        (path,) = paths
        assert Path(path).parent == Path("exports/calls") / day
        found = pq.ParquetFile(tmp_path / path).read().to_pylist()
        _assert_loaded(found, expected, ["call_id"])


def _assert_loaded(found: list[Row], expected: list[Row], key: list[str]) -> None:
    lists = {name for row in expected for name, value in row.items() if isinstance(value, list)}
    assert_same_rows([_as_json(row, lists) for row in found], expected, key=key)


def _as_json(row: Row, lists: set[str]) -> Row:
    """Return a row of a table of dlt as JSON has it: without dlt's own columns, lists that are JSON text parsed."""
    found = {}
    for name, value in row.items():
        if name.startswith("_dlt"):
            continue
        if isinstance(value, datetime):
            value = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        elif name in lists and isinstance(value, str):
            value = json.loads(value)
        found[name] = value
    return found
