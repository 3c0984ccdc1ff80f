"""Creating exports on every database: one transaction, quota and audit included."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from offtake.core import exports, identity, settlement
from offtake.core.exports import JobRef
from offtake.core.interruption import Reason
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.errors import (
    AuditUnavailable,
    IdempotencyConflict,
    JobNotFound,
    JobStateConflict,
    NotPermitted,
    QueryFailed,
    QuotaExceeded,
    StorageUnavailable,
    TimespanTooLong,
)
from offtake.model.job import Lease, Status
from offtake.model.request import Parameters
from offtake.model.tenant import ORDINARY, Scope, Tenant
from offtake.model.timespan import Timespan
from offtake.store import jobs
from offtake.store.schema import audit
from offtake.store.schema import job as job_table
from tests.fixtures.orders import NOON, ORDER, caller, let_pass


@pytest.fixture
def on(services: Services) -> Services:
    """Services with two tenants."""
    for name in ("acme", "umbra"):
        identity.add_tenant(Tenant(name=name), services)
    return services


def counted(on: Services) -> tuple[int, int]:
    """Jobs, and audit rows that speak of creating one."""
    with on.database.read() as connection:
        made = connection.execute(select(func.count()).select_from(job_table)).scalar_one()
        statement = select(func.count()).select_from(audit).where(audit.c.operation == "job.create")
        return made, connection.execute(statement).scalar_one()


def ref(job_id: str, dialect: str = "talkdesk", report: str | None = None) -> JobRef:
    return JobRef(id=job_id, dialect=dialect, report=report)


def test_an_accepted_export_is_recorded_and_audited(on: Services) -> None:
    job = exports.create(ORDER, caller(), on)
    assert exports.get(ref(job.id, report="calls"), caller(), on) == job
    assert job.request == replace(ORDER, as_of=job.created_at)
    assert counted(on) == (1, 1)


@pytest.mark.parametrize("meant", [("umbra", "talkdesk", None), ("acme", "loop", None), ("acme", "talkdesk", "other")])
def test_any_id_but_an_own_one_is_unknown(on: Services, meant: tuple[str, str, str | None]) -> None:
    tenant, dialect, report = meant
    job = exports.create(ORDER, caller(), on)
    with pytest.raises(JobNotFound) as foreign:
        exports.get(ref(job.id, dialect, report), caller(tenant), on)
    with pytest.raises(JobNotFound) as unknown:
        exports.get(ref("0" * 36, dialect, report), caller(tenant), on)
    assert str(foreign.value) == str(unknown.value)
    with pytest.raises(JobNotFound):
        exports.cancel(ref(job.id, dialect, report), caller(tenant), on)


def test_without_an_audit_record_nothing_happens(on: Services) -> None:
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        exports.create(ORDER, caller(), on)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    assert counted(on) == (0, 0)


def test_scopes_and_the_longest_timespan_are_checked_first(on: Services) -> None:
    with pytest.raises(NotPermitted):
        exports.create(ORDER, caller(scopes=frozenset({Scope.READ})), on)
    long = Timespan(start=NOON - timedelta(days=31, microseconds=1), end=NOON, zone="UTC")
    with pytest.raises(TimespanTooLong):
        exports.create(replace(ORDER, timespan=long), caller(), on)
    just = Timespan(start=NOON - timedelta(days=31), end=NOON, zone="UTC")
    exports.create(replace(ORDER, timespan=just), caller(), on)
    assert counted(on) == (1, 1)


def test_forty_racing_creators_and_a_quota_of_fifteen(on: Services) -> None:
    outcomes: list[str] = []

    def order() -> None:
        try:
            exports.create(ORDER, caller(), on)
            outcomes.append("accepted")
        except QuotaExceeded:
            outcomes.append("refused")

    threads = [threading.Thread(target=order) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("accepted"), outcomes.count("refused")) == (15, 25)
    assert counted(on) == (15, 15)
    exports.create(ORDER, caller("umbra"), on)  # the other tenant has a quota of its own


def test_cancel_frees_the_quota_and_can_be_done_once(on: Services) -> None:
    made = [exports.create(ORDER, caller(), on) for _ in range(15)]
    with pytest.raises(QuotaExceeded):
        exports.create(ORDER, caller(), on)
    assert exports.cancel(ref(made[3].id), caller(), on).status is Status.CANCELLED
    exports.create(ORDER, caller(), on)
    with pytest.raises(JobStateConflict):
        exports.cancel(ref(made[3].id), caller(), on)


def leased(on: Services) -> Lease:
    with on.database.write() as connection:
        now = on.now(connection)
        lease = jobs.claim(connection, worker="w1", now=now, until=now + on.attempt.lease)
    assert lease is not None
    return lease


def test_what_becomes_of_a_job_whose_attempt_failed(on: Services) -> None:
    job = exports.create(ORDER, caller(), on)
    patient = replace(on, attempt=replace(on.attempt, attempts=3, retry_delay=timedelta(0)))
    passing, final = StorageUnavailable("away"), QueryFailed("wrong")
    assert settlement.settle(leased(on), passing, None, patient) == "retry"
    assert settlement.settle(leased(on), passing, Reason.STOPPING, patient) == "handed_back"
    assert settlement.settle(leased(on), passing, Reason.LEASE_LOST, patient) == "lease_lost"
    assert settlement.recover(patient) == 0  # the lease lasts
    assert settlement.recover(patient, dead_worker="w1") == 1
    assert settlement.settle(leased(on), passing, None, patient) == "failed"
    ended = exports.get(ref(job.id), caller(), on)
    assert (ended.status, ended.attempts, ended.failure and ended.failure.code) == (
        Status.FAILED,
        3,
        "storage_unavailable",
    )
    exports.create(ORDER, caller(), on)
    assert settlement.settle(leased(on), final, None, patient) == "failed"
    assert failures(on) == ["storage_unavailable", "query_failed"]


def test_a_job_whose_workers_always_die_fails_in_the_end(on: Services) -> None:
    job = exports.create(ORDER, caller(), on)
    for _ in range(on.attempt.attempts):
        leased(on)
        assert settlement.recover(on) == 0
        let_pass(on, timedelta(hours=1))
        assert settlement.recover(on) == 1
    ended = exports.get(ref(job.id), caller(), on)
    assert ended.status is Status.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "attempts_exhausted"
    assert failures(on) == ["attempts_exhausted"]


def failures(on: Services) -> list[str]:
    """The codes with which jobs failed, as the audit log has them."""
    with on.database.read() as connection:
        statement = select(audit.c.outcome).where(audit.c.operation == "job.fail").order_by(audit.c.id)
        return list(connection.execute(statement).scalars())


def test_rows_of_the_last_minutes_are_left_out_from_the_order_on(on: Services) -> None:
    every = replace(on.limits["talkdesk"].every, freshness=timedelta(minutes=5))
    lagging = replace(on, limits={"talkdesk": PerTenant(every=every)}, clock=lambda: NOON)
    assert exports.create(ORDER, caller(), lagging).request.end == NOON - timedelta(minutes=5)
    young = Timespan(start=NOON - timedelta(minutes=1), end=NOON, zone="UTC")
    assert exports.create(replace(ORDER, timespan=young), caller(), lagging).request.end == young.start  # no rows
    old = Timespan(start=NOON - timedelta(days=1), end=NOON - timedelta(minutes=5), zone="UTC")
    assert exports.create(replace(ORDER, timespan=old), caller(), lagging).request.complete_until is None
    log = exports.create(replace(ORDER, report="audit_logs"), caller(), lagging)  # complete at once
    assert log.request.end == NOON
    bounded = exports.create(ORDER, caller(), lagging)
    assert exports.get(ref(bounded.id), caller(), lagging).request == bounded.request
    prompt = replace(lagging, limits={"talkdesk": PerTenant(every=replace(every, freshness=timedelta(0)))})
    assert exports.create(ORDER, caller(), prompt).request.end == NOON


LOOP_ORDER = replace(ORDER, dialect="loop", report="inbox_conversations", format="json", row_limit=None)


def test_racing_orders_with_one_key_are_one_job(on: Services) -> None:
    """The key is looked up and added in the transaction of the job, behind the tenant's lock."""
    made: list[str] = []

    def order() -> None:
        made.append(exports.create(LOOP_ORDER, caller(), on, key="march").id)

    threads = [threading.Thread(target=order) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert counted(on) == (1, 8)  # each order is in the log, all but one as a repetition


def test_a_key_stands_for_one_order_of_one_tenant(on: Services) -> None:
    first = exports.create(LOOP_ORDER, caller(), on, key="march")
    later = replace(on, clock=lambda: on.clock() + timedelta(days=1))
    assert exports.create(LOOP_ORDER, caller(), later, key="march") == first
    assert exports.create(LOOP_ORDER, caller("umbra"), on, key="march").id != first.id
    for other in (replace(LOOP_ORDER, format="xlsx"), replace(LOOP_ORDER, parameters=Parameters(tag_ids=("a",)))):
        with pytest.raises(IdempotencyConflict):
            exports.create(other, caller(), on, key="march")
    rita = replace(caller(), principal=replace(caller().principal, user="rita@acme.example"))
    with pytest.raises(IdempotencyConflict):  # another person's rows
        exports.create(LOOP_ORDER, rita, on, key="march")
    refused = replace(caller(), principal=replace(caller().principal, scopes=frozenset({Scope.READ})))
    with pytest.raises(NotPermitted):
        exports.create(LOOP_ORDER, refused, on, key="april")
    assert exports.create(LOOP_ORDER, caller(), on, key="april").id != first.id


def test_a_refused_order_does_not_use_its_key(on: Services) -> None:
    jobs_of = on.limits["loop"].every.open_jobs
    made = [exports.create(LOOP_ORDER, caller(), on) for _ in range(jobs_of)]
    with pytest.raises(QuotaExceeded):
        exports.create(LOOP_ORDER, caller(), on, key="march")
    exports.cancel(ref(made[0].id, "loop"), caller(), on)
    assert exports.create(LOOP_ORDER, caller(), on, key="march").status is Status.QUEUED


def test_a_job_knows_who_ordered_it_for_whom(on: Services) -> None:
    principal = replace(caller().principal, scopes=ORDINARY, user="olga@acme.example", effective="rita@acme.example")
    job = exports.create(LOOP_ORDER, replace(caller(), principal=principal), on)
    with on.database.read() as connection:
        stored = jobs.get(connection, job.id)
    assert stored == job
    assert (job.actor, job.effective) == ("olga@acme.example", "rita@acme.example")
    assert job.request.parameters.viewer_email == "rita@acme.example"
