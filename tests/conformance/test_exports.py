"""Creation of exports: one transaction with audit entry, quota and idempotency key; outcomes of attempts."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from offtake.core.admin import identity
from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import CancelReason
from offtake.core.auth.caller import Caller
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef, get_export
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.errors import (
    AuditUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    JobNotFound,
    JobStateConflict,
    NotPermitted,
    QueryFailed,
    QuotaExceeded,
    StorageUnavailable,
    TimespanTooLong,
)
from offtake.model.artifact import Artifact
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Failure, Lease, Status
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.tenant import DEFAULT_SCOPES, Scope, Tenant
from offtake.model.timespan import Timespan
from offtake.store import identity as store_identity
from offtake.store import job_claims, job_queries, jobs
from offtake.store.schema import audit
from offtake.store.schema import job as job_table
from tests.fixtures.exports import EXPORT, NOON, age_jobs, caller


@pytest.fixture
def on(services: Services) -> Services:
    """Services with two tenants."""
    for name in ("acme", "umbra"):
        identity.add_tenant(Tenant(name=name), services)
    return services


def counted(on: Services) -> tuple[int, int]:
    """Return the numbers of jobs and of their audit entries."""
    with on.database.read() as connection:
        made = connection.execute(select(func.count()).select_from(job_table)).scalar_one()
        statement = select(func.count()).select_from(audit).where(audit.c.operation == "job.create")
        return made, connection.execute(statement).scalar_one()


def ref(job_id: str, dialect: str = "talkdesk", report: str | None = None) -> JobRef:
    return JobRef(id=job_id, dialect=dialect, report=report)


def test_an_accepted_export_is_recorded_and_audited(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    assert get_export(ref(job.id, report="calls"), caller(), on) == job
    assert job.request == replace(EXPORT, as_of=job.created_at)
    assert counted(on) == (1, 1)


@pytest.mark.parametrize(
    "reference", [("umbra", "talkdesk", None), ("acme", "loop", None), ("acme", "talkdesk", "other")]
)
def test_an_id_of_another_tenant_dialect_or_report_is_unknown(
    on: Services, reference: tuple[str, str, str | None]
) -> None:
    tenant, dialect, report = reference
    job = create_export(EXPORT, caller(), on)
    with pytest.raises(JobNotFound) as foreign:
        get_export(ref(job.id, dialect, report), caller(tenant), on)
    with pytest.raises(JobNotFound) as unknown:
        get_export(ref("0" * 36, dialect, report), caller(tenant), on)
    assert str(foreign.value) == str(unknown.value)
    with pytest.raises(JobNotFound):
        cancel_export(ref(job.id, dialect, report), caller(tenant), on)


def test_without_an_audit_record_no_export_is_created(on: Services) -> None:
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        create_export(EXPORT, caller(), on)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    assert counted(on) == (0, 0)


def test_scopes_and_the_longest_timespan_are_checked_first(on: Services) -> None:
    with pytest.raises(NotPermitted):
        create_export(EXPORT, caller(scopes=frozenset({Scope.READ})), on)
    long = Timespan(start=NOON - timedelta(days=31, microseconds=1), end=NOON, zone="UTC")
    with pytest.raises(TimespanTooLong):
        create_export(replace(EXPORT, timespan=long), caller(), on)
    just = Timespan(start=NOON - timedelta(days=31), end=NOON, zone="UTC")
    create_export(replace(EXPORT, timespan=just), caller(), on)
    assert counted(on) == (1, 1)


def test_forty_concurrent_creates_respect_a_quota_of_fifteen(on: Services) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            create_export(EXPORT, caller(), on)
            outcomes.append("accepted")
        except QuotaExceeded:
            outcomes.append("refused")

    threads = [threading.Thread(target=create) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("accepted"), outcomes.count("refused")) == (15, 25)
    assert counted(on) == (15, 15)
    create_export(EXPORT, caller("umbra"), on)  # the other tenant has its own quota


def test_a_cancel_frees_the_quota_and_succeeds_once(on: Services) -> None:
    made = [create_export(EXPORT, caller(), on) for _ in range(15)]
    with pytest.raises(QuotaExceeded, match="wait until one ends"):
        create_export(EXPORT, caller(), on)
    assert cancel_export(ref(made[3].id), caller(), on).status is Status.CANCELLED
    create_export(EXPORT, caller(), on)
    with pytest.raises(JobStateConflict):
        cancel_export(ref(made[3].id), caller(), on)


def test_a_cancel_takes_effect_only_with_its_audit_record(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        cancel_export(ref(job.id), caller(), on)
    assert get_export(ref(job.id), caller(), on).status is Status.QUEUED
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    cancel_export(ref(job.id), caller(), on)
    with pytest.raises(JobStateConflict):  # a refused cancel leaves no record
        cancel_export(ref(job.id), caller(), on)
    with on.database.read() as connection:
        recorded = select(audit.c.operation).where(audit.c.job == job.id).order_by(audit.c.id)
        assert connection.execute(recorded).scalars().all() == ["job.create", "job.cancel"]


def leased(on: Services) -> Lease:
    with on.database.write() as connection:
        now = on.now(connection)
        lease = job_claims.claim(connection, worker="w1", now=now, until=now + on.attempt.lease)
    assert lease is not None
    return lease


def test_outcomes_of_failed_attempts(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    patient = replace(on, attempt=replace(on.attempt, attempts=3, retry_delay=timedelta(0)))
    passing, final = StorageUnavailable("away"), QueryFailed("wrong")
    assert outcome.record_outcome(leased(on), passing, None, patient) == "retry"
    assert outcome.record_outcome(leased(on), passing, CancelReason.STOPPING, patient) == "requeued"
    assert outcome.record_outcome(leased(on), passing, CancelReason.LEASE_LOST, patient) == "lease_lost"
    assert outcome.rescue_expired_leases(patient) == 0  # the lease lasts
    assert outcome.rescue_expired_leases(patient, dead_worker="w1") == 1
    assert outcome.record_outcome(leased(on), passing, None, patient) == "failed"
    ended = get_export(ref(job.id), caller(), on)
    assert (ended.status, ended.attempts, ended.failure and ended.failure.code) == (
        Status.FAILED,
        3,
        "storage_unavailable",
    )
    create_export(EXPORT, caller(), on)
    assert outcome.record_outcome(leased(on), final, None, patient) == "failed"
    assert failures(on) == ["storage_unavailable", "query_failed"]


def test_a_job_whose_workers_always_die_fails_finally(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    for _ in range(on.attempt.attempts):
        leased(on)
        assert outcome.rescue_expired_leases(on) == 0
        age_jobs(on, timedelta(hours=1))
        assert outcome.rescue_expired_leases(on) == 1
    ended = get_export(ref(job.id), caller(), on)
    assert ended.status is Status.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "attempts_exhausted"
    assert failures(on) == ["attempts_exhausted"]


def failures(on: Services) -> list[str]:
    """Return the audited failure codes."""
    with on.database.read() as connection:
        statement = select(audit.c.outcome).where(audit.c.operation == "job.fail").order_by(audit.c.id)
        return list(connection.execute(statement).scalars())


def test_the_watermark_is_fixed_when_the_export_is_created(on: Services) -> None:
    default = replace(on.limits["talkdesk"].default, freshness=timedelta(minutes=5))
    lagging = replace(on, limits={"talkdesk": PerTenant(default=default)}, clock=lambda: NOON)
    assert create_export(EXPORT, caller(), lagging).request.effective_end == NOON - timedelta(minutes=5)
    young = Timespan(start=NOON - timedelta(minutes=1), end=NOON, zone="UTC")
    assert (
        create_export(replace(EXPORT, timespan=young), caller(), lagging).request.effective_end == young.start
    )  # no rows
    old = Timespan(start=NOON - timedelta(days=1), end=NOON - timedelta(minutes=5), zone="UTC")
    assert create_export(replace(EXPORT, timespan=old), caller(), lagging).request.watermark is None
    log = create_export(replace(EXPORT, report="audit_logs"), caller(), lagging)  # always complete
    assert log.request.effective_end == NOON
    bounded = create_export(EXPORT, caller(), lagging)
    assert get_export(ref(bounded.id), caller(), lagging).request == bounded.request
    prompt = replace(lagging, limits={"talkdesk": PerTenant(default=replace(default, freshness=timedelta(0)))})
    assert create_export(EXPORT, caller(), prompt).request.effective_end == NOON


LOOP_EXPORT = replace(EXPORT, dialect="loop", report="inbox_conversations", format="json", row_limit=None)


def test_concurrent_creates_with_one_idempotency_key_make_one_job(on: Services) -> None:
    """The transaction of the job reads and writes the key while it holds the tenant's lock."""
    made: list[str] = []

    def create() -> None:
        made.append(create_export(LOOP_EXPORT, caller(), on, key="march").id)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert counted(on) == (1, 8)  # each request is audited, all but one as repeated


def test_an_idempotency_key_identifies_one_request_of_one_tenant(on: Services) -> None:
    first = create_export(LOOP_EXPORT, caller(), on, key="march")
    later = replace(on, clock=lambda: on.clock() + timedelta(days=1))
    assert create_export(LOOP_EXPORT, caller(), later, key="march") == first
    assert create_export(LOOP_EXPORT, caller("umbra"), on, key="march").id != first.id
    for other in (
        replace(LOOP_EXPORT, format="xlsx"),
        replace(LOOP_EXPORT, parameters=ReportParameters(tag_ids=("a",))),
    ):
        with pytest.raises(IdempotencyConflict):
            create_export(other, caller(), on, key="march")
    refused = replace(caller(), principal=replace(caller().principal, scopes=frozenset({Scope.READ})))
    with pytest.raises(NotPermitted):
        create_export(LOOP_EXPORT, refused, on, key="april")
    assert create_export(LOOP_EXPORT, caller(), on, key="april").id != first.id


def person(name: str, credential: str = "hers", *, effective: str | None = None) -> Caller:
    principal = replace(
        caller().principal, credential=credential, user=name, effective=effective, scopes=DEFAULT_SCOPES
    )
    return replace(caller(), principal=principal)


def test_an_idempotency_key_belongs_to_the_owner_of_its_job(on: Services) -> None:
    """A person cannot use another's keys; a person's new credential shares the keys of the old one."""
    rita, olga = "rita@acme.example", "olga@acme.example"
    without_person = create_export(LOOP_EXPORT, caller(), on, key="march")
    hers = create_export(LOOP_EXPORT, person(rita), on, key="march")
    others = create_export(replace(LOOP_EXPORT, format="xlsx"), person(olga), on, key="march")
    assert len({without_person.id, hers.id, others.id}) == 3
    assert create_export(LOOP_EXPORT, person(rita, "new"), on, key="march") == hers
    assert create_export(LOOP_EXPORT, person(olga, effective=rita), on, key="march") == hers
    other = replace(caller(), principal=replace(caller().principal, credential="another"))
    assert create_export(LOOP_EXPORT, other, on, key="march").id != without_person.id
    all_of_it = replace(
        person(rita), principal=replace(person(rita).principal, scopes=frozenset({*DEFAULT_SCOPES, Scope.ADMIN}))
    )
    with pytest.raises(IdempotencyConflict):  # the same request with more visible rows
        create_export(LOOP_EXPORT, all_of_it, on, key="march")


def test_idempotency_ignores_the_order_of_filter_values(on: Services) -> None:
    def request(*tags: str, inboxes: tuple[str, ...] | None = None) -> ExportRequest:
        return replace(LOOP_EXPORT, parameters=ReportParameters(tag_ids=tags, inbox_ids=inboxes))

    first = create_export(request("b", "a", "c"), caller(), on, key="march")
    assert create_export(request("c", "b", "a"), caller(), on, key="march") == first
    for other in (request("a", "b"), request("a", "b", "c", inboxes=("a",)), LOOP_EXPORT):
        with pytest.raises(IdempotencyConflict):
            create_export(other, caller(), on, key="march")
    shown = create_export(replace(LOOP_EXPORT, columns=("b", "a")), caller(), on, key="columns")
    with pytest.raises(IdempotencyConflict):  # the order of columns matters
        create_export(replace(LOOP_EXPORT, columns=("a", "b")), caller(), on, key="columns")
    assert create_export(replace(LOOP_EXPORT, columns=("b", "a")), caller(), on, key="columns") == shown


def test_idempotency_ignores_the_order_of_filters_of_columns(on: Services) -> None:
    def either(*status: str) -> ColumnFilter:
        return ColumnFilter(column="status", operator=FilterOperator.IN, values=status)

    tagged = ColumnFilter(column="tag_ids", operator=FilterOperator.EQ, values=("t1",))
    first = create_export(replace(LOOP_EXPORT, filters=(either("Open", "Snoozed"), tagged)), caller(), on, key="key")
    repeated = replace(LOOP_EXPORT, filters=(tagged, either("Snoozed", "Open", "Open")))
    assert create_export(repeated, caller(), on, key="key") == first
    for other in (replace(LOOP_EXPORT, filters=(tagged,)), replace(repeated, order=("status",))):
        with pytest.raises(IdempotencyConflict):
            create_export(other, caller(), on, key="key")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (
            {"filters": (ColumnFilter(column="stats", operator=FilterOperator.EQ, values=("Open",)),)},
            "filters/0/column",
        ),
        (
            {"filters": (ColumnFilter(column="tag_ids", operator=FilterOperator.RANGE, values=("a", None)),)},
            "filters/0/op",
        ),
        (
            {"filters": (ColumnFilter(column="sent_count", operator=FilterOperator.EQ, values=("1",)),)},
            "filters/0/value",
        ),
        ({"order": ("-status", "sent_at")}, "order/1"),
        ({"order": ("-status", "status")}, "order/1"),
        ({"order": ("tag_ids",)}, "order/0"),
    ],
)
def test_filters_and_order_must_fit_the_report(on: Services, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        create_export(replace(LOOP_EXPORT, **changes), caller(), on)
    assert [fault.name for fault in caught.value.fields] == [field]
    with on.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(job_table)).scalar_one() == 0


def _ended(on: Services, how: str) -> str:
    """Create a job with the key ``march`` that ends in that way, and return its id."""
    job, now = create_export(LOOP_EXPORT, caller(), on, key="march"), on.clock()
    if how == "cancelled":
        cancel_export(ref(job.id, "loop"), caller(), on)
        return job.id
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
        assert lease is not None
        if how == "failed":
            jobs.fail(connection, lease, Failure(code="any", message="Any."), now=now)
            return job.id
        jobs.upload(connection, lease)
        file = Artifact(key="any", rows=0, bytes=1, sha256="0" * 64)
        life = timedelta(days=0 if how == "expired" else 1)
        jobs.succeed(connection, lease, file, now=now, expires_at=now + life)
    if how == "deleted":
        delete_export(ref(job.id, "loop"), caller(), on)
    return job.id


@pytest.mark.parametrize("how", ["failed", "cancelled", "expired", "deleted"])
def test_an_idempotency_key_is_released_when_its_job_has_no_file(on: Services, how: str) -> None:
    """A key whose job failed, or whose file is gone, can be used for a new request."""
    first = _ended(on, how)
    other = replace(LOOP_EXPORT, format="xlsx")  # even this
    second = create_export(other, caller(), on, key="march")
    assert second.id != first
    assert create_export(other, caller(), on, key="march") == second
    with pytest.raises(IdempotencyConflict):
        create_export(LOOP_EXPORT, caller(), on, key="march")


def test_an_idempotency_key_is_in_use_while_its_file_exists(on: Services) -> None:
    first = _ended(on, "succeeded")
    assert create_export(LOOP_EXPORT, caller(), on, key="march").id == first
    with pytest.raises(IdempotencyConflict):
        create_export(replace(LOOP_EXPORT, format="xlsx"), caller(), on, key="march")


def test_concurrent_creates_with_a_released_key_make_one_new_job(on: Services) -> None:
    first = _ended(on, "failed")
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(create_export(LOOP_EXPORT, caller(), on, key="march").id))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(made)), first in made) == (6, 1, False)


NUL = "a\0b"


@pytest.mark.parametrize(
    ("field", "requested"),
    [
        ("name", replace(EXPORT, name=NUL)),
        ("customer_emails", replace(EXPORT, parameters=ReportParameters(customer_emails=("a@b.example", NUL)))),
    ],
)
def test_a_text_with_a_nul_character_is_refused(on: Services, field: str, requested: ExportRequest) -> None:
    with pytest.raises(InvalidRequest) as refused:
        create_export(requested, caller(), on)
    assert [fault.name for fault in refused.value.fields] == [field]


def test_a_name_with_a_nul_character_matches_nothing(on: Services) -> None:
    with pytest.raises(JobNotFound):
        get_export(ref(NUL), caller(), on)
    with on.database.read() as connection:
        assert job_queries.get_by_reference(connection, NUL, tenant="acme") is None
        assert store_identity.get_credential(connection, NUL) is None
        assert list(store_identity.credentials_of_user(connection, NUL)) == []
        assert store_identity.get_key(connection, "someone", NUL) is None
        assert store_identity.get_key(connection, NUL, "key") is None


def test_a_deletion_conflicts_with_a_concurrent_retry(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = _ended(on, "failed")
    monkeypatch.setattr(jobs, "delete", lambda connection, job_id: False)  # another request has moved the job
    with pytest.raises(JobStateConflict):
        delete_export(ref(failed, "loop"), caller(), on)


def test_a_refused_create_does_not_use_its_idempotency_key(on: Services) -> None:
    quota = on.limits["loop"].default.open_jobs
    made = [create_export(LOOP_EXPORT, caller(), on) for _ in range(quota)]
    with pytest.raises(QuotaExceeded):
        create_export(LOOP_EXPORT, caller(), on, key="march")
    cancel_export(ref(made[0].id, "loop"), caller(), on)
    assert create_export(LOOP_EXPORT, caller(), on, key="march").status is Status.QUEUED


def test_a_job_records_its_actor_and_its_owner(on: Services) -> None:
    principal = replace(
        caller().principal, scopes=DEFAULT_SCOPES, user="olga@acme.example", effective="rita@acme.example"
    )
    job = create_export(LOOP_EXPORT, replace(caller(), principal=principal), on)
    with on.database.read() as connection:
        stored = job_queries.get(connection, job.id)
    assert stored == job
    assert (job.actor, job.effective) == ("olga@acme.example", "rita@acme.example")
    assert job.request.parameters.viewer_email == "rita@acme.example"
