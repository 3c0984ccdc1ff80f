"""The dialect's endpoints: token, create, list, status, cancel, download, delete (sections 1.2 and 2)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from offtake.core import download, exports, identity
from offtake.core.exports import Caller, JobRef
from offtake.core.grants import require
from offtake.errors import FieldFault, UnknownReport
from offtake.model.job import Status
from offtake.model.report import Publication
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.http import DirectRoute, bind_log, remote_address
from offtake.wire.links import link_path
from offtake.wire.talkdesk.auth import caller, decode_token_request, scope_text
from offtake.wire.talkdesk.codec import (
    Absolute,
    decode_create,
    decode_list,
    encode_created,
    encode_job,
    encode_list,
    refuse_other_media,
)
from offtake.wire.talkdesk.settings import TalkdeskSettings
from offtake.wire.talkdesk.tables import NAME

_ROOT = "/data/reports/{report_type}"


def router(wire: Wire[TalkdeskSettings]) -> APIRouter:
    """All routes of the dialect. Each does its blocking work in one trip to the thread pool, but for polls: they are
    two point reads, which an embedded database answers quicker than the trip takes."""
    routes = APIRouter(tags=[NAME], route_class=DirectRoute)
    endpoints = _Endpoints(wire)
    routes.add_api_route("/oauth/token", endpoints.token, methods=["POST"])
    routes.add_api_route(_ROOT + "/jobs", endpoints.create, methods=["POST"], status_code=202)
    routes.add_api_route(_ROOT + "/jobs", endpoints.list, methods=["GET"])
    routes.add_api_route(_ROOT + "/jobs/{job_id}", endpoints.status, methods=["GET"])
    routes.add_api_route(_ROOT + "/jobs/{job_id}", endpoints.cancel, methods=["DELETE"], status_code=204)
    routes.add_api_route(_ROOT + "/files/{job_id}", endpoints.download, methods=["GET"], status_code=302)
    routes.add_api_route(_ROOT + "/files/{job_id}", endpoints.delete, methods=["DELETE"], status_code=204)
    return routes


class _Endpoints:
    """The endpoints over one ``Wire``."""

    def __init__(self, wire: Wire[TalkdeskSettings]) -> None:
        self._wire = wire
        self._on = wire.on
        limits = wire.on.limits[NAME]
        recorded = any(each.audit_reads for each in (limits.every, *limits.own.values()))
        self._reads_at_once = wire.on.database.reads_at_once and not recorded  # a record is written, and that waits

    async def token(self, request: Request) -> Response:
        """An access token by client credentials; parameters in the query or in the form body."""
        body = await request.body()
        return await run_in_threadpool(self._token, request, body)

    async def create(self, request: Request, report_type: str) -> Response:
        """Order an export: 202 with the job."""
        refuse_other_media(request.headers.get("content-type"))
        body = await request.body()

        def work(by: Caller) -> Response:
            require(by.principal, Scope.WRITE)
            publication = self._publication(report_type)
            tenant = identity.get_tenant(by.principal.tenant, self._on)
            limits = self._on.limits[NAME].of(tenant.name)
            order = decode_create(body, publication, row_limit=limits.rows, account_zone=tenant.zone)
            job = exports.create(order, by, self._on)
            bind_log(request, job=job.id)
            return JSONResponse(encode_created(job, publication, self._absolute(request)), 202)

        return await self._authenticated(request, work)

    async def list(self, request: Request, report_type: str) -> Response:
        """The jobs of a report, newest first, page by page."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.READ)
            publication = self._publication(report_type)
            listing = decode_list(request.query_params, publication)
            found = exports.list_jobs(listing, by, self._on)
            return JSONResponse(encode_list(found, listing, publication, self._absolute(request)))

        return await self._authenticated(request, work)

    async def status(self, request: Request, report_type: str, job_id: str) -> Response:
        """The job: 200 until it has a file, then 303 to the file."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.READ)
            publication = self._publication(report_type)
            job = exports.get(_ref(job_id, publication), by, self._on)
            document = encode_job(job, publication, self._absolute(request))
            if job.status is not Status.SUCCEEDED:
                return JSONResponse(document)
            return JSONResponse(document, 303, headers={"location": document["_links"]["files"]["href"]})

        return await self._authenticated(request, work, at_once=self._reads_at_once)

    async def cancel(self, request: Request, report_type: str, job_id: str) -> Response:
        """End a job that has not ended (extension of section 2)."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.WRITE)
            exports.cancel(_ref(job_id, self._publication(report_type)), by, self._on)
            return Response(status_code=204)

        return await self._authenticated(request, work)

    async def download(self, request: Request, report_type: str, job_id: str) -> Response:
        """302 to a fresh signed link; absolute, because a client uses it as it is."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.READ)
            link = download.mint(_ref(job_id, self._publication(report_type)), by, self._on)
            return RedirectResponse(self._wire.absolute(request, link_path(link)), 302)

        return await self._authenticated(request, work)

    async def delete(self, request: Request, report_type: str, job_id: str) -> Response:
        """Delete a file; the job stays in the list."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.WRITE)
            exports.delete(_ref(job_id, self._publication(report_type)), by, self._on)
            return Response(status_code=204)

        return await self._authenticated(request, work)

    async def _authenticated(
        self, request: Request, work: Callable[[Caller], Response], *, at_once: bool = False
    ) -> Response:
        def run() -> Response:
            by = caller(request, self._on)
            bind_log(request, dialect=NAME, tenant=by.principal.tenant)
            return work(by)

        return run() if at_once else await run_in_threadpool(run)

    def _token(self, request: Request, body: bytes) -> Response:
        wanted = decode_token_request(request, body)
        address = remote_address(request)
        token = identity.issue_token(
            wanted.client_id, wanted.client_secret, self._on, dialect=NAME, wanted=wanted.scopes, address=address
        )
        bind_log(request, dialect=NAME, tenant=token.principal.tenant)
        answer = {
            "access_token": token.text,
            "token_type": "Bearer",
            "expires_in": int(token.life.total_seconds()),
            "scope": scope_text(token.principal.scopes),
        }
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _publication(self, report_type: str) -> Publication:
        """An unknown slug is 400, not 404 (section 2.1)."""
        publication = self._on.catalogue.by_slug(NAME, report_type)
        if publication is None:
            raise UnknownReport("There is no such report type.", [FieldFault("report_type", "unknown")])
        return publication

    def _absolute(self, request: Request) -> Absolute:
        return lambda path: self._wire.absolute(request, path)


def _ref(job_id: str, publication: Publication) -> JobRef:
    """A job under another report's path is not found there."""
    return JobRef(id=job_id, dialect=NAME, report=publication.report)
