"""Estimates come from the numbers of rows in the lake and from the tenant's earlier exports of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.auth.caller import Caller
from offtake.core.exports.create import create_export
from offtake.core.exports.estimate import Estimate, estimate
from offtake.core.exports.read import JobRef, get_export
from offtake.core.services import Services
from offtake.errors import InvalidRequest, NotPermitted
from offtake.home import Home
from offtake.model.artifact import Artifact
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope, Tenant
from offtake.model.timespan import Timespan
from offtake.settings import Settings
from offtake.store import job_claims, jobs
from tests.fixtures.exports import caller, with_limits
from tests.fixtures.sample import PLAN, Sample
from tests.fixtures.workers import run_next_attempt

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WHOLE = Timespan(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 12, 1, tzinfo=UTC), zone="UTC")
WEEK = Timespan(start=datetime(2026, 11, 9, tzinfo=UTC), end=datetime(2026, 11, 16, tzinfo=UTC), zone="UTC")
CALLS = ExportRequest(dialect="talkdesk", report="calls", format="csv", timespan=WHOLE, name="estimate")
SAME_AS_EARLIER = Estimate(rows=500, bytes=50_000, seconds=11, notices=())
INBOUND = ColumnFilter(column="kind", operator=FilterOperator.EQ, values=("inbound",))


@pytest.fixture
def on(tmp_path: Path, sample: Sample) -> Iterator[Services]:
    """Services over the sample data, without any export."""
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())
    identity.add_tenant(Tenant(name="acme"), services)
    identity.add_tenant(Tenant(name="globex"), services)
    services = replace(services, lake=sample.lake, clock=lambda: NOW)
    yield with_limits(services, longest_timespan=timedelta(days=366))
    services.database.close()


def ended(
    on: Services,
    request: ExportRequest,
    rows: int,
    *,
    size: int,
    seconds: int,
    tenant: str = "acme",
    by: Caller | None = None,
) -> None:
    """Record a finished export with these numbers, whose file is gone."""
    job = create_export(request, by or caller(tenant), on)
    with on.database.write() as connection:
        lease = job_claims.claim_one(connection, job.id, worker="w", now=NOW, until=NOW + timedelta(hours=1))
        assert lease is not None
        jobs.upload(connection, lease)
        file, end = Artifact(key="any", rows=rows, bytes=size, sha256="0" * 64), NOW + timedelta(seconds=seconds)
        assert jobs.succeed(connection, lease, file, now=end, expires_at=end)
        assert jobs.expire(connection, job.id)


@pytest.mark.parametrize("format_name", ["csv", "json", "xlsx"])
def test_a_first_estimate_is_near_the_export(on: Services, format_name: str) -> None:
    request = replace(CALLS, format=format_name)
    expected = estimate(request, caller(), on)
    job = create_export(request, caller(), on)
    run_next_attempt(on)
    made = get_export(JobRef(id=job.id, dialect=job.request.dialect), caller(), on).artifact
    assert made is not None
    assert expected.rows == pytest.approx(made.rows, rel=0.05)
    assert expected.bytes is not None
    assert 1 / 3 < expected.bytes / made.bytes < 3
    assert expected.seconds == 2
    weekly = estimate(replace(request, timespan=WEEK), caller(), on)
    assert weekly.rows is not None
    assert PLAN.calls / 8 < weekly.rows < PLAN.calls / 2


def test_earlier_exports_give_the_estimate_of_an_equal_one(on: Services) -> None:
    ended(on, replace(CALLS, timespan=WEEK), 500, size=50_000, seconds=11)
    assert estimate(replace(CALLS, timespan=WEEK), caller(), on) == Estimate(
        rows=500, bytes=50_000, seconds=11, notices=()
    )
    whole = estimate(CALLS, caller(), on)
    assert whole.rows is not None
    assert whole.rows > 1_000
    assert whole.bytes == whole.rows * 100
    ended(on, replace(CALLS, timespan=WEEK, format="json"), 500, size=90_000, seconds=11)
    assert estimate(replace(CALLS, timespan=WEEK), caller(), on) == Estimate(
        rows=500, bytes=50_000, seconds=11, notices=()
    )


def test_the_share_of_rows_that_a_filter_selects_is_learnt(on: Services) -> None:
    """Without an earlier export with the filter, all rows are expected to fulfil it."""
    filtered = replace(CALLS, filters=(INBOUND,))
    assert estimate(filtered, caller(), on) == estimate(CALLS, caller(), on)
    ended(on, filtered, 30, size=3_000, seconds=2)
    assert estimate(filtered, caller(), on).rows == 30
    assert estimate(CALLS, caller(), on).rows == pytest.approx(PLAN.calls, rel=0.05)


def test_other_tenants_exports_and_rows_do_not_count(on: Services) -> None:
    before = estimate(CALLS, caller(), on)
    ended(on, CALLS, 7, size=7, seconds=3_000, tenant="globex")
    assert estimate(CALLS, caller(), on) == before
    nothing = estimate(replace(CALLS, timespan=WEEK), caller("globex"), on)
    assert (nothing.rows, [notice.table for notice in nothing.notices]) == (0, ["call", "agent", "team", "queue"])


def test_a_report_that_aggregates_the_timespan_is_estimated_from_an_earlier_export(on: Services) -> None:
    users = replace(CALLS, dialect="khoros", report="user", format="json")
    assert estimate(users, caller(), on) == Estimate(rows=None, bytes=None, seconds=None, notices=())
    ended(on, users, 40, size=4_000, seconds=5)
    ended(on, replace(users, timespan=WEEK), 38, size=4_000, seconds=5)
    assert [estimate(replace(users, timespan=span), caller(), on).rows for span in (WHOLE, WEEK)] == [40, 38]


def test_a_person_is_not_shown_how_many_rows_others_have(on: Services) -> None:
    reports = {name: replace(each, parameters=("viewer_email",)) for name, each in on.catalogue.reports.items()}
    catalogue = replace(on.catalogue, reports=reports)
    here = replace(on, load_catalogue=lambda: catalogue)
    member = caller(scopes=frozenset({Scope.READ, Scope.WRITE}))
    person = replace(member, principal=replace(member.principal, user="ann@example.org"))
    assert estimate(CALLS, person, here) == Estimate(rows=None, bytes=None, seconds=None, notices=())
    assert estimate(CALLS, caller(), here).rows
    ended(here, replace(CALLS, timespan=WEEK), 7, size=700, seconds=8, by=person)
    ended(here, replace(CALLS, timespan=WEEK), 5_000, size=50, seconds=100)
    weeks = WHOLE.length() / WEEK.length()
    own = estimate(CALLS, person, here)
    assert (own.rows, own.bytes) == (round(7 * weeks), 100 * round(7 * weeks))
    assert estimate(replace(CALLS, timespan=WEEK), person, here) == Estimate(rows=7, bytes=700, seconds=8, notices=())


def test_an_estimate_is_validated_as_an_export(on: Services) -> None:
    with pytest.raises(NotPermitted):
        estimate(CALLS, caller(scopes=frozenset()), on)
    with pytest.raises(InvalidRequest):
        estimate(replace(CALLS, order=("nothing",)), caller(), on)
