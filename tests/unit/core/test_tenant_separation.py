"""A session whose views include another tenant's files shows none of its rows, in reports and in lookups."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from offtake.app import build_services
from offtake.catalogue.load import load_catalogue
from offtake.catalogue.macros import MACROS
from offtake.core import lookups
from offtake.core.admin import identity
from offtake.core.attempt import pinned_files, run
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.auth import impersonation
from offtake.core.exports import preview
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import CatalogueError, ImpersonationRefused
from offtake.home import Home
from offtake.lake import snapshot as lake_snapshot
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.snapshot import Located, local_views, locate, snapshot
from offtake.lake.tables import tables
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters
from offtake.model.tenant import Tenant
from offtake.model.view import TableView
from offtake.settings import CatalogueSettings, Settings
from offtake.store import job_claims
from offtake.store.migrate import migrate
from offtake.wire import PRESENTATIONS
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, NOON, caller
from tests.fixtures.storage_paths import artifact_path

SECRET = "globex-secret-7f3a"
AT = (NOON - timedelta(hours=1)).isoformat()
# A report that reads a fact and a dimension without a condition on the tenant.
CARELESS = {
    "report.toml": """\
title = "Careless"
grain = "One row per call and agent."
key = ["call_id"]
tables = [{ table = "call", prune = "all" }, { table = "agent", prune = "all" }]
columns = [
    { name = "call_id", type = "id", mark = "proposed", nullable = false, meaning = "The call." },
    { name = "notes", type = "text", mark = "proposed", meaning = "Its notes." },
    { name = "agent_name", type = "text", mark = "proposed", meaning = "Any agent." },
]
""",
    "query.sql": """\
SELECT call.call_id, call.notes, agent.name AS agent_name
FROM call
CROSS JOIN agent
WHERE $start < $end
""",
    "wire.talkdesk.toml": """\
slug = "careless"
title = "Careless"
columns = [
    { name = "call", from = "call_id", as = "text", mark = "proposed" },
    { name = "notes", from = "notes", as = "text", mark = "proposed" },
    { name = "agent", from = "agent_name", as = "text", mark = "proposed" },
]
""",
}


def rows_of(word: str, opens: str) -> dict[str, list[dict[str, Any]]]:
    """The same ids for both tenants, with a word that identifies the tenant of a row."""
    tagged = {"conversation_id": f"c-{word}", "tag_id": "vip", "attached_at": AT}
    return {
        "agent": [{"agent_id": "a", "name": word, "email": f"{word}@example.com", "is_active": True}],
        "call": [call("c1", AT, notes=word), call(f"c-{word}", AT, notes=word)],
        "team": [{"team_id": "t", "name": word}],
        "queue": [{"queue_id": "q", "name": word}],
        "smart_view": [{"smart_view_id": "v", "name": word, "expression": 'tag = "vip"'}],
        "business_hours": [{"weekday": str(day), "opens": opens, "closes": "24:00"} for day in range(1, 8)],
        "conversation": [{"conversation_id": f"c-{word}", "created_at": AT, "status": "open", "direction": "inbound"}],
        # Each tenant has a tagging of a conversation of the other, too.
        "conversation_tag": [tagged, {**tagged, "conversation_id": "c-untagged"}] if word == SECRET else [tagged],
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services with the careless report, over a lake of two tenants."""
    folder = tmp_path_factory.mktemp("separation")
    report = folder / "own" / "careless"
    report.mkdir(parents=True)
    for name, text in CARELESS.items():
        (report / name).write_text(text)
    home = Home(folder / "home")
    home.create()
    services = build_services(home, Settings(catalogue=CatalogueSettings(folders=(str(report.parent),))))
    migrate(services.database)
    identity.add_tenant(Tenant(name="acme"), services)
    ours = rows_of("ours", "23:00")
    untagged = {"conversation_id": "c-untagged", "created_at": AT, "status": "open", "direction": "inbound"}
    ours["conversation"].append(untagged)
    for tenant, rows in (("acme", ours), ("globex", rows_of(SECRET, "00:00"))):
        for table, lines in rows.items():
            _load(services.lake, folder / f"{table}.jsonl", table, lines, tenant=tenant)
    yield services
    services.database.close()


@pytest.fixture
def on(filled: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services without the first barrier: every snapshot holds the files of both tenants."""
    for module in (lake_snapshot, pinned_files, preview):
        monkeypatch.setattr(module, "locate", every_tenants)
    return filled


def _load(lake: Lake, path: Path, table: str, rows: Sequence[Mapping[str, Any]], *, tenant: str) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    load(lake, tables()[table], [path], tenant=tenant)


def every_tenants(lake: Lake, uses: Sequence[TableUse], *, tenant: str, **rest: Any) -> Located:
    """Locate the files of a foreign tenant, too."""
    own, foreign = locate(lake, uses, tenant=tenant, **rest), locate(lake, uses, tenant="globex", **rest)
    found = [[*mine, *other] for mine, other in zip(own.files, foreign.files, strict=True)]
    assert all(any("tenant=globex" in file.path for file in files) for files in found if files)
    return replace(own, files=found)


def exported(on: Services, request: ExportRequest) -> list[dict[str, Any]]:
    """The rows of the file that an attempt makes."""
    create_export(request, caller(), on)
    now = on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    artifact = run.run_attempt(lease, on, Cancellation())
    text = artifact_path(on, artifact.key).read_text(encoding="utf-8")
    assert SECRET not in text
    found: Any = json.loads(text)
    rows: list[dict[str, Any]] = found if isinstance(found, list) else found["entries"]
    return rows


def test_a_preview_shows_the_tenants_rows_only(on: Services) -> None:
    shown = preview.preview(replace(EXPORT, report="careless"), caller(), on)
    assert sorted((row["call"], row["notes"], row["agent"]) for row in shown.rows) == [
        ("c-ours", "ours", "ours"),
        ("c1", "ours", "ours"),
    ]


@pytest.mark.parametrize("table", ["call", "agent"])
def test_a_careless_select_shows_the_tenants_rows_only(on: Services, table: str, tmp_path: Path) -> None:
    """Of a fact and of a dimension; and the files do hold the others: a session of that tenant shows them."""
    uses, limits = [TableUse(table=table, prune=Prune.ALL)], _limits(tmp_path)
    sql = f"SELECT CAST(to_json(each) AS VARCHAR) FROM (SELECT * FROM {table}) AS each"
    query = Query(sql=sql, values={}, columns=("row",))
    with local_views(on.lake, every_tenants(on.lake, uses, tenant="acme")) as views:
        for tenant, other in (("acme", "globex"), ("globex", "acme")):
            with Session(limits, views, tenant=tenant) as session:
                rows = [json.loads(each["row"]) for each in session.rows(query)]
            assert {row["tenant"] for row in rows} == {tenant}, f"{tenant} sees {other}"
        with Session(limits, views, tenant="unknown") as session:
            assert session.rows(query) == []


def test_another_tenants_file_is_not_scanned(on: Services, tmp_path: Path) -> None:
    """DuckDB applies the tenant to the names of the files, so that the condition costs a query nothing."""
    uses = [TableUse(table="call", prune=Prune.ALL)]
    query = Query(sql="EXPLAIN ANALYZE SELECT notes FROM call", values={}, columns=("kind", "plan"))
    with (
        local_views(on.lake, every_tenants(on.lake, uses, tenant="acme")) as (view,),
        Session(_limits(tmp_path), [view], tenant="acme") as session,
    ):
        plan = str(session.rows(query)[0]["plan"])
    assert len(view.files) == 2
    assert "Scanning Files: 1/2" in plan


# Queries that the check over empty tables accepts, and that read past the view in an attempt; {file} is a file of the
# other tenant.
PAST_THE_VIEW = [
    pytest.param(
        """\
SELECT '1' AS call_id, name AS notes, agent_name FROM query(
    CASE WHEN getvariable('files of agent') IS NULL THEN 'SELECT  AS name,  AS agent_name'
    ELSE 'SELECT name, name AS agent_name FROM read_parquet(getvariable(''files of agent''))' END
) WHERE $start < $end""",
        ("1: the query calls the table function query,", "2: the query calls getvariable,"),
        id="text",
    ),
    pytest.param(
        """\
WITH taggings AS (SELECT '' AS conversation_id, '' AS tag_id, $start AS attached_at, $start AS detached_at),
    known AS (SELECT '' AS id, '' AS name)
SELECT conversation_id AS call_id, '' AS notes, '' AS agent_name
FROM attached_tags(CASE WHEN $zone = 'UTC' THEN 'taggings' ELSE '{file}' END, 'known', $end)""",
        ("4: argument 1 of attached_tags is an expression;",),
        id="name",
    ),
]


@pytest.mark.parametrize(("sql", "faults"), PAST_THE_VIEW)
def test_a_report_that_reads_past_the_views_is_refused(
    filled: Services, sql: str, faults: Sequence[str], tmp_path: Path
) -> None:
    """The views cannot stop such a query, as the session shows, so the catalogue does not accept it."""
    names = ("call", "agent", "conversation_tag")
    uses = [TableUse(table=name, prune=Prune.ALL) for name in names]
    with local_views(filled.lake, every_tenants(filled.lake, uses, tenant="acme")) as views:
        sql = sql.replace("{file}", next(file for file in views[2].files if "tenant=globex" in file))
        values = {"start": NOON, "end": NOON + timedelta(days=1), "zone": "Europe/Prague"}
        values = {name: value for name, value in values.items() if f"${name}" in sql}
        with Session(_limits(tmp_path), views, tenant="acme") as session:
            session.define(MACROS)
            rows = session.rows(Query(sql=sql, values=values, columns=("call_id", "notes", "agent_name")))
    assert SECRET in str(rows)
    folder = tmp_path / "own" / "careless"
    folder.mkdir(parents=True)
    for name, text in {**CARELESS, "query.sql": sql}.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(
            folder.parent,
            tables={name: dict(table.stored_columns) for name, table in tables().items()},
            dialects=list(PRESENTATIONS),
        )
    for fault in faults:
        assert f"query.sql:{fault}" in caught.value.message


def test_the_rows_of_a_file_belong_to_the_tenant_of_its_folder(tmp_path: Path) -> None:
    """A column ``tenant`` inside a file has no effect."""
    files = []
    with duckdb.connect() as connection:
        for folder, column in (("acme", "globex"), ("globex", "acme")):
            files.append(tmp_path / f"tenant={folder}" / "1.parquet")
            files[-1].parent.mkdir()
            connection.execute(f"COPY (SELECT '{folder}' AS name, '{column}' AS tenant) TO '{files[-1]}'")
    view = TableView(
        table="agent", files=tuple(map(str, files)), columns=(("name", "VARCHAR"), ("tenant", "VARCHAR")), rows=2
    )
    query = Query(sql="SELECT name, tenant FROM agent", values={}, columns=("name", "tenant"))
    for tenant in ("acme", "globex"):
        with Session(_limits(tmp_path), [view], tenant=tenant) as session:
            assert session.rows(query) == [{"name": tenant, "tenant": tenant}]


def test_the_lakes_files_have_no_column_of_the_tenant(tmp_path: Path) -> None:
    """Neither after an insert, nor an update, nor a compaction, even if the input has the column."""
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())
    for step in ("insert", "update", "append", "compact"):
        if step == "compact":
            assert compact(services.lake, tables()["call"], tenant="acme", max_files=0) == 1
        else:
            rows = [call("c2" if step == "append" else "c1", AT, notes=step, tenant="acme")]
            _load(services.lake, tmp_path / "call.jsonl", "call", rows, tenant="acme")
        with (
            snapshot(services.lake, [TableUse(table="call", prune=Prune.ALL)], tenant="acme") as (view,),
            duckdb.connect() as connection,
        ):
            found = connection.execute(
                "SELECT name FROM parquet_schema($files)", {"files": list(view.files)}
            ).fetchall()
        assert len(view.files) == (2 if step == "append" else 1)
        assert ("call_id",) in found, step
        assert not {("tenant",), ("month",)} & set(found), step
    services.database.close()


def test_a_report_shows_the_tenants_rows_only(on: Services) -> None:
    rows = exported(on, replace(EXPORT, format="json"))
    assert sorted((row["call_id"], row["notes"], row["user_name"]) for row in rows) == [
        ("c-ours", "ours", None),
        ("c1", "ours", None),
    ]


def test_a_careless_report_of_a_company_shows_the_tenants_rows_only(on: Services) -> None:
    rows = exported(on, replace(EXPORT, report="careless", format="json"))
    expected = [{"call": "c-ours", "notes": "ours", "agent": "ours"}, {"call": "c1", "notes": "ours", "agent": "ours"}]
    assert sorted(rows, key=lambda row: str(row["call"])) == expected


def test_a_smart_view_reads_the_tenants_view_conversations_and_tags_only(on: Services) -> None:
    """The other tenant's tagging of our conversation does not count, and neither do its business hours."""
    asked = replace(EXPORT, dialect="khoros", report="conversation", format="json", row_limit=None)
    whole = exported(on, asked)
    assert len(whole) == 2
    tagged = exported(on, replace(asked, parameters=ReportParameters(smart_view_id="v")))
    assert len(tagged) == 1
    assert tagged[0] in whole
    inside = ReportParameters(business_hours=BusinessHours("inside"))  # begin at 23:00; the other's at 0:00
    assert exported(on, replace(asked, parameters=inside)) == []


def test_lookups_show_the_tenants_rows_only(on: Services) -> None:
    for lookup in (lookups.teams, lookups.queues, lookups.smart_views):
        assert [entry.name for entry in lookup(caller(), on)] == ["ours"]


def test_a_person_of_another_tenant_cannot_be_impersonated(on: Services) -> None:
    acting = impersonation.impersonate("ours@example.com", caller(), on, dialect="loop")
    assert acting.principal.effective == "ours@example.com"
    # The id is one of each tenant's: with the foreign row in sight it would be ambiguous, and refused.
    assert impersonation.impersonate("a", caller(), on, dialect="loop").principal.effective == "ours@example.com"
    with pytest.raises(ImpersonationRefused):
        impersonation.impersonate(f"{SECRET}@example.com", caller(), on, dialect="loop")


def _limits(folder: Path) -> Limits:
    return Limits(threads=1, memory_mb=128, temp_folder=folder / "temp", temp_mb=16)
