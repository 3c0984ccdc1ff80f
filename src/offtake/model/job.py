"""The job, the durable record of one export request, and its state machine.

``MOVES`` defines the state machine. The store derives every conditional UPDATE from it, the database repeats its
invariants as CHECK constraints, ``docs/explanation/jobs.md`` draws it, and a test compares the three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from offtake.model.artifact import Artifact
from offtake.model.notice import Notice
from offtake.model.request import ExportRequest


class Status(StrEnum):
    """State of an export."""

    QUEUED = "queued"  # accepted; waiting for a worker, or for the next attempt
    RUNNING = "running"  # leased by a worker, which queries, writes and verifies
    UPLOADING = "uploading"  # verified; the file is being moved to its final key
    SUCCEEDED = "succeeded"  # published: the artifact can be downloaded
    FAILED = "failed"  # ended without an artifact, with an error code
    CANCELLED = "cancelled"  # ended on request, without an artifact
    EXPIRED = "expired"  # the retention of the artifact is over
    DELETED = "deleted"  # removed on request


MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.UPLOADING, Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    Status.UPLOADING: frozenset({Status.SUCCEEDED, Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset({Status.EXPIRED, Status.DELETED}),
    Status.FAILED: frozenset({Status.DELETED, Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.DELETED}),
    Status.EXPIRED: frozenset({Status.DELETED}),
    Status.DELETED: frozenset(),
}
LEASED = frozenset({Status.RUNNING, Status.UPLOADING})
OPEN = frozenset({Status.QUEUED, *LEASED})  # these count towards the quota
ENDED = frozenset(Status) - OPEN
SHARED_TABLE = "shared-table"  # holder of the newest version of a shared table (``Job.held_by``)


def sources(target: Status) -> frozenset[Status]:
    """Return the states from which a job may move to ``target``."""
    return frozenset(status for status, targets in MOVES.items() if target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Cause of a failed job: a stable code (``errors.py``) and a message that is safe to show."""

    code: str
    message: str


class Phase(StrEnum):
    """What a leased job is doing."""

    OPENING = "opening"  # files of the lake are located, and fetched from object storage
    QUERYING = "querying"  # the count of the rows, intermediate tables and sorting; no row is written yet
    WRITING = "writing"  # rows are written and verified
    PUBLISHING = "publishing"  # the files are moved to their final keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the running attempt is. It is recorded with each heartbeat, so it may be a few seconds old."""

    phase: Phase
    rows: int  # written so far, in all files


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What all attempts of a job read, recorded by the first one."""

    report_version: str  # hash of the report's definition (``catalogue/version.py``)
    lake_versions: Mapping[str, int | None]  # Delta version by table; None: the table was never loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the job table. All instants are UTC."""

    id: str  # lower-case UUID with dashes
    tenant: str
    principal: str  # id of the credential that created it
    request: ExportRequest
    status: Status
    fence: int  # number of leases so far; only the newest may publish
    attempts: int  # attempts begun and not requeued
    created_at: datetime
    not_before: datetime  # a queued job is due from this instant on
    started_at: datetime | None = None  # of the latest attempt
    finished_at: datetime | None = None  # set if and only if the job has ended
    expires_at: datetime | None = None  # end of the artifact's retention
    artifact: Artifact | None = None  # set if and only if the job has succeeded
    failure: Failure | None = None  # set if and only if the job has failed; kept after deletion
    reference: str | None = None  # the dialect's own name of the job, if that is not the id; unique
    actor: str | None = None  # the person who created it; None: a credential of no person
    effective: str | None = None  # the owner: the actor, or the person whom the actor impersonated
    estimated_duration: timedelta = timedelta(0)  # whole seconds; it delays the job in the queue
    estimated_rows: int | None = None  # None: there is nothing to estimate them from
    held_at: datetime | None = None  # start of a hold: retention and deletion do not remove the file
    # Id of the client's credential that holds it, or ``SHARED_TABLE``; None: the operator, if it is held.
    held_by: str | None = None
    pin: Pin | None = None  # None: no attempt has begun to read
    notices: tuple[Notice, ...] = ()  # about the data that the attempts read, recorded with the pin
    progress: Progress | None = None  # of the latest attempt; None: it has not recorded any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Condition on jobs; a field that is None does not restrict."""

    tenant: str | None = None
    dialect: str | None = None
    report: str | None = None
    status: Status | None = None
    since: datetime | None = None  # created at this instant or later
    person: str | None = None  # the actor or the owner
    reports: tuple[str, ...] | None = None  # one of these


def has_file(job: Job, now: datetime) -> bool:
    """Whether the job's file is available: published, and its retention not over, whether or not it was removed yet."""
    return job.artifact is not None and job.expires_at is not None and job.expires_at > now


def apply_retention(job: Job, now: datetime) -> Job:
    """Return the job, as expired if its retention is over and maintenance has not recorded that yet."""
    if job.status is Status.SUCCEEDED and not has_file(job, now):
        return replace(job, status=Status.EXPIRED, artifact=None)
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledJob:
    """The job with that id as it was read together with the credentials of a caller, of the caller's tenant."""

    id: str
    job: Job | None  # None: the tenant has no such job
    database_time: datetime | None  # by the database's clock; None where the host's clock applies (``store.clock``)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of a worker to run a job until an instant. The fence identifies the lease."""

    job: Job
    fence: int
    worker: str
    until: datetime
