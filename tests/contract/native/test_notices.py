"""An export that reads tables without rows says so: in its job, its manifest, a preview, an estimate, and the log."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from offtake.cli.jobs import job_record
from offtake.core.admin import identity
from offtake.core.attempt.cancellation import Cancellation
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import attempt
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.tenant import CredentialKind, DataAccess, Tenant
from offtake.store import job_claims, job_queries
from tests.fixtures.care import call
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.native import MARCH, V1

FEBRUARY = {"start": "2026-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}


def _notice(code: str, table: str, detail: str, *columns: str) -> dict[str, Any]:
    return {"code": code, "table": table, "columns": list(columns), "detail": f"The table {table} has no rows{detail}"}


AGENTS = ("agent_name", "agent_email", "handling_agent_name", "handling_agent_email")
AGENT = _notice("table_empty", "agent", f". Null: {', '.join(AGENTS)}.", *AGENTS)
TEAM = _notice("table_empty", "team", ". Null: team_name.", "team_name")
QUEUE = _notice("table_empty", "queue", ". Other values, such as ids, 0 or empty text: queue_names.", "queue_names")
CALL = _notice("table_empty_in_timespan", "call", " in the months that the report reads. There are no rows.")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("notices")) as made:
        yield made


@pytest.fixture
def tenant(here: InProcess, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A tenant with one call, of February, for whose token the client sends requests."""
    name = f"t{zlib.crc32(request.node.name.encode())}"
    identity.add_tenant(Tenant(name=name), here.on)
    here.http.headers["Authorization"] = _token(here, name)
    _load(here, "call", call("c1", "2026-02-03T09:00:00Z", team_id="t1"), name, tmp_path)
    return name


def _token(here: InProcess, tenant: str, *, personal: bool = True) -> str:
    permissions = identity.Permissions(access=DataAccess(reports=None, personal=personal))
    new = identity.add_credential(tenant, CredentialKind.TOKEN, here.on, user=None, permissions=permissions, name=None)
    return f"Bearer {new.credential.id}.{new.secret}"


def _load(here: InProcess, table: str, row: Mapping[str, Any], tenant: str, folder: Path) -> None:
    file = folder / f"{table}.ndjson"
    file.write_text(json.dumps(row), "utf-8")
    load(here.on.lake, tables()[table], [file], tenant=tenant)


def _run(here: InProcess) -> Mapping[str, Any]:
    """Run the queued job as a worker does; return its log line."""
    with here.on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=here.now, until=here.now + here.on.attempt.lease)
    assert lease is not None
    with capture_logs() as logs:
        attempt(lease, here.on, Shutdown(timedelta(0)), Cancellation())
    (line,) = [each for each in logs if each["event"] == "attempt"]
    return line


def test_an_export_says_which_of_its_tables_are_empty(here: InProcess, tenant: str) -> None:
    wanted: dict[str, Any] = {"report": "calls", "timespan": MARCH}
    export = here.http.post(f"{V1}/exports", json=wanted).json()
    assert export["notices"] == []  # nothing has been read
    line = _run(here)
    assert (line["outcome"], line["empty_tables"]) == ("succeeded", ["call", "agent", "team", "queue"])
    ended = here.http.get(export["links"]["self"]).json()
    assert (ended["rows"], ended["notices"]) == (0, [CALL, AGENT, TEAM, QUEUE])
    assert here.http.get(export["links"]["manifest"]).json()["notices"] == ended["notices"]
    assert here.http.post(f"{V1}/exports", json={**wanted, "dry_run": True}).json()["notices"] == ended["notices"]
    assert here.http.post(f"{V1}/exports/preview", json=wanted).json()["notices"] == ended["notices"]
    with here.on.database.read() as connection:
        job = job_queries.get(connection, export["id"])
    assert job is not None
    assert job_record(job)["notices"] == [f"{each['code']}: {each['detail']}" for each in ended["notices"]]


def test_an_export_has_notices_only_about_what_it_contains(here: InProcess, tenant: str, tmp_path: Path) -> None:
    """The columns of the request, those of its filters, and those by which it is sorted."""
    wanted: dict[str, Any] = {"report": "calls", "timespan": FEBRUARY, "columns": ["call_id", "team_name"]}
    by_queue = {"filters": [{"column": "queue_names", "op": "is_null"}], "order": ["agent_name"]}
    preview = here.http.post(f"{V1}/exports/preview", json={**wanted, **by_queue}).json()
    assert [(each["table"], each["columns"]) for each in preview["notices"]] == [
        ("agent", ["agent_name"]),
        ("team", ["team_name"]),
        ("queue", ["queue_names"]),
    ]
    assert preview["rows"] == [["c1", None]]
    _load(here, "team", {"team_id": "t1", "name": "First"}, tenant, tmp_path)
    assert here.http.post(f"{V1}/exports/preview", json=wanted).json()["notices"] == []
    here.http.post(f"{V1}/exports", json=wanted)
    assert "empty_tables" not in _run(here)


def test_the_description_of_a_report_says_what_depends_on_a_table(here: InProcess, tenant: str) -> None:
    tables = {each["name"]: each["if_empty"] for each in here.http.get(f"{V1}/reports/calls").json()["tables"]}
    assert tables["call"] == {"rows": "none", "null": [], "other": []}
    assert tables["agent"] == {"rows": "same", "null": list(AGENTS), "other": []}
    blind = {"Authorization": _token(here, tenant, personal=False)}
    answer = here.http.get(f"{V1}/reports/calls", headers=blind).json()
    assert "agent_name" not in json.dumps(answer)
