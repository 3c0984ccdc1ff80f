"""The dialect's endpoints for jobs and files: create, list, status, cancel, download, delete (Talkdesk contract 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.responses import JSONResponse, RedirectResponse, Response

from offtake.core.admin import identity
from offtake.core.exports import download
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.download import Link
from offtake.core.exports.read import JobPage, JobRef, Listing, get_export, list_exports
from offtake.errors import FieldFault, UnknownReport
from offtake.http.access_log import bind_log
from offtake.http.downloads import link_path
from offtake.model.job import Job, Status
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.endpoint import Endpoint, add_document, new_router, require_scope
from offtake.wire.pipeline import add_endpoints
from offtake.wire.talkdesk.auth import TalkdeskCall, authenticate, authenticate_poll, limit_rate
from offtake.wire.talkdesk.openapi import DOCUMENT_PATH, document
from offtake.wire.talkdesk.operations import operations
from offtake.wire.talkdesk.requests import decode_create, decode_list, refuse_other_media
from offtake.wire.talkdesk.responses import encode_created, encode_job, encode_list
from offtake.wire.talkdesk.settings import TalkdeskSettings
from offtake.wire.talkdesk.tables import NAME
from offtake.wire.talkdesk.token_endpoints import REVOKE, TOKEN

Wanted = TypeVar("Wanted", ExportRequest, Listing, JobRef)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded(Generic[Wanted]):
    """What the client asks for, and the report that the path names, which the answer needs as well."""

    publication: Publication
    wanted: Wanted


def router(wire: Wire[TalkdeskSettings]) -> APIRouter:
    """All routes of the dialect."""
    routes = new_router(wire.dialect)
    add_endpoints(routes, operations(wire.on.catalogue), _ENDPOINTS, wire)
    add_document(routes, DOCUMENT_PATH, document(wire.on.catalogue, wire.public_url))
    return routes


def _publication(call: TalkdeskCall) -> Publication:
    """The report that the path names. Raises UnknownReport, which is 400, not 404 (Talkdesk contract 2.1)."""
    publication = call.on.catalogue.by_slug(NAME, call.request.path_params["report_type"])
    if publication is None:
        raise UnknownReport("There is no such report type.", [FieldFault("report_type", "unknown")])
    return publication


def _polls_inline(wire: Wire[Any]) -> bool:
    """Whether status polls run in the event loop.

    A poll is one point read, which an embedded database answers in less time than a thread takes. Where reads are
    audited, a poll writes as well, and a write may have to wait.
    """
    limits = wire.on.limits[NAME]
    audited = any(each.audit_reads for each in (limits.default, *limits.overrides.values()))
    return wire.on.database.reads_in_process and not audited


# --- create and list -------------------------------------------------------------------------------------------------


def _decode_create(call: TalkdeskCall) -> _Decoded[ExportRequest]:
    publication = _publication(call)
    refuse_other_media(call.request)
    tenant = identity.get_tenant(call.by.principal.tenant, call.on)
    limits = call.on.limits[NAME].of(tenant.name)
    request = decode_create(call.body, publication, row_limit=limits.rows, account_zone=tenant.zone)
    return _Decoded(publication=publication, wanted=request)


def _create(call: TalkdeskCall, decoded: _Decoded[ExportRequest]) -> Job:
    job = create_export(decoded.wanted, call.by, call.on)
    bind_log(call.request, job=job.id)
    return job


def _answer_created(call: TalkdeskCall, decoded: _Decoded[ExportRequest], job: Job) -> Response:
    return JSONResponse(encode_created(job, decoded.publication, call.absolute), 202)


_CREATE = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.WRITE),
    decode=_decode_create,
    act=_create,
    encode=_answer_created,
    has_body=True,
)


def _decode_list(call: TalkdeskCall) -> _Decoded[Listing]:
    publication = _publication(call)
    return _Decoded(publication=publication, wanted=decode_list(call.request.query_params, publication))


def _list(call: TalkdeskCall, decoded: _Decoded[Listing]) -> JobPage:
    return list_exports(decoded.wanted, call.by, call.on)


def _answer_list(call: TalkdeskCall, decoded: _Decoded[Listing], page: JobPage) -> Response:
    return JSONResponse(encode_list(page, decoded.wanted, decoded.publication, call.absolute))


_LIST = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),
    decode=_decode_list,
    act=_list,
    encode=_answer_list,
)


# --- one job and its file --------------------------------------------------------------------------------------------


def _decode_job(call: TalkdeskCall) -> _Decoded[JobRef]:
    """The job that the path names; under the path of another report it is not found."""
    publication = _publication(call)
    ref = JobRef(id=call.request.path_params["job_id"], dialect=NAME, report=publication.report)
    return _Decoded(publication=publication, wanted=ref)


def _read(call: TalkdeskCall, decoded: _Decoded[JobRef]) -> Job:
    return get_export(decoded.wanted, call.by, call.on, call.polled)


def _answer_status(call: TalkdeskCall, decoded: _Decoded[JobRef], job: Job) -> Response:
    """200 until the job has a file, then 303 to the file."""
    document = encode_job(job, decoded.publication, call.absolute)
    if job.status is not Status.SUCCEEDED:
        return JSONResponse(document)
    return JSONResponse(document, 303, headers={"location": document["_links"]["files"]["href"]})


_STATUS = Endpoint(
    authenticate=authenticate_poll,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),
    decode=_decode_job,
    act=_read,
    encode=_answer_status,
    runs_inline=_polls_inline,
)


def _cancel(call: TalkdeskCall, decoded: _Decoded[JobRef]) -> None:
    cancel_export(decoded.wanted, call.by, call.on)


def _answer_done(call: TalkdeskCall, _: _Decoded[JobRef], __: None) -> Response:
    return Response(status_code=204)


_CANCEL = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.WRITE),
    decode=_decode_job,
    act=_cancel,
    encode=_answer_done,
)


def _make_link(call: TalkdeskCall, decoded: _Decoded[JobRef]) -> Link:
    return download.mint(decoded.wanted, call.by, call.on)


def _answer_link(call: TalkdeskCall, _: _Decoded[JobRef], link: Link) -> Response:
    """302 to a new signed link; absolute, because clients use it as it is."""
    return RedirectResponse(call.absolute(link_path(link)), 302)


_DOWNLOAD = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),
    decode=_decode_job,
    act=_make_link,
    encode=_answer_link,
)


def _delete(call: TalkdeskCall, decoded: _Decoded[JobRef]) -> None:
    delete_export(decoded.wanted, call.by, call.on)


_DELETE = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.WRITE),
    decode=_decode_job,
    act=_delete,
    encode=_answer_done,
)

_ENDPOINTS: dict[str, Endpoint[TalkdeskSettings, Any, Any, Any]] = {
    "token": TOKEN,
    "revoke": REVOKE,
    "create": _CREATE,
    "list": _LIST,
    "status": _STATUS,
    "cancel": _CANCEL,
    "download": _DOWNLOAD,
    "delete": _DELETE,
}
