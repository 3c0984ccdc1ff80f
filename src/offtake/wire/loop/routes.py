"""The dialect's endpoints: create, read, and the files (Loop contract 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.download import Download, Link
from offtake.core.exports.read import JobRef, get_export
from offtake.errors import ArtifactNotFound, JobNotFound
from offtake.http.access_log import bind_log
from offtake.http.download_threads import in_download_thread
from offtake.http.downloads import answer
from offtake.http.media_type import UnsupportedMedia, media_type
from offtake.model.job import Job, Status
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.endpoint import (
    Endpoint,
    IncomingRequest,
    add_document,
    decode_nothing,
    new_router,
    permit,
    unlimited,
)
from offtake.wire.loop.auth import LoopCall, authenticate, authorise, limit_rate
from offtake.wire.loop.errors import render_error
from offtake.wire.loop.links import link_path, open_file
from offtake.wire.loop.openapi import DOCUMENT_PATH, document
from offtake.wire.loop.operations import operations
from offtake.wire.loop.requests import decode_create, decode_id, decode_key
from offtake.wire.loop.responses import encode_export, encode_gone, is_gone
from offtake.wire.loop.settings import CREATE, READ, LoopSettings
from offtake.wire.loop.tables import NAME, REPORT
from offtake.wire.pipeline import add_endpoints, note_denial


def router(wire: Wire[LoopSettings]) -> APIRouter:
    """All routes of the dialect."""
    most = max(each.list_entries for each in (wire.settings.default, *wire.settings.overrides.values()))
    routes = new_router(wire.dialect)
    add_endpoints(routes, operations(most_entries=most), _ENDPOINTS, wire)
    add_document(routes, DOCUMENT_PATH, document(wire.on.catalogue, wire.public_url, most_entries=most))
    return routes


# --- create ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _CreateRequest:
    request: ExportRequest
    key: str | None  # idempotency key


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export:
    """What the caller may see of an export."""

    job: Job | None  # None: gone, unknown or hidden
    link: Link | None = None  # to the file of a finished export


def _decode_create(call: LoopCall) -> _CreateRequest:
    _require_json(call.request)
    publication = call.on.catalogue.slugs[NAME, REPORT]
    key = decode_key(call.request.headers.get("idempotency-key"))
    request = decode_create(call.body, publication, call.settings, account_zone=call.tenant.zone)
    return _CreateRequest(request=request, key=key)


def _create(call: LoopCall, wanted: _CreateRequest) -> tuple[str, _Export]:
    """The id of the job; the export may be finished already if the idempotency key was used before."""
    job = create_export(wanted.request, call.by, call.on, key=wanted.key)
    bind_log(call.request, job=job.id)
    return job.id, _with_link(call, job)


def _answer_created(call: LoopCall, _: _CreateRequest, created: tuple[str, _Export]) -> Response:
    return _encode(call, *created)


_CREATE = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate(CREATE),
    authorise=authorise(Scope.WRITE),
    decode=_decode_create,
    act=_create,
    encode=_answer_created,
    has_body=True,
)


# --- read ------------------------------------------------------------------------------------------------------------


def _decode_read(call: LoopCall) -> JobRef:
    return JobRef(id=decode_id(call.request.path_params["id"]), dialect=NAME)


def _read(call: LoopCall, ref: JobRef) -> _Export:
    try:
        job = get_export(ref, call.by, call.on)
    except JobNotFound as error:
        if call.settings.unknown_id == "404":
            raise
        note_denial(call, error)
        return _Export(job=None)
    return _with_link(call, job)


def _answer_read(call: LoopCall, _: JobRef, export: _Export) -> Response:
    return _encode(call, call.request.path_params["id"], export)


_READ = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate(READ),
    authorise=authorise(Scope.READ),
    decode=_decode_read,
    act=_read,
    encode=_answer_read,
)


# --- the file --------------------------------------------------------------------------------------------------------


def _permit_link(incoming: IncomingRequest[LoopSettings]) -> IncomingRequest[LoopSettings]:
    """No credentials: the link is its own authorisation, and ``_open_file`` checks its signature."""
    return incoming


def _open_file(incoming: IncomingRequest[LoopSettings], _: None) -> Download:
    return open_file(incoming.request.path_params["id"], incoming.request.query_params, incoming.on)


def _send_file(incoming: IncomingRequest[LoopSettings], _: None, found: Download) -> Response:
    """The file or the requested ranges. Supports Range and conditions."""
    return answer(found, render_error)


_FILE = Endpoint(
    authenticate=_permit_link,
    limit_rate=unlimited,
    authorise=permit,
    decode=decode_nothing,
    act=_open_file,
    encode=_send_file,
    run_in_thread=in_download_thread,
)


def _with_link(call: LoopCall, job: Job) -> _Export:
    """The export with a new link to its file, if it has one."""
    if is_gone(job):
        return _Export(job=None)
    if job.status is not Status.SUCCEEDED:
        return _Export(job=job)
    try:
        return _Export(job=job, link=download.mint(JobRef(id=job.id, dialect=NAME), call.by, call.on))
    except ArtifactNotFound:  # expired since the job was read
        return _Export(job=None)


def _encode(call: LoopCall, id_: str, export: _Export) -> Response:
    if export.job is None:
        return encode_gone(id_, call.settings)
    url = None
    if export.link is not None:
        path = link_path(export.link)
        url = call.settings.link_url + path if call.settings.link_url else call.absolute(path)
    return encode_export(id_, export.job, call.settings, url)


def _require_json(request: Request) -> None:
    """Raise UnsupportedMedia unless the content type is JSON (Loop contract 2; 415 is proposed)."""
    if media_type(request) != "application/json":
        raise UnsupportedMedia("Send the body as application/json.")


_ENDPOINTS: dict[str, Endpoint[LoopSettings, Any, Any, Any]] = {"create": _CREATE, "read": _READ, "download": _FILE}
