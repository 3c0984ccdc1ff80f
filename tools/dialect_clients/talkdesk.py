"""Client of the Talkdesk Explore API: a token by client credentials, jobs polled until 303, files behind a 302."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from dialect_clients.errors import NoFile
from dialect_clients.export_client import ExportClient, expect
from dialect_clients.export_job import Export, Job, JobState, Operation

_STATES = {
    "created": JobState.OPEN,
    "processing": JobState.OPEN,
    "uploading": JobState.OPEN,
    "done": JobState.READY,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "deleted": JobState.GONE,
}
_REFUSED = (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT)


class TalkdeskClient(ExportClient):
    """One OAuth client. It gets a token with its first request, and a new one when the token has expired."""

    dialect = "talkdesk"
    operations = frozenset(Operation)

    def __init__(self, url: str, *, client_id: str, client_secret: str, verify: ssl.SSLContext | bool = True) -> None:
        super().__init__(url, verify=verify)
        self._credential = (client_id, client_secret)
        self.token = ""

    def login(self) -> None:
        """Get a new token."""
        grant = {"grant_type": "client_credentials"}
        response = self.http.post("/oauth/token", params=grant, auth=self._credential)
        expect(response, httpx.codes.OK)
        self.token = str(response.json()["access_token"])

    @property
    def headers(self) -> dict[str, str]:
        if not self.token:
            self.login()
        return {"Authorization": f"Bearer {self.token}"}

    def build_create(self, export: Export) -> httpx.Request:
        body = {
            "name": f"{export.report} as {export.format}",
            "format": export.format,
            "timezone": "UTC",
            "timespan": {"from": export.start.isoformat(), "to": export.end.isoformat()},
            **export.options,
        }
        return self._build("POST", f"/data/reports/{export.report}/jobs", json=body)

    def build_status(self, job: Job) -> httpx.Request:
        return self._build("GET", f"/data/reports/{job.report}/jobs/{job.id}")

    def build_cancel(self, job: Job) -> httpx.Request:
        """Build the request that cancels a job."""
        return self._build("DELETE", f"/data/reports/{job.report}/jobs/{job.id}")

    def build_file(self, job: Job, *, method: str = "GET") -> httpx.Request:
        """Build the request that reads (GET) or deletes (DELETE) a job's file."""
        return self._build(method, f"/data/reports/{job.report}/files/{job.id}")

    def create(self, export: Export) -> Job:
        response = self._call(self.build_create(export))
        expect(response, httpx.codes.ACCEPTED)
        return Job(response.json()["job"]["id"], export.report)

    def state(self, job: Job) -> JobState:
        response = self._call(self.build_status(job))
        expect(response, httpx.codes.OK, httpx.codes.SEE_OTHER, httpx.codes.NOT_FOUND)
        if response.status_code == httpx.codes.NOT_FOUND:
            return JobState.UNKNOWN
        return _STATES[response.json()["job"]["status"]]

    def link(self, job: Job) -> str:
        response = self._call(self.build_file(job))
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NoFile(f"Job {job.id} has no file: {response.text}")
        expect(response, httpx.codes.FOUND)
        return str(response.headers["location"])

    def cancel(self, job: Job) -> bool:
        return self._deleted(self.build_cancel(job))

    def delete(self, job: Job) -> bool:
        return self._deleted(self.build_file(job, method="DELETE"))

    def list_jobs(self, report: str) -> list[Job]:
        jobs: list[Job] = []
        page: str | None = f"/data/reports/{report}/jobs"
        while page is not None:
            response = self._call(self._build("GET", page))
            expect(response, httpx.codes.OK)
            body: dict[str, Any] = response.json()
            jobs += [Job(item["id"], report) for item in body["_embedded"]["jobs"]]
            page = body["_links"].get("next", {}).get("href")
        return jobs

    def _build(self, method: str, path: str, *, json: Any = None) -> httpx.Request:
        return self.http.build_request(method, path, json=json, headers=self.headers)

    def _call(self, request: httpx.Request) -> httpx.Response:
        """Send a request; once more with a new token if the server does not accept the present one."""
        response = self.send(request)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self.login()
            request.headers.update(self.headers)
            response = self.send(request)
        return response

    def _deleted(self, request: httpx.Request) -> bool:
        response = self._call(request)
        expect(response, httpx.codes.NO_CONTENT, *_REFUSED)
        return response.status_code == httpx.codes.NO_CONTENT
