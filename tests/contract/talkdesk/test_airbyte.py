"""A connector of Airbyte's shape over the public CDK syncs five streams, twice (Talkdesk contract 9, client airbyte).

The CDK's dependencies conflict with the project's, so the connector runs in its own environment, from its own lock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest
from deltalake import DeltaTable

from offtake.lake.seed import SeedPlan, seed
from tests.fixtures.installation import Served
from tests.fixtures.own_environment import python_of
from tests.fixtures.storage_paths import lake_folder
from tests.fixtures.talkdesk import Credential
from uv_command import ROOT

CONNECTOR = ROOT / "tests" / "fixtures" / "airbyte"
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
pytestmark = [
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="airbyte-cdk has no release for this Python"),
    pytest.mark.timeout(900),  # the first run downloads its environment
]


@pytest.fixture(scope="session")
def connector() -> list[str]:
    """Return the command that runs the connector; its environment is created on first use."""
    return [python_of(CONNECTOR), str(CONNECTOR / "connector.py")]


@pytest.fixture(scope="module")
def halves(busy: Served) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]:
    """Sample rows of ten past days: those of the first week, and the others."""
    donor, last = busy.tenant("airbyte-donor").tenant, (datetime.now(UTC) - timedelta(days=2)).date()
    with busy.installation.services() as on:
        seed(on.lake, SeedPlan(tenant=donor, days=10, until=last, calls=120, seed=7), only=(*DIMENSIONS, *FACTS))
        lake = lake_folder(on.lake)
    first: dict[str, list[dict[str, Any]]] = {name: _rows(lake / name, donor) for name in DIMENSIONS}
    second: dict[str, list[dict[str, Any]]] = {}
    middle = datetime.combine(last, datetime.min.time(), UTC) - timedelta(days=3)
    begin = middle - timedelta(days=7)  # the generator also makes rows of earlier days
    for table, over in FACTS.items():
        rows = [row for row in _rows(lake / table, donor) if row[over] is not None and begin <= _instant(row[over])]
        first[table] = [row for row in rows if _instant(row[over]) < middle]
        second[table] = [row for row in rows if _instant(row[over]) >= middle]
        assert first[table], table
        assert second[table], table
    return first, second


def _rows(folder: Path, tenant: str) -> list[dict[str, Any]]:
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


@contextmanager
def _running(command: list[str], url: str, credential: Credential) -> Iterator[subprocess.Popen[str]]:
    start = (datetime.now(UTC) - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%S")
    config = {
        "url": url,
        "auth_url": f"{url}/oauth/token?grant_type=client_credentials",
        "api_key": f"{credential.client_id}:{credential.client_secret}",
        "start_date": start,
        "timezone": ZONE,
        "second": 0.02,
    }
    process = subprocess.Popen(
        [*command, json.dumps(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TZ": ZONE, "NO_PROXY": "127.0.0.1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _sync(process: subprocess.Popen[str], seen: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Collect the records of one sync; return the state at its end, or None if the process has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if "state" in message:
            return dict(message["state"])
        if "record" in message:  # the CDK logs to standard output, too
            seen[message["stream"]].append(message["record"])
    return {}


def test_two_syncs_read_every_row_once(
    connector: list[str], busy: Served, halves: tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]
) -> None:
    """Talkdesk contract 9 and 2.2, seen: naive local ``to`` and the zone inside ``timespan``, redirects followed with
    back-off, ``entries`` read, the cursor sent back unchanged: with Z for calls, and naive for the others."""
    credential = busy.tenant("airbyte", timezone=ZONE)
    first: dict[str, list[dict[str, Any]]] = {name: [] for name in CURSORS}
    second: dict[str, list[dict[str, Any]]] = {name: [] for name in CURSORS}
    busy.installation.load_all(halves[0], tenant=credential.tenant)
    with _running(connector, busy.url, credential) as process:
        state = _sync(process, first)
        busy.installation.load_all(halves[1], tenant=credential.tenant)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert _sync(process, second) == {}
        assert process.wait(60) == 0
    tables = dict(zip(CURSORS, FACTS, strict=True))
    now = datetime.now(UTC)
    with busy.client(credential) as client:
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
