"""An identical request finds the finished export of an earlier one, if both would be made of the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from offtake.core.admin import identity
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef, get_export
from offtake.core.exports.reuse import find_reusable, present_versions
from offtake.core.services import Services
from offtake.lake.ingest.load import load
from offtake.lake.tables import tables
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Job
from offtake.model.report import Report
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.tenant import Scope, Tenant
from offtake.store.schema import audit
from tests.fixtures.exports import EXPORT, age_jobs, caller, with_limits
from tests.fixtures.workers import run_next_attempt

WITHIN = timedelta(hours=1)
QUEUED = ColumnFilter(column="kind", operator=FilterOperator.IN, values=("inbound", "missed"))
REQUEST = replace(EXPORT, filters=(QUEUED,), order=("-ended_at",), columns=("call_id", "end_at"))


@pytest.fixture
def on(services: Services) -> Services:
    for tenant in ("acme", "globex"):
        identity.add_tenant(Tenant(name=tenant), services)
    return services


def finished(on: Services, request: ExportRequest = REQUEST) -> Job:
    job = create_export(request, caller(), on)
    run_next_attempt(on)
    return get_export(JobRef(id=job.id, dialect=request.dialect), caller(), on)


def repeated(on: Services, request: ExportRequest = REQUEST, **more: Any) -> Job:
    return create_export(request, more.pop("by", caller()), on, reuse_within=more.pop("within", WITHIN), **more)


def test_an_equal_request_returns_the_finished_export(on: Services) -> None:
    """The name is not part of the file, and filters are sets."""
    first = finished(on)
    either = ColumnFilter(column="kind", operator=FilterOperator.IN, values=("missed", "inbound"))
    found = repeated(on, replace(REQUEST, name="another", filters=(either,)), key="key")
    assert (found.id, found.artifact) == (first.id, first.artifact)
    assert first.artifact is not None
    assert create_export(REQUEST, caller(), on).id != first.id  # reuse is asked for
    with on.database.read() as connection:
        entries = connection.execute(select(audit).order_by(audit.c.id)).all()
    assert [entry.outcome for entry in entries if entry.operation == "job.create"] == ["allowed", "reused", "allowed"]
    assert repeated(on, replace(REQUEST, name="another", filters=(either,)), key="key").id == first.id


OTHERS: dict[str, ExportRequest] = {
    "filters": replace(REQUEST, filters=()),
    "order": replace(REQUEST, order=("ended_at",)),
    "columns": replace(REQUEST, columns=("end_at", "call_id")),
    "format": replace(REQUEST, format="json"),
    "timespan": replace(REQUEST, timespan=replace(REQUEST.timespan, start=EXPORT.timespan.start - timedelta(hours=1))),
    "zone": replace(REQUEST, timespan=replace(REQUEST.timespan, zone="UTC")),
    "account zone": replace(REQUEST, account_zone="Europe/Prague"),
    "parameters": replace(REQUEST, parameters=ReportParameters(include_disabled=True)),
    "report": replace(REQUEST, report="ring_attempts", filters=(), order=(), columns=()),
}


def test_another_request_is_a_new_export(on: Services) -> None:
    first = finished(on)
    for difference, request in OTHERS.items():
        assert repeated(with_limits(on, open_jobs=100), request).id != first.id, difference
    assert repeated(on).id == first.id


def _load_calls(on: Services, job: Job, folder: Path) -> None:
    file = folder / "queue.jsonl"
    file.write_text('{"queue_id": "q", "name": "Q"}\n')
    load(on.lake, tables()["queue"], [file], tenant="globex")


def _delete(on: Services, job: Job, folder: Path) -> None:
    delete_export(JobRef(id=job.id, dialect="talkdesk"), caller(), on)


def _age(on: Services, job: Job, folder: Path) -> None:
    age_jobs(on, WITHIN * 2)


@pytest.mark.parametrize("change", [_load_calls, _delete, _age], ids=["loaded", "deleted", "old"])
def test_an_export_of_other_data_is_not_reused(
    on: Services, change: Callable[[Services, Job, Path], None], tmp_path: Path
) -> None:
    first = finished(on)
    assert repeated(on).id == first.id
    change(on, first, tmp_path)
    assert repeated(on).id != first.id


def test_an_export_of_another_definition_is_not_reused(on: Services) -> None:
    first = finished(on)
    changed: dict[str, Report] = {name: replace(each, version="changed") for name, each in on.catalogue.reports.items()}
    catalogue = replace(on.catalogue, reports=changed)
    assert repeated(replace(on, load_catalogue=lambda: catalogue)).id != first.id


def test_an_export_of_another_tenant_or_person_is_not_reused(on: Services) -> None:
    first = finished(on)
    assert repeated(on, by=caller("globex")).id != first.id
    member = caller(scopes=frozenset({Scope.READ, Scope.WRITE}))
    person = replace(member, principal=replace(member.principal, user="ann@example.org"))
    with on.database.read() as connection:
        versions = present_versions(REQUEST, person, on)
        assert versions is not None
        as_of = replace(REQUEST, as_of=on.clock())
        for by, expected in ((caller(), first.id), (person, None)):
            found = find_reusable(connection, as_of, by, on, within=WITHIN, lake_versions=versions)
            assert (found and found.id) == expected


def test_the_servers_audit_log_is_always_exported_anew(on: Services) -> None:
    request = replace(EXPORT, report="audit_logs")
    first = finished(on, request)
    assert repeated(on, request).id != first.id
