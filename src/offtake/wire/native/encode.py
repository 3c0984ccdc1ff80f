"""Encodes exports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.responses import Response

from offtake.core.exports.read import queue_position
from offtake.model.job import LEASED, OPEN, Job, Phase, Status
from offtake.model.notice import Notice
from offtake.wire.native.auth import NativeCall
from offtake.wire.native.documents import ExportDocument, ExportLinks, FailureDocument, NoticeDocument, ProgressDocument
from offtake.wire.native.tables import API, FORMAT_WORDS

_MOST_PERCENT = 99.0  # of an export that has not ended
_LONGEST_PAUSE = 30  # seconds between two polls


def encode_export(job: Job, call: NativeCall) -> ExportDocument:
    """The export and its state. Reads the position of a queued one."""
    now = call.on.clock()
    path = call.absolute(f"{API}/exports/{job.id}")
    failure, artifact = job.failure, job.artifact
    return ExportDocument(
        id=job.id,
        state=job.status,
        report=job.request.report,
        name=job.request.name,
        format=FORMAT_WORDS[job.request.format],
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        held=job.held_at is not None,
        attempt=job.attempts,
        position=queue_position(job, call.on),
        expected_end=_expected_end(job, now),
        progress=_progress(job, now),
        rows=artifact.rows if artifact else None,
        bytes=artifact.bytes if artifact else None,
        error=FailureDocument(code=failure.code, detail=failure.message) if failure else None,
        notices=encode_notices(job.notices),
        links=ExportLinks(self=path, events=f"{path}/events", manifest=f"{path}/manifest", cancel=f"{path}/cancel"),
    )


def encode_notices(given: Sequence[Notice]) -> list[NoticeDocument]:
    """The notices about the tables that an export reads."""
    return [
        NoticeDocument(code=each.code, table=each.table, columns=list(each.columns), detail=each.message)
        for each in given
    ]


def encode_polled(job: Job, call: NativeCall, response: Response) -> ExportDocument:
    """The export, with the pause before the next poll in a header of the response."""
    seconds = _retry_after(job, call.on.clock())
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    return encode_export(job, call)


def _retry_after(job: Job, now: datetime) -> int | None:
    """Seconds after which a client should poll again; None if the export has ended. The pause grows with its age."""
    if job.status not in OPEN:
        return None
    return max(1, min(_LONGEST_PAUSE, int((now - job.created_at).total_seconds() / 10)))


def _progress(job: Job, now: datetime) -> ProgressDocument:
    rows = job.artifact.rows if job.artifact else None
    if job.status is Status.SUCCEEDED:
        return ProgressDocument(phase="done", rows=rows, estimated_rows=rows, percent=100.0)
    if job.status not in LEASED:
        expected = job.estimated_rows if job.status in OPEN else None
        return ProgressDocument(phase=job.status.value, rows=None, estimated_rows=expected, percent=None)
    progress = job.progress
    return ProgressDocument(
        phase=progress.phase.value if progress else Phase.OPENING.value,
        rows=progress.rows if progress else None,
        estimated_rows=job.estimated_rows,
        percent=_percent(job, now),
    )


def _percent(job: Job, now: datetime) -> float | None:
    """By the written rows, or by the time if none are written yet; None without an earlier export of the kind."""
    written = job.progress.rows if job.progress else 0
    if written and job.estimated_rows:
        share = written / job.estimated_rows
    elif job.started_at is not None and job.estimated_duration:
        share = max(timedelta(0), now - job.started_at) / job.estimated_duration
    else:
        return None
    return round(min(_MOST_PERCENT, 100 * share), 1)


def _expected_end(job: Job, now: datetime) -> datetime | None:
    """When the running attempt ends, by the duration of earlier exports of the kind."""
    if job.status not in LEASED or job.started_at is None or not job.estimated_duration:
        return None
    return max(now, job.started_at + job.estimated_duration)
