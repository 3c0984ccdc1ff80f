"""Client of the Khoros analytics reports API: HTTP Basic, runs polled until CLOSED, files behind a 307."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from dialect_clients.errors import NoFile
from dialect_clients.export_client import ExportClient, expect
from dialect_clients.export_job import Export, Job, JobState, Operation

ROOT = "/api/public"
_REPORTS = f"{ROOT}/reports/report"


class KhorosClient(ExportClient):
    """One user of one company. The id of a job is ``workflowId/runId``, percent-encoded as in the vendor's URLs."""

    dialect = "khoros"
    operations = frozenset({Operation.LIST})

    def __init__(self, url: str, *, company_key: str, user: str, password: str) -> None:
        self._basic = httpx.BasicAuth(user, password)
        super().__init__(url, auth=self._basic)
        self.company_key = company_key

    @property
    def headers(self) -> dict[str, str]:
        request = next(self._basic.auth_flow(httpx.Request("GET", "http://any")))
        return {"Authorization": request.headers["authorization"]}

    def build_create(self, export: Export) -> httpx.Request:
        parameters = {
            "startTime": milliseconds(export.start),
            "endTime": str(int(milliseconds(export.end)) - 1),  # the end belongs to the timespan
            "reportFormat": export.format,
            **export.options,
        }
        return self.build("POST", f"{_REPORTS}/{export.report}", parameters)

    def build_status(self, job: Job) -> httpx.Request:
        return self.build("GET", f"{_REPORTS}/{job.id}/status")

    def build_file(self, job: Job) -> httpx.Request:
        """Build the request that reads a job's file."""
        return self.build("GET", f"{_REPORTS}/{job.id}/download")

    def build(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> httpx.Request:
        """Build a request with the company key in its query, unless ``parameters`` has another."""
        query = {"companyKey": self.company_key, **(parameters or {})}
        return self.http.build_request(method, path, params=query, headers=self.headers)

    def create(self, export: Export) -> Job:
        result = _result(self.send(self.build_create(export)))
        return Job(_job_id(result), export.report)

    def state(self, job: Job) -> JobState:
        response = self.send(self.build_status(job))
        if response.status_code == httpx.codes.NOT_FOUND:
            return JobState.UNKNOWN
        result = _result(response)
        document = result[0] if isinstance(result, list) else result
        run = document["result"]
        if run["runnerState"] != "CLOSED":
            return JobState.OPEN
        if run["detail"] == "COMPLETED":
            return JobState.READY if document["jobInfo"]["downloadUrl"] else JobState.GONE
        return JobState.FAILED if run["detail"] == "FAILED" else JobState.GONE

    def link(self, job: Job) -> str:
        response = self.send(self.build_file(job))
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NoFile(f"Job {job.id} has no file: {response.text}")
        expect(response, httpx.codes.TEMPORARY_REDIRECT)
        return str(response.headers["location"])

    def list_jobs(self, report: str) -> list[Job]:
        """List the company's jobs of all reports, newest first; the dialect does not name a job's report."""
        return [Job(_job_id(item["jobInfo"])) for item in _result(self.send(self.build("GET", f"{ROOT}/reports/jobs")))]


def milliseconds(instant: datetime) -> str:
    """Return an instant in milliseconds since the epoch."""
    return str(round(instant.timestamp() * 1000))


def _job_id(info: dict[str, str]) -> str:
    return "/".join(quote(info[name], safe="") for name in ("workflowId", "runId"))


def _result(response: httpx.Response) -> Any:
    """Return the ``result`` of a response."""
    expect(response, httpx.codes.OK)
    return response.json()["result"]
