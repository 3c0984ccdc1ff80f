"""Create an export, estimate it, or preview its rows."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from offtake.core.admin import identity
from offtake.core.exports.create import create_export
from offtake.core.exports.estimate import Estimate, estimate
from offtake.core.exports.preview import preview
from offtake.http.access_log import bind_log
from offtake.model.job import OPEN, Job
from offtake.model.request import Split
from offtake.wire.native.auth import NativeCall
from offtake.wire.native.documents import EstimateDocument, ExportDocument, PreviewColumn, PreviewDocument
from offtake.wire.native.encode import encode_notices, encode_polled
from offtake.wire.native.requests import Decoding, decode_export, decode_preview
from offtake.wire.native.responses import CREATED_HEADERS, answered, problems
from offtake.wire.native.route import NativeRoute, Writer, checked_by, counted_as
from offtake.wire.native.saved_requests import decoding
from offtake.wire.native.schema import ExportBody, PreviewBody, parse_duration
from offtake.wire.native.settings import CREATE, PREVIEW
from offtake.wire.native.tables import API
from offtake.wire.native.waiting import MOST_SECONDS, preferred_wait, until_ended

routes = APIRouter(
    prefix=f"{API}/exports",
    tags=["exports"],
    route_class=NativeRoute,
    generate_unique_id_function=lambda route: route.name,
)
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,255}$",
        description="A repeated request with the same key and body returns the export of the first one.",
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer", description=f"wait=10 waits up to 10 seconds, at most {MOST_SECONDS}, for the end (RFC 7240)."
    ),
]


def _decoding(call: NativeCall) -> Decoding:
    """Return what decoding a request of the caller needs besides its body."""
    tenant = identity.get_tenant(call.by.principal.tenant, call.on)
    return decoding(call.by.principal, call.on, account_zone=tenant.zone)


def _check_export(body: ExportBody, call: NativeCall) -> None:
    decode_export(body, _decoding(call))


def _check_preview(body: PreviewBody, call: NativeCall) -> None:
    decode_preview(body, _decoding(call))


@routes.post(
    "",
    summary="Create an export.",
    status_code=202,
    response_model=ExportDocument | EstimateDocument,
    responses={
        **problems(409, 507, has_body=True),
        **answered(
            200,
            "The export has ended already, or the estimate of a dry run.",
            CREATED_HEADERS,
            ExportDocument | EstimateDocument,
        ),
        **answered(202, "The export is queued.", CREATED_HEADERS),
    },
)
@counted_as(CREATE)
@checked_by(_check_export)
async def create(
    body: ExportBody,
    call: Writer,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> ExportDocument | EstimateDocument:
    """Create an export. With Prefer: wait, a small export is answered when it has ended."""
    if body.dry_run:
        response.status_code = 200
        return await run_in_threadpool(_estimate, body, call)
    job = await run_in_threadpool(_create, body, call, idempotency_key)
    bind_log(request, job=job.id)
    seconds = preferred_wait(prefer)
    if seconds is not None:
        response.headers["preference-applied"] = f"wait={seconds}"
        job = await until_ended(job, seconds, request, call)
    response.headers["location"] = call.absolute(f"{API}/exports/{job.id}")
    if job.status not in OPEN:
        response.status_code = 200
    return await run_in_threadpool(encode_polled, job, call, response)


def _create(body: ExportBody, call: NativeCall, key: str | None) -> Job:
    reuse_within = parse_duration(body.reuse_within) if body.reuse_within else None
    return create_export(decode_export(body, _decoding(call)), call.by, call.on, key=key, reuse_within=reuse_within)


def _estimate(body: ExportBody, call: NativeCall) -> EstimateDocument:
    request = decode_export(body, _decoding(call))
    found = estimate(request, call.by, call.on)
    return EstimateDocument(
        dry_run=True,
        rows=found.rows,
        bytes=found.bytes,
        seconds=found.seconds,
        files=_files(request.split, found),
        notices=encode_notices(found.notices),
    )


def _files(split: Split | None, found: Estimate) -> int | None:
    """How many files the rows or the bytes of an export fill."""
    if split is None:
        return 1
    total, limit = (found.rows, split.rows) if split.rows else (found.bytes, split.bytes)
    return None if total is None or not limit else max(1, math.ceil(total / limit))


@routes.post("/preview", summary="Preview an export.", responses=problems(has_body=True))
@counted_as(PREVIEW)
@checked_by(_check_preview)
def preview_export(body: PreviewBody, call: Writer) -> PreviewDocument:
    """Return the first rows of a request as JSON, within seconds. Nothing is created."""
    request = decode_preview(body, _decoding(call))
    found = preview(request, call.by, call.on, body.rows)
    types = {column.name: column.type for column in call.on.catalogue.reports[request.report].columns}
    return PreviewDocument(
        report=request.report,
        columns=[PreviewColumn(name=each.name, type=types[each.source]) for each in found.columns],
        rows=[[row[each.name] for each in found.columns] for row in found.rows],
        truncated=found.truncated,
        notices=encode_notices(found.notices),
    )
