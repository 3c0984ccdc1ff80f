"""The dialect's endpoints: token, create, list, status, cancel, download, delete (Talkdesk contract 1.2 and 2)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from offtake.core.admin import identity
from offtake.core.auth import tokens
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.auth.client_auth import authenticate_client
from offtake.core.auth.tokens import Endpoint
from offtake.core.exports import download
from offtake.core.exports.cancel import cancel_export
from offtake.core.exports.create import create_export
from offtake.core.exports.delete import delete_export
from offtake.core.exports.read import JobRef, get_export, list_exports
from offtake.errors import FieldFault, UnknownReport
from offtake.http.access_log import bind_log
from offtake.http.downloads import link_path
from offtake.http.middleware import DirectRoute, remote_address
from offtake.model.job import Status
from offtake.model.report import Publication
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.talkdesk.auth import caller
from offtake.wire.talkdesk.oauth import TokenParameters, decode_revocation, decode_token_request, encode_token
from offtake.wire.talkdesk.openapi import document
from offtake.wire.talkdesk.operations import DOCUMENT_PATH, OPERATIONS, TOKEN_PATH
from offtake.wire.talkdesk.requests import (
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


def router(wire: Wire[TalkdeskSettings]) -> APIRouter:
    """All routes of the dialect. Each does its blocking work in one trip to the thread pool, but for polls: they are
    two point reads, which an embedded database answers quicker than the trip takes."""
    routes = APIRouter(tags=[NAME], route_class=DirectRoute)
    described = document(wire.on.catalogue, wire.public_url)
    endpoints = _Endpoints(wire)
    for operation in OPERATIONS:
        routes.add_api_route(operation.path, getattr(endpoints, operation.name), methods=[operation.method])

    async def openapi(request: Request) -> Response:
        """The dialect's OpenAPI document."""
        return JSONResponse(described)

    routes.add_api_route(DOCUMENT_PATH, openapi, methods=["GET"])
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
        """A token by client credentials or for a refresh token; parameters in the query or in the form body."""
        body = await request.body()
        return await run_in_threadpool(self._token, request, body)

    async def revoke(self, request: Request) -> Response:
        """End a token (extension, RFC 7009); 200 also for one that nobody knows."""
        body = await request.body()
        return await run_in_threadpool(self._revoke, request, body)

    async def create(self, request: Request, report_type: str) -> Response:
        """Order an export: 202 with the job."""
        body = await request.body()

        def work(by: Caller) -> Response:
            require(by.principal, Scope.WRITE)
            publication = self._publication(report_type)
            refuse_other_media(request.headers.get("content-type"))
            tenant = identity.get_tenant(by.principal.tenant, self._on)
            limits = self._on.limits[NAME].of(tenant.name)
            order = decode_create(body, publication, row_limit=limits.rows, account_zone=tenant.zone)
            job = create_export(order, by, self._on)
            bind_log(request, job=job.id)
            return JSONResponse(encode_created(job, publication, self._absolute(request)), 202)

        return await self._authenticated(request, work)

    async def list(self, request: Request, report_type: str) -> Response:
        """The jobs of a report, newest first, page by page."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.READ)
            publication = self._publication(report_type)
            listing = decode_list(request.query_params, publication)
            found = list_exports(listing, by, self._on)
            return JSONResponse(encode_list(found, listing, publication, self._absolute(request)))

        return await self._authenticated(request, work)

    async def status(self, request: Request, report_type: str, job_id: str) -> Response:
        """The job: 200 until it has a file, then 303 to the file."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.READ)
            publication = self._publication(report_type)
            job = get_export(_ref(job_id, publication), by, self._on)
            document = encode_job(job, publication, self._absolute(request))
            if job.status is not Status.SUCCEEDED:
                return JSONResponse(document)
            return JSONResponse(document, 303, headers={"location": document["_links"]["files"]["href"]})

        return await self._authenticated(request, work, at_once=self._reads_at_once)

    async def cancel(self, request: Request, report_type: str, job_id: str) -> Response:
        """End a job that has not ended (extension of Talkdesk contract 2)."""

        def work(by: Caller) -> Response:
            require(by.principal, Scope.WRITE)
            cancel_export(_ref(job_id, self._publication(report_type)), by, self._on)
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
            delete_export(_ref(job_id, self._publication(report_type)), by, self._on)
            return Response(status_code=204)

        return await self._authenticated(request, work)

    async def _authenticated(
        self, request: Request, work: Callable[[Caller], Response], *, at_once: bool = False
    ) -> Response:
        def run() -> Response:
            by = caller(request, self._on)
            bind_log(request, dialect=NAME, tenant=by.principal.tenant, principal=by.principal.credential)
            return work(by)

        return run() if at_once else await run_in_threadpool(run)

    def _token(self, request: Request, body: bytes) -> Response:
        wanted = decode_token_request(TokenParameters.of(request, body), self._audiences(request))
        client, at = authenticate_client(wanted.client, self._on), _endpoint(request)
        bind_log(request, dialect=NAME, tenant=client.credential.tenant, principal=client.credential.id)
        if wanted.refresh_token is not None:
            token = tokens.refresh(wanted.refresh_token, client, at, self._on, wanted=wanted.scopes)
        else:
            token = tokens.issue(client, at, self._on, wanted=wanted.scopes, service_life=wanted.service_life)
        return JSONResponse(encode_token(token), headers={"cache-control": "no-store"})

    def _revoke(self, request: Request, body: bytes) -> Response:
        sent = TokenParameters.of(request, body)
        token = decode_revocation(sent)
        client = authenticate_client(sent.client(self._audiences(request)), self._on)
        bind_log(request, dialect=NAME, tenant=client.credential.tenant, principal=client.credential.id)
        tokens.revoke(token, client, _endpoint(request), self._on)
        return JSONResponse({}, headers={"cache-control": "no-store"})

    def _audiences(self, request: Request) -> frozenset[str]:
        """Whom an assertion may name as its reader: the token endpoint, at either of our two paths."""
        return frozenset(self._wire.absolute(request, path) for path in (TOKEN_PATH, request.url.path))

    def _publication(self, report_type: str) -> Publication:
        """An unknown slug is 400, not 404 (Talkdesk contract 2.1)."""
        publication = self._on.catalogue.by_slug(NAME, report_type)
        if publication is None:
            raise UnknownReport("There is no such report type.", [FieldFault("report_type", "unknown")])
        return publication

    def _absolute(self, request: Request) -> Absolute:
        return lambda path: self._wire.absolute(request, path)


def _endpoint(request: Request) -> Endpoint:
    return Endpoint(dialect=NAME, address=remote_address(request))


def _ref(job_id: str, publication: Publication) -> JobRef:
    """A job under another report's path is not found there."""
    return JobRef(id=job_id, dialect=NAME, report=publication.report)
