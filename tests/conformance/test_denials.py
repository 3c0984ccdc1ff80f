"""Denied requests in the audit log: counted, bounded, and not lost while the database is away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offtake.core.admin import audit_log, identity
from offtake.core.denials import Denials
from offtake.core.services import Services
from offtake.errors import (
    ImpersonationRefused,
    JobNotFound,
    LinkExpired,
    LinkRefused,
    NotAuthenticated,
    NotPermitted,
    Unavailable,
)
from offtake.executor.denial_writer import DenialWriter
from offtake.model.audit import AuditFilter, AuditRow
from offtake.model.tenant import Tenant
from offtake.store.database import Database, sqlite_url


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def refused(on: Services, *, operation: str | None = None, tenant: str | None = None) -> list[AuditRow]:
    condition = AuditFilter(outcome="refused", operation=operation, tenant=tenant)
    return list(audit_log.list_entries(condition, on, limit=1_000))


def test_denials_of_one_kind_are_one_entry_with_their_number(on: Services) -> None:
    error = NotAuthenticated("wrong", tenant="acme", credential="c1")
    for _ in range(500):
        on.denials.add(error, dialect="khoros", address="192.0.2.1")
    on.denials.add(error, dialect="khoros", address="192.0.2.2")
    on.denials.add(NotPermitted("no"), dialect="loop", address="192.0.2.1", tenant="acme", principal="c2")
    on.denials.add(JobNotFound("no"), dialect="loop", address="192.0.2.1", tenant="acme", principal="c2")
    on.denials.add(LinkRefused("no"), dialect="download", address="192.0.2.1")
    for ignored in (LinkExpired("old"), ImpersonationRefused("has its own entry")):
        on.denials.add(ignored, dialect="loop", address="192.0.2.1", tenant="acme", principal="c2")
    audit_log.write_denials(on)
    audit_log.write_denials(on)  # nothing is written twice
    assert {
        (row.entry.operation, row.entry.dialect, row.entry.tenant, row.entry.principal, row.entry.address): (
            row.entry.count
        )
        for row in refused(on)
    } == {
        ("auth.fail", "khoros", "acme", "c1", "192.0.2.1"): 500,
        ("auth.fail", "khoros", "acme", "c1", "192.0.2.2"): 1,
        ("access.refuse", "loop", "acme", "c2", "192.0.2.1"): 1,
        ("job.not_found", "loop", "acme", "c2", "192.0.2.1"): 1,
        ("link.refuse", "download", None, None, "192.0.2.1"): 1,
    }
    assert [row.entry.count for row in refused(on, operation="auth")] == [1, 500]
    assert [row.entry.operation for row in refused(on, operation="auth.fail", tenant="acme")] == ["auth.fail"] * 2


def test_an_attack_from_many_addresses_writes_few_entries(on: Services) -> None:
    for number in range(5_000):
        on.denials.add(NotAuthenticated("wrong"), dialect="khoros", address=f"192.0.2.{number}")
    audit_log.write_denials(on)
    rows = refused(on)
    assert len(rows) <= 101
    assert sum(row.entry.count for row in rows) == 5_000


def test_denials_stay_counted_while_the_database_is_away(on: Services, tmp_path: Path) -> None:
    away = Database(sqlite_url(tmp_path / "no-such-folder" / "state.db"))
    on.denials.add(NotAuthenticated("wrong"), dialect="khoros", address="192.0.2.1")
    with pytest.raises(Unavailable):
        audit_log.write_denials(replace(on, database=away))
    on.denials.add(NotAuthenticated("wrong"), dialect="khoros", address="192.0.2.1")
    audit_log.write_denials(on)
    assert [row.entry.count for row in refused(on)] == [2]
    away.close()


def test_the_writer_writes_what_is_left_when_the_server_stops(on: Services) -> None:
    on = replace(on, denials=Denials())
    with DenialWriter(on, interval_seconds=3_600):
        on.denials.add(NotAuthenticated("wrong"), dialect="khoros", address="192.0.2.1")
        assert refused(on) == []
    assert [row.entry.count for row in refused(on)] == [1]
