"""The dialect's endpoints: create, read, and the files (Loop contract 1)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from offtake.core.auth import rate_limit
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, get_export
from offtake.errors import ArtifactNotFound, ExportError, JobNotFound
from offtake.http.access_log import bind_log
from offtake.http.download_threads import in_download_thread
from offtake.http.errors import HttpFault
from offtake.http.middleware import DirectRoute, UnsupportedMedia
from offtake.model.job import Job, Status
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.loop.auth import Call, acting, authenticate
from offtake.wire.loop.errors import rate_headers, render_error
from offtake.wire.loop.links import link_path, send
from offtake.wire.loop.openapi import document
from offtake.wire.loop.requests import decode_create, decode_id, decode_key, encode_export, gone_word, status_word
from offtake.wire.loop.settings import CREATE, READ, LoopSettings
from offtake.wire.loop.tables import API, LINK, NAME, REPORT

# seconds; a client of the published example polls for ever, so it had better do so slowly (Loop contract 7.3)
_LOOK_AGAIN = 60
Work = Callable[[Call, Caller], Response]


def router(wire: Wire[LoopSettings]) -> APIRouter:
    """All routes of the dialect. Each does its blocking work in one trip to the thread pool."""
    routes = APIRouter(tags=[NAME], route_class=DirectRoute)
    endpoints = _Endpoints(wire)
    routes.add_api_route(API + "/export", endpoints.create, methods=["POST"])
    routes.add_api_route(API + "/exports/{export_id}", endpoints.read, methods=["GET"])
    routes.add_api_route(API + "/openapi.json", endpoints.described, methods=["GET"])
    routes.add_api_route(LINK + "{file_id}", endpoints.download, methods=["GET", "HEAD"], operation_id="loop_download")
    return routes


class _Endpoints:
    """The endpoints over one ``Wire``."""

    def __init__(self, wire: Wire[LoopSettings]) -> None:
        self._wire = wire
        self._on = wire.on
        most = max(each.list_entries for each in (wire.settings.every, *wire.settings.own.values()))
        self._openapi = document(wire.on.catalogue, wire.public_url, most_entries=most)

    async def create(self, request: Request) -> Response:
        """Order an export: 200 with its id."""
        body = await request.body()

        def work(call: Call, by: Caller) -> Response:
            _require_json(request)
            publication = self._on.catalogue.slugs[NAME, REPORT]
            key = decode_key(request.headers.get("idempotency-key"))
            order = decode_create(body, publication, call.settings, account_zone=call.tenant.zone)
            job = create_export(order, by, self._on, key=key)
            bind_log(request, job=job.id)
            return self._answer(request, job.id, job, by)

        return await self._authenticated(request, Scope.WRITE, work)

    async def read(self, request: Request, export_id: str) -> Response:
        """Where an export stands; once it has ended well, a fresh link to its file."""

        def work(call: Call, by: Caller) -> Response:
            job_id = decode_id(export_id)
            try:
                job = get_export(JobRef(id=job_id, dialect=NAME), by, self._on)
            except JobNotFound:
                if call.settings.unknown_id == "404":
                    raise
                return _gone(export_id, call.settings)
            return self._answer(request, export_id, job, by)

        return await self._authenticated(request, Scope.READ, work)

    async def download(self, request: Request, file_id: str) -> Response:
        """The file of a finished export; the link is its own authorisation. Supports Range and conditions."""
        return await in_download_thread(send, request, file_id, self._on)

    async def described(self, request: Request) -> Response:
        """This document."""
        del request
        return JSONResponse(self._openapi)

    async def _authenticated(self, request: Request, scope: Scope, work: Work) -> Response:
        return await run_in_threadpool(self._work, request, scope, work)

    def _work(self, request: Request, scope: Scope, work: Work) -> Response:
        """Who calls, may they, how often, on whose behalf; then the work. What is left of the rate is always said."""
        call = authenticate(request, self._wire)
        bind_log(request, dialect=NAME, tenant=call.tenant.name, principal=call.by.principal.credential)
        operation = CREATE if scope is Scope.WRITE else READ
        allowance = rate_limit.count_request(call.by.principal, NAME, self._on, operation=operation)
        try:
            require(call.by.principal, scope)
            response = work(call, acting(request, call.by, self._on))
        except ExportError as error:
            response = render_error(error, request.url.path)
        except UnsupportedMedia as error:
            response = render_error(HttpFault(status=error.status_code, message=error.detail), request.url.path)
        if allowance is not None:
            response.headers.update(rate_headers(allowance.requests, allowance.left, allowance.resets_in))
        return response

    def _answer(self, request: Request, asked: str, job: Job, by: Caller) -> Response:
        """The export-result object, and what the product knows beyond it in headers (Loop contract 13)."""
        settings = self._wire.settings.of(job.tenant)
        word = status_word(job, settings)
        if word == gone_word(settings):
            return _gone(asked, settings)
        if job.status is not Status.SUCCEEDED:
            return JSONResponse(encode_export(asked, word), headers=_more(job))
        try:
            link = download.mint(JobRef(id=job.id, dialect=NAME), by, self._on)
        except ArtifactNotFound:  # expired between two looks
            return _gone(asked, settings)
        path = link_path(link, self._on)
        url = settings.link_url + path if settings.link_url else self._wire.absolute(request, path)
        return JSONResponse(encode_export(asked, word, url), headers=_more(job))


def _gone(asked: str, settings: LoopSettings) -> Response:
    """The one answer for what is gone, was never there, or is not the caller's to see (Loop contract 7.2 and 7.3)."""
    return JSONResponse(encode_export(asked, gone_word(settings)), headers={"retry-after": str(_LOOK_AGAIN)})


def _more(job: Job) -> dict[str, str]:
    headers = {"x-export-state": job.status.value}
    if job.artifact is not None and job.expires_at is not None:
        headers["x-export-rows"] = str(job.artifact.rows)
        headers["x-export-bytes"] = str(job.artifact.bytes)
        headers["x-export-sha256"] = job.artifact.sha256
        headers["x-export-expires"] = f"{job.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    if job.failure is not None:
        headers["x-export-failure"] = job.failure.code
    return headers


def _require_json(request: Request) -> None:
    """Loop contract 2: bodies are sent as JSON (documented), others are 415 (proposed). A charset makes no
    difference."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("Send the body as application/json.")
