"""Requests of the native API for load tests: a Bearer token, exports under /v1, files named by their manifest."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from dialect_clients.errors import NoFile
from dialect_clients.export_client import ExportClient, expect
from dialect_clients.export_job import Export, Job, JobState

_STATES = {
    "queued": JobState.OPEN,
    "running": JobState.OPEN,
    "uploading": JobState.OPEN,
    "succeeded": JobState.READY,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "expired": JobState.GONE,
    "deleted": JobState.GONE,
}


class NativeClient(ExportClient):
    """One token. An export's options are the members of the request's body."""

    dialect = "native"

    def __init__(self, url: str, *, token: str, verify: ssl.SSLContext | bool = True) -> None:
        super().__init__(url, verify=verify)
        self._token = token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def build_create(self, export: Export) -> httpx.Request:
        span = {"start": export.start.isoformat(), "end": export.end.isoformat(), "timezone": "UTC"}
        body = {"report": export.report, "format": export.format, "timespan": span, **export.options}
        return self._build("POST", "/v1/exports", json=body)

    def build_status(self, job: Job) -> httpx.Request:
        return self._build("GET", f"/v1/exports/{job.id}")

    def create(self, export: Export) -> Job:
        response = self.send(self.build_create(export))
        expect(response, httpx.codes.ACCEPTED, httpx.codes.OK)
        return Job(response.json()["id"], export.report)

    def state(self, job: Job) -> JobState:
        response = self.send(self.build_status(job))
        expect(response, httpx.codes.OK, httpx.codes.NOT_FOUND)
        return JobState.UNKNOWN if response.status_code == httpx.codes.NOT_FOUND else _STATES[response.json()["state"]]

    def link(self, job: Job) -> str:
        manifest = self.send(self._build("GET", f"/v1/exports/{job.id}/manifest"))
        if manifest.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.GONE):
            raise NoFile(f"Export {job.id} has no file: {manifest.text}")
        expect(manifest, httpx.codes.OK)
        response = self.send(self._build("GET", manifest.json()["files"][0]["url"]))
        expect(response, httpx.codes.FOUND)
        return str(response.headers["location"])

    def _build(self, method: str, path: str, *, json: Any = None) -> httpx.Request:
        return self.http.build_request(method, path, json=json, headers=self.headers)
