"""The dialect's endpoints (Khoros contract 1.3): create, status, download, the list of jobs, and look-ups for
filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from offtake.core import lookups
from offtake.core.admin import identity
from offtake.core.auth import rate_limit
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, Listing, find_export, get_export, list_exports
from offtake.errors import UnknownReport
from offtake.http import downloads
from offtake.http.access_log import bind_log
from offtake.http.middleware import DirectRoute
from offtake.model.job import Job
from offtake.model.tenant import Scope, Tenant
from offtake.wire.dialect import Wire
from offtake.wire.khoros.auth import TOKEN, caller, company_key, opens
from offtake.wire.khoros.ids import access_token, job_path, new_reference
from offtake.wire.khoros.lookups import smart_view_list, team_list, work_queue_list
from offtake.wire.khoros.openapi import document
from offtake.wire.khoros.parameters import SentParameters, read_parameters
from offtake.wire.khoros.requests import DecodeContext, decode_create
from offtake.wire.khoros.responses import Answer, Url, answer, created, listed, status
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import CARE_ROOT, LANGUAGES, NAME, ROOT
from offtake.wire.khoros.timezones import timezones

_REPORT = ROOT + "/reports/report"
_JOB = "/{workflow_id}/{run_id:path}"  # a runId may hold slashes, and %2F is one by the time a path is matched
_MOST_JOBS = 1_000


def router(wire: Wire[KhorosSettings]) -> APIRouter:
    """All routes of the dialect. The shorter paths come first: there, ``marketing`` and ``report`` are words."""
    routes = APIRouter(tags=[NAME], route_class=DirectRoute)
    endpoints = _Endpoints(wire)
    for path in ("/{report_type}", "/report/{report_type}"):  # one page of the vendor's doubles the segment
        routes.add_api_route(_REPORT + path, endpoints.create, methods=["GET", "POST"])
    routes.add_api_route(_REPORT + "/marketing/{report_type}", endpoints.create_publishing, methods=["GET", "POST"])
    routes.add_api_route(_REPORT + _JOB + "/status", endpoints.status, methods=["GET"])
    # The vendor's description swaps the first two segments.
    routes.add_api_route(ROOT + "/report/reports" + _JOB + "/status", endpoints.status, methods=["GET"])
    routes.add_api_route(_REPORT + _JOB + "/download", endpoints.download, methods=["GET"], status_code=307)
    routes.add_api_route(ROOT + "/reports/jobs", endpoints.jobs, methods=["GET"])
    routes.add_api_route(ROOT + "/config/timezones", endpoints.timezones, methods=["GET"])
    routes.add_api_route(ROOT + "/openapi.json", endpoints.openapi, methods=["GET"])
    routes.add_api_route(ROOT + "/teams", endpoints.teams, methods=["GET"])
    routes.add_api_route(CARE_ROOT + "/smartviews", endpoints.smart_views, methods=["GET"])
    routes.add_api_route(CARE_ROOT + "/workqueues/active", endpoints.work_queues, methods=["GET"])
    return routes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request whose user is known."""

    sent: SentParameters
    by: Caller
    tenant: Tenant
    settings: KhorosSettings


class _Endpoints:
    """The endpoints over one ``Wire``."""

    def __init__(self, wire: Wire[KhorosSettings]) -> None:
        self._wire = wire
        self._on = wire.on
        self._openapi = document(wire.on.catalogue, wire.public_url)

    async def create(self, request: Request, report_type: str) -> Response:
        """Order a Care export."""
        return await self._create(request, report_type)

    async def create_publishing(self, request: Request, report_type: str) -> Response:
        """Order a Publishing export."""
        return await self._create(request, f"marketing/{report_type}")

    async def status(self, request: Request, workflow_id: str, run_id: str) -> Response:
        """How a job stands."""

        def work(call: _Call) -> Response:
            job = get_export(_ref(workflow_id, run_id), call.by, self._on)
            opens(call.sent, call.tenant, job, self._on.link_key)
            url = self._url(request, job, name=TOKEN, value=access_token(job, self._on.link_key))
            as_documented = call.settings.result == "as_documented"
            return answer(request, status(job, url, as_documented=as_documented))

        return await self._answered(request, work)

    async def download(self, request: Request, workflow_id: str, run_id: str) -> Response:
        """307 to a fresh signed link, or the file itself."""

        def work(call: _Call) -> Response:
            ref = _ref(workflow_id, run_id)
            job = find_export(ref, call.by, self._on)
            opens(call.sent, call.tenant, job, self._on.link_key)
            link = download.mint(ref, call.by, self._on)
            if call.settings.download == "direct":
                expires, signature = str(link.expires), link.signature
                return downloads.answer(download.open_link(link.job, expires=expires, signature=signature, on=self._on))
            return RedirectResponse(self._wire.absolute(request, downloads.link_path(link)), 307)

        return await self._answered(request, work)

    async def jobs(self, request: Request) -> Response:
        """Jobs of the last hours, newest first."""

        def work(call: _Call) -> Response:
            key = company_key(call.sent, call.tenant, required=False)
            since = self._on.clock() - timedelta(hours=call.settings.jobs_hours)
            wanted = Listing(dialect=NAME, per_page=_MOST_JOBS, since=since)
            found = list_exports(wanted, call.by, self._on).jobs
            return answer(
                request, [listed(job, self._url(request, job, name="companyKey", value=key)) for job in found]
            )

        return await self._answered(request, work)

    async def timezones(self, request: Request) -> Response:
        """Time zones that a request may name."""

        def work(call: _Call) -> Response:
            require(call.by.principal, Scope.READ)
            company_key(call.sent, call.tenant)
            asked = (call.sent.one("locale") or "en").replace("-", "_").partition("_")[0].lower()
            return answer(request, timezones(asked if asked in LANGUAGES else "en", self._on.clock()))

        return await self._answered(request, work)

    async def teams(self, request: Request) -> Response:
        """Teams, for ``teamId`` and ``teamIds``."""

        def work(call: _Call) -> Response:
            company_key(call.sent, call.tenant)
            return answer(request, team_list(lookups.teams(call.by, self._on)))

        return await self._answered(request, work)

    async def smart_views(self, request: Request) -> Response:
        """Smart views, for ``smartViewId``."""
        return await self._answered(
            request, lambda call: Answer(smart_view_list(lookups.smart_views(call.by, self._on)))
        )

    async def work_queues(self, request: Request) -> Response:
        """Work queues in use, for ``workqueueIds``."""
        return await self._answered(request, lambda call: Answer(work_queue_list(lookups.queues(call.by, self._on))))

    async def openapi(self, request: Request) -> Response:
        """What the dialect says of itself, for whoever asks."""
        return Answer(self._openapi)

    async def _create(self, request: Request, slug: str) -> Response:
        body = await request.body()

        def work(call: _Call) -> Response:
            require(call.by.principal, Scope.WRITE)
            key = company_key(call.sent, call.tenant)
            order = decode_create(call.sent, self._ordering(slug, call))
            reference = new_reference(order, tenant=call.tenant.name, secret=self._on.new_secret())
            job = create_export(order, call.by, self._on, reference=reference)
            bind_log(request, job=job.id)
            return answer(request, created(job, self._url(request, job, name="companyKey", value=key)))

        return await self._answered(request, work, body)

    async def _answered(self, request: Request, work: Callable[[_Call], Response], body: bytes = b"") -> Response:
        """In the thread pool: every request verifies a password, which takes its time."""

        def run() -> Response:
            sent = read_parameters(request, body)
            by = caller(request, sent, self._on)
            bind_log(request, dialect=NAME, tenant=by.principal.tenant, principal=by.principal.credential)
            rate_limit.count_request(by.principal, NAME, self._on)
            tenant = identity.get_tenant(by.principal.tenant, self._on)
            settings = self._wire.settings.of(tenant.name)
            return work(_Call(sent=sent, by=by, tenant=tenant, settings=settings))

        return await run_in_threadpool(run)

    def _ordering(self, slug: str, call: _Call) -> DecodeContext:
        publication = self._on.catalogue.by_slug(NAME, slug)
        if publication is None:
            raise UnknownReport("There is no such report.")
        return DecodeContext(
            publication=publication,
            report=self._on.catalogue.reports[publication.report],
            tenant=call.tenant,
            settings=call.settings,
            now=self._on.clock(),
        )

    def _url(self, request: Request, job: Job, *, name: str, value: str) -> Url:
        """Absolute, because clients use it as it is (Khoros contract 1.1)."""
        return lambda verb: self._wire.absolute(request, job_path(job, verb, name=name, value=value))


def _ref(workflow_id: str, run_id: str) -> JobRef:
    return JobRef(id=f"{workflow_id}/{run_id}", dialect=NAME, is_reference=True)
