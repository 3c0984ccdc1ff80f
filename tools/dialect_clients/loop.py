"""Client of the Loop export report API: a bearer token, exports read until they are no longer Processing."""

from __future__ import annotations

from typing import Any

import httpx

from dialect_clients.errors import NoFile
from dialect_clients.export_client import ExportClient, expect
from dialect_clients.export_job import Export, Job, JobState

API = "/api/v1/report"
_STATES = {
    "Processing": JobState.OPEN,
    "Completed": JobState.READY,
    "Failed": JobState.FAILED,
    "PendingOrExpired": JobState.GONE,  # the dialect does not distinguish it from an unknown export
}


class LoopClient(ExportClient):
    """One token. The dialect has one report; an export's report name does not go over the wire."""

    dialect = "loop"
    poll_seconds = 1.5  # a token may read sixty times a minute

    def __init__(self, url: str, *, token: str) -> None:
        super().__init__(url)
        self._token = token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def build_create(self, export: Export) -> httpx.Request:
        body = {
            "timezone": "UTC",
            "start": int(export.start.timestamp()),
            "end": int(export.end.timestamp()),
            "resultFormat": export.format,
            **export.options,
        }
        return self.http.build_request("POST", f"{API}/export", json=body, headers=self.headers)

    def build_status(self, job: Job) -> httpx.Request:
        return self.http.build_request("GET", f"{API}/exports/{job.id}", headers=self.headers)

    def create(self, export: Export) -> Job:
        return Job(_object(self.send(self.build_create(export)))["id"], export.report)

    def state(self, job: Job) -> JobState:
        return _STATES[_object(self.send(self.build_status(job)))["status"]]

    def link(self, job: Job) -> str:
        export = _object(self.send(self.build_status(job)))
        if "url" not in export:
            raise NoFile(f"Export {job.id} has no file: its status is {export['status']}.")
        return str(export["url"])


def _object(response: httpx.Response) -> dict[str, Any]:
    expect(response, httpx.codes.OK)
    found: dict[str, Any] = response.json()
    return found
