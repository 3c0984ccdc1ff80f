"""The job: the durable record of one export request, and the table of its moves.

``MOVES`` is the only statement of the state machine. The store derives every conditional UPDATE from it, the database
repeats the invariants as CHECKs, ``docs/explanation/jobs.md`` draws it, and a test compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from offtake.model.artifact import Artifact
from offtake.model.request import ExportRequest


class Status(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # accepted; waiting for a worker, or for the next attempt
    RUNNING = "running"  # leased by a worker: querying, writing, verifying
    UPLOADING = "uploading"  # verified; being put where downloads find it
    SUCCEEDED = "succeeded"  # published: the artifact can be downloaded
    FAILED = "failed"  # ended without an artifact, with an error code
    CANCELLED = "cancelled"  # ended on request, without an artifact
    EXPIRED = "expired"  # the artifact outlived its retention
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
OPEN = frozenset({Status.QUEUED, *LEASED})  # counts towards the quota
ENDED = frozenset(Status) - OPEN


def sources(target: Status) -> frozenset[Status]:
    """The states from which a job may move to ``target``."""
    return frozenset(status for status, targets in MOVES.items() if target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed: a stable code (``errors.py``) and a sentence that is safe to show."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the job table. All instants are UTC."""

    id: str  # lower-case UUID with dashes
    tenant: str
    principal: str  # id of the credential that ordered it
    request: ExportRequest
    status: Status
    fence: int  # number of leases granted so far; only the newest may publish
    attempts: int  # attempts begun and not handed back
    created_at: datetime
    not_before: datetime  # a queued job waits at least until then
    started_at: datetime | None = None  # of the latest attempt
    finished_at: datetime | None = None  # set exactly when the job has ended
    expires_at: datetime | None = None  # end of the artifact's retention
    artifact: Artifact | None = None  # set exactly when succeeded
    failure: Failure | None = None  # set exactly when failed (kept after deletion)
    reference: str | None = None  # what its dialect calls it, where that is not the id; unique
    actor: str | None = None  # the person who ordered it; None: the tenant as a whole did
    effective: str | None = None  # the person it belongs to: the actor, or whom the actor acted as
    estimated_duration: timedelta = timedelta(0)  # how long it may run, in whole seconds; what is expected long yields
    held_at: datetime | None = None  # since when its file must be kept, whatever retention and callers say


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant. A criterion that is None is off."""

    tenant: str | None = None
    dialect: str | None = None
    report: str | None = None
    status: Status | None = None
    since: datetime | None = None  # made then or later
    person: str | None = None  # who ordered them, or whom they belong to


def has_file(job: Job, now: datetime) -> bool:
    """Whether the job's file is there to be had: published, and its retention not over, swept already or not."""
    return job.artifact is not None and job.expires_at is not None and job.expires_at > now


def seen_at(job: Job, now: datetime) -> Job:
    """The job as whoever looks then must see it: a file whose time is over has expired, swept already or not."""
    if job.status is Status.SUCCEEDED and not has_file(job, now):
        return replace(job, status=Status.EXPIRED, artifact=None)
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run a job until an instant; the fence proves it."""

    job: Job
    fence: int
    worker: str
    until: datetime
