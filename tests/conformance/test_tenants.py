"""Tenants for the operator: limits of their own in running processes, and removal that can be interrupted anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from offtake.app import build_services
from offtake.core.admin import identity, tenant_removal, tenants
from offtake.core.admin import jobs as admin_jobs
from offtake.core.auth import client_auth
from offtake.core.exports.create import create_export
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.core.tenant_options import TenantOptions, TenantOverrides
from offtake.errors import JobStateConflict, NameTaken, NotAuthenticated, QuotaExceeded, SettingsError, UnknownName
from offtake.home import Home
from offtake.lake import removal
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.tenant import CredentialKind, Tenant
from offtake.settings import Settings
from offtake.store import audit, job_queries
from offtake.store.schema import metadata
from offtake.tenant_settings import Origin, changed_options, options_in_force, tenant_table
from tests.fixtures.care import call
from tests.fixtures.exports import EXPORT, NOON, caller, published

MINE, THEIRS = "acme", "umbra"


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture
def on(services: Services, tmp_path: Path) -> Services:
    """Services with two tenants, each with a token and rows of the same keys."""
    for name in (MINE, THEIRS):
        identity.add_tenant(Tenant(name=name, company_key=f"key-{name}"), services)
        fill(name, services, tmp_path)
    return services


def fill(tenant: str, on: Services, folder: Path) -> None:
    rows = {
        "call": [call("1", "2026-02-03T00:00:00Z"), call("2", "2026-03-03T00:00:00Z")],
        "team": [{"team_id": "t", "name": f"Team of {tenant}"}],
    }
    for table, listed in rows.items():
        file = folder / f"{table}.ndjson"
        file.write_text("".join(json.dumps(row) + "\n" for row in listed))
        load(on.lake, tables()[table], [file], tenant=tenant)


def token(tenant: str, on: Services) -> str:
    made = identity.add_credential(
        tenant, CredentialKind.TOKEN, on, user="ann@customer.example", permissions=identity.Permissions()
    )
    return f"{made.credential.id}.{made.secret}"


def rows_of(tenant: str, on: Services) -> dict[str, int]:
    return {size.table: size.rows for size in removal.sizes(on.lake, tenant)}


def files_of(tenant: str, on: Services) -> list[str]:
    """Return every file below the tenant's folders of lake and artifact store."""
    roots = (on.artifacts.root.parent / "lake", on.artifacts.root)
    folders = (f"tenant={tenant}", f"files/{tenant}")
    return [
        str(path) for root in roots for folder in folders for path in root.rglob(f"{folder}/**/*") if path.is_file()
    ]


def records_of(tenant: str, on: Services) -> set[str]:
    """Return the tables of the state database that mention the tenant."""
    with on.database.write() as connection:
        return {
            table.name
            for table in metadata.sorted_tables
            if any(tenant in map(str, row) for row in connection.execute(select(table)))
        }


def operations(tenant: str, on: Services) -> list[str]:
    """Return the audited operations that a report of the tenant would show."""
    with on.database.stream() as connection:
        end = datetime.now(UTC) + timedelta(days=1)
        return [row.entry.operation for row in audit.entries(connection, tenant=tenant, start=NOON, end=end)]


def test_limits_of_a_tenant_override_the_settings_in_running_processes(on: Services) -> None:
    settings = Settings(tenants={MINE: {"budget": {"kept_files": 7}}, THEIRS: {"talkdesk": {"rows": 5}}})
    home = Home(on.artifacts.root.parent)
    running = build_services(home, settings)
    ticks = [0.0]
    stored = TenantOptions(on.database, clock=lambda: ticks[0])
    every: tuple[PerTenant[Any], ...] = (running.limits["talkdesk"], running.budgets)
    for values in every:
        assert isinstance(values.overrides, TenantOverrides)
        values.overrides.stored = stored
    assert running.limits["talkdesk"].of(MINE).open_jobs == 15

    tenant = identity.get_tenant(MINE, on)
    options = changed_options(settings, tenant, ["talkdesk.open_jobs=1", "budget.daily_mb=2", "talkdesk.rows=none"], [])
    tenants.change_tenant(replace(tenant, options=options), "root", on)
    assert running.limits["talkdesk"].of(MINE).open_jobs == 15, "read again after a while"
    ticks[0] += 2
    mine, theirs = (running.limits["talkdesk"].of(name) for name in (MINE, THEIRS))
    assert (mine.open_jobs, mine.rows, theirs.open_jobs, theirs.rows) == (1, None, 15, 5)
    budget = running.budgets.of(MINE)
    assert (budget.kept_files, budget.daily_bytes, running.budgets.of(THEIRS).daily_bytes) == (7, 2 * 1024**2, None)
    assert sorted(running.limits["talkdesk"].overrides) == [MINE, THEIRS]
    here = replace(running, database=on.database)
    create_export(EXPORT, caller(), here)
    with pytest.raises(QuotaExceeded):
        create_export(EXPORT, caller(), here)

    tenant = identity.get_tenant(MINE, on)
    origins = {f"{each.table}.{each.option}": each.origin for each in options_in_force(settings, tenant)}
    found = [origins[name] for name in ("talkdesk.open_jobs", "budget.kept_files", "budget.daily_mb", "loop.open_jobs")]
    assert found == [Origin.TENANT, Origin.TENANT_SETTINGS, Origin.TENANT, Origin.DEFAULT]

    faulty = ["budget.kept_fils=1", "talkdesk.open_jobs=0", "loop.link_url=http://x", "khoros.open_jobs=none"]
    with pytest.raises(SettingsError) as refused:
        changed_options(settings, tenant, faulty, ["loop.rows"])
    for words in (
        "did you mean budget.kept_files?",
        "at least 1",
        "loop.link_url",
        "loop.rows",
        "khoros.open_jobs: none (no limit) is not",
    ):
        assert words in refused.value.message
    # A later release may not know an option any more; the others still apply.
    kept = tenant_table(settings, "talkdesk", MINE, {"open_jobs": 3, "no_such_option": 1})
    assert kept.open_jobs == 3  # type: ignore[attr-defined]

    reset = changed_options(settings, tenant, [], ["talkdesk.open_jobs", "talkdesk.rows", "budget.daily_mb"])
    tenants.change_tenant(replace(tenant, options=reset), "root", on)
    ticks[0] += 2
    assert sorted(running.limits["talkdesk"].overrides) == [THEIRS]
    with pytest.raises(NameTaken):
        tenants.change_tenant(replace(tenant, company_key=f"key-{THEIRS}"), "root", on)
    running.database.close()


def test_a_removal_that_is_killed_at_any_step_is_completed_by_the_next_one(on: Services, tmp_path: Path) -> None:
    secret = token(MINE, on)
    done, _ = published(on)
    open_job = create_export(EXPORT, caller(), on, key="again")
    before = rows_of(THEIRS, on), files_of(THEIRS, on)

    with pytest.raises(JobStateConflict, match=f"1 exports that have not ended, such as {open_job.id}"):
        tenant_removal.remove_tenant(MINE, "root", on, cancel_running=False)
    admin_jobs.hold(done, "root", on)
    with pytest.raises(JobStateConflict, match="on hold"):
        tenant_removal.remove_tenant(MINE, "root", on, cancel_running=True)
    admin_jobs.release(done, "root", on)
    found = tenant_removal.contents(MINE, on)
    assert {size.table: size.rows for size in found.tables} == {"call": 2, "team": 1}
    assert (len(found.files), found.open_jobs, found.records["job"]) == (1, [open_job.id], 2)

    reached: list[str] = []

    def killed_at_each_new_step(step: str) -> None:
        if step not in reached:
            reached.append(step)
            raise Killed

    while True:
        try:
            tenant_removal.remove_tenant(MINE, "root", on, cancel_running=True, progress=killed_at_each_new_step)
            break
        except Killed:
            if len(reached) > 1:  # the first transaction is behind it
                assert_unusable(secret, done, on)
    assert {"access", "table call", "files", "records"} <= set(reached)

    assert (rows_of(MINE, on), files_of(MINE, on)) == ({}, [])
    assert records_of(MINE, on) <= {"audit", "outbox"}
    assert (rows_of(THEIRS, on), files_of(THEIRS, on)) == before
    with pytest.raises(UnknownName):
        tenant_removal.remove_tenant(MINE, "root", on, cancel_running=True)
    entries = operations(MINE, on)
    assert (entries[0], entries[-1]) == ("tenant.add", "tenant.removed")

    # The name can be used again; nothing of the earlier tenant is seen, its audit log included.
    identity.add_tenant(Tenant(name=MINE, company_key=f"key-{MINE}"), on)
    assert rows_of(MINE, on) == {}
    assert operations(MINE, on) == ["tenant.add"]
    fill(MINE, on, tmp_path)
    assert rows_of(MINE, on) == rows_of(THEIRS, on)
    assert create_export(EXPORT, caller(), on, key="again").id != open_job.id


def assert_unusable(secret: str, job: str, on: Services) -> None:
    with pytest.raises(NotAuthenticated):
        client_auth.authenticate_bearer(secret, on)
    with pytest.raises(NotAuthenticated):
        create_export(EXPORT, caller(), on)
    with pytest.raises(UnknownName, match="being removed"):
        identity.get_tenant(MINE, on)
    with pytest.raises(NameTaken, match="being removed"):
        identity.add_tenant(Tenant(name=MINE), on)
    with on.database.write() as connection:
        stored = job_queries.get(connection, job)
        assert stored is None or stored.expires_at is None or stored.expires_at <= on.now(connection)
