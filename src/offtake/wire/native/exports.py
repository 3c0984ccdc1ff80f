"""Exports that exist: list, read, follow, cancel, keep and delete."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool

from offtake.core.exports import keep
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef, Slice, find_export, get_export, list_slice
from offtake.errors import JobNotFound, JobStateConflict, NotAuthenticated, NotPermitted
from offtake.http.admission import TRAFFIC
from offtake.model.job import OPEN, Job, Status
from offtake.model.tenant import Scope
from offtake.wire.document import JSON
from offtake.wire.endpoint import Endpoint, require_scope
from offtake.wire.native.auth import NativeCall, authenticate_again, authenticate_poll
from offtake.wire.native.cursor import decode_cursor, encode_cursor
from offtake.wire.native.documents import ExportDocument, ExportList
from offtake.wire.native.encode import encode_export, encode_polled
from offtake.wire.native.faults import InvalidFields, fault
from offtake.wire.native.rates import limit_rate
from offtake.wire.native.responses import POLL_HEADERS, answered, problems
from offtake.wire.native.route import NativeRoute, Reader, Writer, answered_by, checked_by, reads_inline
from offtake.wire.native.schema import DIGITS, RetentionBody
from offtake.wire.native.settings import READ
from offtake.wire.native.tables import API, NAME
from offtake.wire.native.timespans import parse_instant
from offtake.wire.native.waiting import LOOK_SECONDS, MOST_SECONDS, Changes, changes, until_ended

routes = APIRouter(
    prefix=f"{API}/exports",
    tags=["exports"],
    route_class=NativeRoute,
    generate_unique_id_function=lambda route: route.name,
)
Wait = Annotated[
    int,
    DIGITS,
    Query(ge=0, le=MOST_SECONDS, description="Seconds for which the answer may wait until the export has ended."),
]


# --- list and read ---------------------------------------------------------------------------------------------------


def _check_instant(since: str | None) -> str | None:
    try:
        if since is not None:
            parse_instant(since)
    except ValueError as error:
        raise ValueError("This is no instant with an offset, such as 2026-11-01T00:00:00Z.") from error
    return since


def _check_cursor(cursor: str | None) -> str | None:
    try:
        if cursor is not None:
            decode_cursor(cursor)
    except ValueError as error:
        raise ValueError("This is no cursor; send next of the page before.") from error
    return cursor


@routes.get("", summary="List the exports.", responses=problems())
def list_exports(
    call: Reader,
    report: Annotated[str | None, Query(max_length=200, description="Only exports of this report.")] = None,
    state: Annotated[Status | None, Query(description="Only exports in this state.")] = None,
    since: Annotated[
        str | None,
        AfterValidator(_check_instant),
        Query(
            max_length=40,
            description="Only exports created at this instant or later (RFC 3339).",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        AfterValidator(_check_cursor),
        Query(max_length=200, description="next of the page before."),
    ] = None,
    limit: Annotated[int, DIGITS, Query(ge=1, le=200, description="Most exports of a page.")] = 50,
) -> ExportList:
    """Return a page of the exports that the caller may see, newest first. New exports do not move the others."""
    wanted = Slice(
        dialect=NAME,
        limit=limit + 1,
        report=report,
        status=state,
        since=None if since is None else parse_instant(since),
        before=None if cursor is None else decode_cursor(cursor),
    )
    found = list_slice(wanted, call.by, call.on)
    page = found[:limit]
    shown = [job for job in page if state in (None, job.status)]  # one may have expired since it was stored
    return ExportList(
        exports=[encode_export(job, call) for job in shown],
        next=encode_cursor(page[-1]) if len(found) > limit else None,
    )


def _decode_poll(call: NativeCall) -> JobRef:
    return _ref(call.request.path_params["id"])


def _read_polled(call: NativeCall, ref: JobRef) -> Job:
    return get_export(ref, call.by, call.on, call.polled)


def _answer_poll(call: NativeCall, _: JobRef, job: Job) -> Response:
    response = Response(media_type=JSON)
    response.body = encode_polled(job, call, response).model_dump_json().encode()
    response.headers["content-length"] = str(len(response.body))
    return response


_POLL = Endpoint(
    authenticate=authenticate_poll,
    limit_rate=limit_rate(READ),
    authorise=require_scope(Scope.READ),
    decode=_decode_poll,
    act=_read_polled,
    encode=_answer_poll,
    runs_inline=reads_inline,
)


@routes.get(
    "/{id}",
    summary="Read an export.",
    responses={**problems(404), **answered(200, "The export.", POLL_HEADERS)},
)
@answered_by(_POLL)
async def read(id: str, call: Reader, request: Request, response: Response, wait: Wait = 0) -> ExportDocument:  # noqa: A002
    """Return the export. With wait, answer when it has ended, or after that many seconds."""
    job = await run_in_threadpool(get_export, _ref(id), call.by, call.on)
    job = await until_ended(job, wait, request, call)
    return await run_in_threadpool(encode_polled, job, call, response)


def _ref(id_: str) -> JobRef:
    return JobRef(id=id_, dialect=NAME)


async def _open_stream(id: str, call: Reader, request: Request) -> AsyncIterator[tuple[Job, Changes]]:  # noqa: A002
    """Watch the export until the response has been sent. Raises JobNotFound, Throttled, Unavailable."""
    job = await run_in_threadpool(get_export, _ref(id), call.by, call.on)
    refusal = request.scope[TRAFFIC].wait_refusal(job.tenant)
    if refusal is not None:
        raise refusal
    waiting = changes(request)
    with ExitStack() as watched:
        if job.status in OPEN:
            watched.enter_context(waiting.of(job))
        yield job, waiting


@routes.get(
    "/{id}/events",
    summary="Follow an export.",
    response_class=EventSourceResponse,
    responses=problems(404),
)
async def follow(
    id: str,  # noqa: A002
    call: Reader,
    request: Request,
    stream: Annotated[tuple[Job, Changes], Depends(_open_stream)],
) -> AsyncIterator[ServerSentEvent]:
    """Send the export whenever it changes, as the event progress, and as the event end when it has ended.

    A comment is sent every 15 seconds without a change. The stream also ends when the server shuts down, and when the
    token ends: read on.
    """
    job, waiting = stream
    number = 0
    while True:
        document = await run_in_threadpool(encode_export, job, call)
        has_ended = job.status not in OPEN
        yield ServerSentEvent(event="end" if has_ended else "progress", id=str(number), data=document)
        if has_ended:
            return
        number += 1
        has_changed = False
        while not has_changed:
            has_changed = await waiting.wait(LOOK_SECONDS)
            if request.scope[TRAFFIC].is_draining:
                return
            try:
                call = await run_in_threadpool(authenticate_again, call)
                job = await run_in_threadpool(find_export, _ref(id), call.by, call.on)
            except (JobNotFound, NotAuthenticated, NotPermitted):
                return


def head_of_stream(id: str, call: Reader) -> Response:  # noqa: A002
    """Answer HEAD like the stream, without waiting. Raises JobNotFound."""
    get_export(_ref(id), call.by, call.on)
    return EventSourceResponse((), headers={"cache-control": "no-cache", "x-accel-buffering": "no"})


# --- end and keep ----------------------------------------------------------------------------------------------------


@routes.post("/{id}/cancel", summary="Cancel an export.", responses=problems(404, 409))
def cancel(id: str, call: Writer) -> ExportDocument:  # noqa: A002
    """End an export that has not ended; its attempt stops at once. One that was cancelled stays so."""
    try:
        job = cancel_export(_ref(id), call.by, call.on)
    except JobStateConflict:
        job = find_export(_ref(id), call.by, call.on)
        if job.status is not Status.CANCELLED:
            raise
    return encode_export(job, call)


@routes.delete(
    "/{id}", summary="Delete the files.", status_code=204, response_class=Response, responses=problems(404, 409, 410)
)
def delete(id: str, call: Writer) -> None:  # noqa: A002
    """Delete the files of an export that has ended. Its record stays, in the state deleted."""
    delete_export(_ref(id), call.by, call.on)


def _check_retention(body: RetentionBody, call: NativeCall) -> None:
    """Raise InvalidFields for what the operator does not allow."""
    longest = call.settings.longest_retention_days
    faults = [] if (body.days is None) != (body.hold is None) else [fault("Send either days or hold.")]
    if body.days is not None and body.days > longest:
        faults.append(fault(f"The operator allows at most {longest:g} days.", "days"))
    if faults:
        raise InvalidFields(faults)


@routes.post("/{id}/retention", summary="Keep the files.", responses=problems(404, 409, has_body=True))
@checked_by(_check_retention)
def retain(id: str, body: RetentionBody, call: Writer) -> ExportDocument:  # noqa: A002
    """Keep the files longer, or hold them until they are released, within the operator's bounds."""
    _check_retention(body, call)
    if body.days is not None:
        job = keep.extend_retention(_ref(id), timedelta(days=body.days), call.by, call.on)
    elif not call.settings.holds:
        raise NotPermitted("The operator does not allow clients to hold exports.")
    else:
        job = (keep.hold_export if body.hold else keep.release_export)(_ref(id), call.by, call.on)
    return encode_export(job, call)
