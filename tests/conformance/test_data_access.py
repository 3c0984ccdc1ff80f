"""Credentials that may export some reports only, or no personal columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from offtake.core.admin import identity
from offtake.core.auth import client_auth
from offtake.core.auth.authorization import hidden_columns
from offtake.core.auth.caller import Caller
from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef, Listing, get_export, list_exports
from offtake.core.services import Services
from offtake.errors import JobNotFound, NotPermitted
from offtake.model.artifact import ArtifactFile, artifact_of
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Job
from offtake.model.request import ReportParameters
from offtake.model.tenant import CredentialKind, DataAccess, Tenant
from offtake.store import job_claims, jobs
from tests.fixtures.exports import EXPORT, caller

NATIVE = replace(EXPORT, dialect="native")
PLAIN = ("call_id", "started_at")


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def _caller(on: Services, access: DataAccess) -> Caller:
    """A caller that has logged in with a stored token of that access."""
    permissions = identity.Permissions(access=access)
    made = identity.add_credential("acme", CredentialKind.TOKEN, on, user=None, permissions=permissions)
    return Caller(principal=client_auth.authenticate_bearer(f"{made.credential.id}.{made.secret}", on))


def _published(job: Job, on: Services) -> JobRef:
    """Publish the job without writing a file."""
    file = ArtifactFile(number=0, key="files/acme/x", rows=0, bytes=1, sha256="0" * 64, blocks=None)
    with on.database.write() as connection:
        now = on.now(connection)
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
        assert lease is not None
        assert jobs.upload(connection, lease)
        assert jobs.succeed(connection, lease, artifact_of([file]), now=now, expires_at=now + timedelta(days=1))
    return JobRef(id=job.id, dialect=job.request.dialect)


def test_a_credential_for_some_reports_neither_creates_nor_sees_exports_of_others(on: Services) -> None:
    allowed = _caller(on, DataAccess(reports=("calls", "conv*")))
    calls, contacts = (create_export(replace(NATIVE, report=name), caller(), on) for name in ("calls", "contacts"))
    mine = create_export(replace(NATIVE, report="conversation"), allowed, on)
    with pytest.raises(NotPermitted, match="contacts"):
        create_export(replace(NATIVE, report="contacts"), allowed, on)
    listed = list_exports(Listing(dialect="native", per_page=10), allowed, on)
    assert ({job.id for job in listed.jobs}, listed.total) == ({calls.id, mine.id}, 2)
    assert get_export(JobRef(id=calls.id, dialect="native"), allowed, on).id == calls.id
    for read in (get_export, read_manifest):
        with pytest.raises(JobNotFound):
            read(JobRef(id=contacts.id, dialect="native"), allowed, on)


def test_a_credential_without_personal_columns_gets_none_of_them(on: Services) -> None:
    """Neither in a file, nor by filters or an order, nor from the export of another credential."""
    restricted = _caller(on, DataAccess(personal=False))
    hidden = hidden_columns(restricted.principal, on.catalogue.reports["calls"])
    assert "customer_number" in hidden
    assert not hidden & set(PLAIN)
    own = create_export(replace(NATIVE, columns=PLAIN), restricted, on)
    condition = ColumnFilter(column="customer_number", operator=FilterOperator.EQ, values=("+1",))
    for refused in (
        NATIVE,  # all columns
        replace(NATIVE, columns=(*PLAIN, "customer_number")),
        replace(NATIVE, columns=PLAIN, filters=(condition,)),
        replace(NATIVE, columns=PLAIN, order=("-customer_number",)),
        replace(NATIVE, columns=PLAIN, parameters=ReportParameters(customer_emails=("a@example.com",))),
        EXPORT,  # the other dialects' files have fixed columns
    ):
        with pytest.raises(NotPermitted, match="personal"):
            create_export(refused, restricted, on)
    link = download.mint(_published(own, on), restricted, on)
    assert link.job == own.id
    others = _published(create_export(NATIVE, caller(), on), on)
    assert get_export(others, restricted, on).id == others.id
    with pytest.raises(NotPermitted, match="customer_number"):
        download.mint(others, restricted, on)
    with pytest.raises(NotPermitted, match="customer_number"):  # it has filter values, and sort keys of the files
        read_manifest(others, restricted, on)
    assert read_manifest(JobRef(id=own.id, dialect="native"), restricted, on)[0].id == own.id


@pytest.mark.parametrize("pattern", ["", "Calls", "calls;", "a b", "x" * 65])
def test_a_pattern_that_is_no_report_name_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        DataAccess(reports=(pattern,))
