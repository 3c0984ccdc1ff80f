"""The dialect's endpoints for jobs (Khoros contract 1.3): create, status, download and the list of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.download import Download, Link
from offtake.core.exports.read import JobRef, Listing, find_export, get_export, list_exports
from offtake.errors import SettingsError, UnknownReport
from offtake.http import downloads
from offtake.http.access_log import bind_log
from offtake.model.job import Job
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.endpoint import Endpoint, add_document, new_router, require_scope
from offtake.wire.khoros.auth import (
    KEY,
    TOKEN,
    KhorosCall,
    authenticate,
    check_job_access,
    limit_rate,
    permit_create,
    permit_jobs,
    with_body,
)
from offtake.wire.khoros.errors import render_error
from offtake.wire.khoros.ids import access_token, job_path, new_reference
from offtake.wire.khoros.lookups import SMART_VIEWS, TEAMS, TIMEZONES, WORK_QUEUES
from offtake.wire.khoros.openapi import DOCUMENT_PATH, document
from offtake.wire.khoros.operations import operations
from offtake.wire.khoros.requests import CreateRequest, DecodeContext, decode_create
from offtake.wire.khoros.responses import MEDIA_TYPE, Url, answer, created, listed, status
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import NAME
from offtake.wire.pipeline import add_endpoints

_MOST_JOBS = 1_000
_IGNORED_METRICS = "X-Export-Ignored-Metrics"
_LONGEST_NAME, _MOST_NAMES = 64, 10  # bounds of column names in a header


def router(wire: Wire[KhorosSettings]) -> APIRouter:
    """All routes of the dialect. Raises SettingsError for a disabled column that no export has."""
    for tenant, options in (("", wire.settings.default), *wire.settings.overrides.items()):
        _check_disabled_metrics(options, wire, table=f"tenants.{tenant}.{NAME}" if tenant else NAME)
    routes = new_router(wire.dialect)
    add_endpoints(routes, operations(wire.on.catalogue), _ENDPOINTS, wire)
    add_document(routes, DOCUMENT_PATH, document(wire.on.catalogue, wire.public_url), MEDIA_TYPE)
    return routes


def _check_disabled_metrics(options: KhorosSettings, wire: Wire[KhorosSettings], *, table: str) -> None:
    published = [each for (dialect, _), each in wire.on.catalogue.publications.items() if dialect == NAME]
    known = {column.name.upper() for each in published for column in each.columns}
    unknown = sorted(set(options.disabled_metrics) - known)
    if unknown:
        raise SettingsError(f"[{table}] disabled_metrics: no export of this dialect has the column {unknown[0]}.")


def _job_url(call: KhorosCall, job: Job, *, name: str, value: str) -> Url:
    """The URLs of a job, with the parameter that opens it; absolute, as clients need them (Khoros contract 1.1)."""
    return lambda verb: call.absolute(job_path(job, verb, name=name, value=value))


def _key_url(call: KhorosCall, job: Job) -> Url:
    """The URLs of a job, opened by the company key."""
    return _job_url(call, job, name=KEY, value=call.tenant.company_key or "")


# --- create ----------------------------------------------------------------------------------------------------------


def _decode_create(call: KhorosCall) -> CreateRequest:
    return _decode(call, call.request.path_params["report_type"])


def _decode_create_publishing(call: KhorosCall) -> CreateRequest:
    return _decode(call, f"marketing/{call.request.path_params['report_type']}")


def _decode(call: KhorosCall, slug: str) -> CreateRequest:
    catalogue = call.on.catalogue
    publication = catalogue.by_slug(NAME, slug)
    if publication is None:
        raise UnknownReport("There is no such report.")
    context = DecodeContext(
        publication=publication,
        report=catalogue.reports[publication.report],
        tenant=call.tenant,
        settings=call.settings,
        now=call.on.clock(),
    )
    return decode_create(call.sent, context)


def _create(call: KhorosCall, wanted: CreateRequest) -> Job:
    reference = new_reference(wanted.request, tenant=call.tenant.name, secret=call.on.new_secret())
    job = create_export(wanted.request, call.by, call.on, reference=reference)
    bind_log(call.request, job=job.id)
    return job


def _answer_created(call: KhorosCall, wanted: CreateRequest, job: Job) -> Response:
    """The job; a header and the log say which columns were ignored, and how many."""
    response = answer(call.request, created(job, _key_url(call, job)))
    if wanted.ignored_metrics:
        bind_log(call.request, ignored_metrics=len(wanted.ignored_metrics))
        names = (quote(name[:_LONGEST_NAME]) for name in wanted.ignored_metrics[:_MOST_NAMES])
        response.headers[_IGNORED_METRICS] = ", ".join(names)
    return response


_CREATE = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=permit_create,
    decode=_decode_create,
    act=_create,
    encode=_answer_created,
    has_body=True,
    with_body=with_body,
)
_CREATE_PUBLISHING = replace(_CREATE, decode=_decode_create_publishing)


# --- status and download ---------------------------------------------------------------------------------------------


def _decode_job(call: KhorosCall) -> JobRef:
    parameters = call.request.path_params
    run_id = parameters["run_id"].strip("/")  # a path of several segments begins or ends with a doubled slash
    return JobRef(id=f"{parameters['workflow_id']}/{run_id}", dialect=NAME, is_reference=True)


def _read(call: KhorosCall, ref: JobRef) -> Job:
    job = get_export(ref, call.by, call.on)
    check_job_access(call, job)
    return job


def _answer_status(call: KhorosCall, _: JobRef, job: Job) -> Response:
    url = _job_url(call, job, name=TOKEN, value=access_token(job, call.on.signing_keys().current))
    return answer(call.request, status(job, url, as_documented=call.settings.result == "as_documented"))


_STATUS = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),  # key or token are checked once the job is found
    decode=_decode_job,
    act=_read,
    encode=_answer_status,
)


def _open(call: KhorosCall, ref: JobRef) -> Link | Download:
    """A new signed link, or the file itself if `download` is `direct`."""
    check_job_access(call, find_export(ref, call.by, call.on))
    link = download.mint(ref, call.by, call.on)
    if call.settings.download == "redirect":
        return link
    return download.open_link(link.job, expires=str(link.expires), signature=link.signature, on=call.on)


def _answer_file(call: KhorosCall, _: JobRef, found: Link | Download) -> Response:
    if isinstance(found, Download):
        return downloads.answer(found, render_error)
    return RedirectResponse(call.absolute(downloads.link_path(found)), 307)


_DOWNLOAD = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),  # key or token are checked once the job is found
    decode=_decode_job,
    act=_open,
    encode=_answer_file,
)


# --- the list of jobs ------------------------------------------------------------------------------------------------


def _decode_list(call: KhorosCall) -> Listing:
    since = call.on.clock() - timedelta(hours=call.settings.jobs_hours)
    return Listing(dialect=NAME, per_page=_MOST_JOBS, since=since)


def _list(call: KhorosCall, listing: Listing) -> Sequence[Job]:
    """The newest first."""
    return list_exports(listing, call.by, call.on).jobs


def _answer_list(call: KhorosCall, _: Listing, jobs: Iterable[Job]) -> Response:
    return answer(call.request, [listed(job, _key_url(call, job)) for job in jobs])


_JOBS = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=permit_jobs,
    decode=_decode_list,
    act=_list,
    encode=_answer_list,
)

_ENDPOINTS: dict[str, Endpoint[KhorosSettings, KhorosCall, Any, Any]] = {
    "create": _CREATE,
    "create_publishing": _CREATE_PUBLISHING,
    "status": _STATUS,
    "download": _DOWNLOAD,
    "jobs": _JOBS,
    "timezones": TIMEZONES,
    "teams": TEAMS,
    "smart_views": SMART_VIEWS,
    "work_queues": WORK_QUEUES,
}
