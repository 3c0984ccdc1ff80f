"""Khoros: HTTP Basic and a company key, runs that are polled until CLOSED, files behind a 307 (Khoros contract)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin

from offtake_client.credentials import BasicUser
from offtake_client.dialects.dialect import Dialect, JobInfo, JobPage, JobRequest, split_id
from offtake_client.effects import Flow, Request, Response

_ROOT = "/api/public/reports"
_OK = frozenset({200})
_REDIRECT = frozenset({302, 303, 307})
_INCLUSIVE = timedelta(milliseconds=1)


class Khoros(Dialect):
    """The id of a job is ``workflowId/runId``, both percent-encoded as in the URLs of the dialect."""

    name = "khoros"
    credentials = (BasicUser,)
    default_format = "json"
    creates_once = False

    def create_request(self, request: JobRequest, key: str) -> Request:
        """All parameters are in the query (Khoros contract 1.4); the end is part of the window (5.7)."""
        zone = {} if request.timezone == "UTC" else {"timezone": request.timezone}
        parameters = {
            "startTime": _milliseconds(request.start),
            "endTime": _milliseconds(request.end - _INCLUSIVE),
            "reportFormat": request.format,
            **zone,
            **request.options,
        }
        return self._request("POST", f"/report/{quote(request.report, safe='/')}", parameters)

    def created(self, request: JobRequest, response: Response) -> JobInfo:
        """Khoros contract 4.1."""
        job = self.decoded(response, lambda body: _job_id(body["result"]))
        return JobInfo(job, "running", request.report, request.format)

    def read(self, job: str) -> Flow[JobInfo]:
        """Khoros contract 4.2; the result is an object or an array with one."""
        response = yield from self.session.call(self._request("GET", self._path(job, "status")), _OK)
        return self.decoded(response, lambda body: JobInfo(job, _state(_only(body["result"]))))

    def link(self, job: str) -> Flow[str]:
        """Khoros contract 4.3."""
        request = self._request("GET", self._path(job, "download"))
        response = yield from self.session.call(request, _REDIRECT)
        return urljoin(request.url, response.headers["location"])

    def check(self) -> Flow[None]:
        """List the jobs."""
        yield from self.page(None, None)

    def page(self, report: str | None, cursor: str | None) -> Flow[JobPage]:
        """The jobs of the last 24 hours, of all reports (Khoros contract 4.4)."""
        response = yield from self.session.call(self._request("GET", "/jobs"), _OK)
        return self.decoded(
            response,
            lambda body: JobPage(tuple(JobInfo(_job_id(item["jobInfo"]), _state(item)) for item in body["result"])),
        )

    def _path(self, job: str, verb: str) -> str:
        workflow, run = split_id(job, "workflowId/runId, both percent-encoded, as offtake-client get prints it")
        return f"/report/{workflow}/{run}/{verb}"

    def _request(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Request:
        credential = self.session.credential
        company = {"companyKey": credential.company} if isinstance(credential, BasicUser) else {}
        return self.request(method, f"{_ROOT}{path}", params={**company, **(parameters or {})})


def _milliseconds(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))


def _job_id(info: dict[str, str]) -> str:
    return "/".join(quote(info[name], safe="") for name in ("workflowId", "runId"))


def _only(result: Any) -> Any:
    return result[0] if isinstance(result, list) else result


def _state(item: Any) -> str:
    """The list has ``details`` in place of ``detail`` and no value in it; there, a URL says that there is a file."""
    run, url = item["result"], item["jobInfo"].get("downloadUrl")
    if run["runnerState"] != "CLOSED":
        return "running"
    if run.get("detail") == "FAILED" or (run.get("detail") is None and not url):
        return "failed"
    return "succeeded" if url else "deleted"
