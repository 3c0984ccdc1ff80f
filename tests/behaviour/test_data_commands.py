"""The commands that say what a tenant's lake holds, and what reports would have of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.home import Home
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.tenant import Tenant
from offtake.settings import Settings
from tests.fixtures.care import call
from tests.fixtures.commands import Done, command

CALLS = [
    call("c1", "2026-03-02T09:00:00.25Z", agent_id="a1", queue_ids=["q1", "q2", "q2"], team_id="t1"),
    call("c2", "2026-03-31T23:00:00Z", agent_id="a2", queue_ids=["q1"], team_id="t9"),
    call("c3", "2026-02-01T00:00:00Z", agent_id="a9", handling_agent_id="a9"),
]
AGENTS = [{"agent_id": each, "name": each, "email": f"{each}@example.com", "is_active": True} for each in ("a1", "a2")]
ROWS: Mapping[str, Mapping[str, list[dict[str, Any]]]] = {
    "acme": {"call": CALLS, "agent": AGENTS, "queue": [{"queue_id": "q1", "name": "First"}]},
    "globex": {"agent": [{**AGENTS[0], "agent_id": "a9"}], "team": [{"team_id": "t9", "name": "Nine"}]},
}
MARCH = ("--start", "2026-03-01", "--end", "2026-04-01")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    made = Home(folder / "home")
    made.create()
    services = build_services(made, Settings())
    for tenant, rows_of in ROWS.items():
        identity.add_tenant(Tenant(name=tenant), services)
        for table, rows in rows_of.items():
            file = folder / f"{table}.ndjson"
            file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
            load(services.lake, tables()[table], [file], tenant=tenant)
    yield made.root
    services.database.close()


def _json(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return result


def test_lake_status_counts_rows_events_and_dangling_references_of_one_tenant(home: Path) -> None:
    """The rows of the other tenant are not counted, and its agents and teams are no targets of references."""
    found = _json(command("lake", "status", "--tenant", "acme", "--json", home=home))["tables"]
    by_name = {each["table"]: each for each in found}
    assert by_name.keys() == tables().keys()
    shown = by_name["call"]
    assert (shown["rows"], shown["files"], shown["version"]) == (3, 2, 1)
    assert shown["first_event"] == "2026-02-01T00:00:00.000000Z"
    assert shown["last_event"] == "2026-03-31T23:00:00.000000Z"
    assert shown["dangling"] == {"agent_id": 1, "handling_agent_id": 1, "team_id": 2, "queue_ids": 2}
    stored = list((home / "lake" / "call").glob("tenant=acme/**/*.parquet"))
    assert shown["bytes"] == sum(file.stat().st_size for file in stored)
    newest = max(file.stat().st_mtime for file in stored)
    assert abs(datetime.fromisoformat(shown["written_at"]).timestamp() - newest) < 60
    assert (by_name["agent"]["rows"], by_name["agent"]["dangling"], by_name["agent"]["first_event"]) == (2, {}, None)
    assert (by_name["team"]["rows"], by_name["team"]["files"], by_name["team"]["dangling"]) == (0, 0, None)
    quick = command("lake", "status", "--tenant", "acme", "--quick", home=home)
    assert quick.code == 0, quick.err
    assert [line.split()[:2] for line in quick.out.splitlines() if "2026-" in line] == [
        ["queue", "1"],
        ["agent", "2"],
        ["call", "3"],
    ]
    assert "Without rows: team, team_member, " in quick.out
    assert command("lake", "status", "--tenant", "initech", home=home).code == 6


def test_report_check_counts_the_rows_and_names_the_missing_tables(home: Path) -> None:
    checked = _json(command("report", "check", "--tenant", "acme", *MARCH, "--json", home=home))
    by_name = {each["report"]: each for each in checked["reports"]}
    assert (by_name["calls"]["rows"], by_name["calls"]["has_rows"]) == (2, True)
    assert [(each["code"], each["table"], each["columns"]) for each in by_name["calls"]["notices"]] == [
        ("table_empty", "team", ["team_name"])
    ]
    assert {name: each["rows"] for name, each in by_name.items() if each["rows"]} == {"calls": 2, "user": 2}
    assert by_name["team_performance"]["has_rows"] is None  # it has no count, and agents to count for
    assert (by_name["conversation"]["has_rows"], by_name["conversation"]["needed"]) == (False, ["conversation"])
    january = command("report", "check", "calls", "--tenant", "acme", "--days", "31", "--end", "2026-02-01", home=home)
    assert january.code == 0, january.err
    assert "The table call has no rows in the months that the report reads. There are no rows." in january.out
    assert "Also without rows: team." in january.out
    assert "The first table of the report has rows of 2026-02 to 2026-03." in january.out
    refused = command(
        "report", "check", "calls", "--tenant", "acme", "--start", "2026-02-01", "--end", "2026-02-01", home=home
    )
    assert (refused.code, "2026-02-01T00:00:00Z is not before the end" in refused.err) == (2, True)
    assert "did you mean" in (unknown := command("report", "check", "cals", "--tenant", "acme", home=home)).err
    assert unknown.code == 6


def test_report_describe_says_what_is_missing_without_a_table(home: Path) -> None:
    found = _json(command("report", "describe", "calls", "--json", home=home))
    tables_of = {each["table"]: each for each in found["tables"]}
    assert tables_of["call"]["if_empty"] == {"rows": "none", "null": [], "other": []}
    assert tables_of["team"]["consequence"] == "Null: team_name."
    assert {each["name"] for each in found["columns"] if each["personal"]} >= {"customer_number", "agent_name"}
    assert found["dialects"]["talkdesk"] == "calls"
    text = command("report", "describe", "conversation", home=home).out
    assert "holiday" in text  # a filter reads it
    assert "There are no rows." in text


def test_tables_describe_a_column_and_its_readers(home: Path) -> None:
    found = _json(command("tables", "describe", "agent_state", "--json", home=home))
    columns = {each["name"]: each for each in found["columns"]}
    assert columns["ended_at"]["not_before"] == "started_at"
    assert (columns["agent_id"]["required"], columns["agent_id"]["references"]) == (True, "agent")
    assert columns["kind"]["values"] == ["available", "away", "busy", "offline"]
    assert "user_status" in found["read_by"]
    assert found["spellings"]["list"]["examples"] == ['["a", "b"]']
    template = command("tables", "describe", "agent_state", "--csv-template", home=home).out.splitlines()
    assert template[0] == ",".join(columns)
    assert len(template) == 2
    listed = _json(command("tables", "list", "--json", home=home))["tables"]
    assert [each["table"] for each in listed] == list(tables())
    assert "did you mean 'agent'?" in command("tables", "describe", "agents", home=home).err
