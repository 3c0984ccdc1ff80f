"""Loop: a bearer token, exports that are read until they are no longer Processing (Loop contract)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from offtake_client.credentials import BearerToken
from offtake_client.dialects.dialect import Dialect, JobInfo, JobRequest
from offtake_client.effects import Flow, Request, Response
from offtake_client.errors import ExportFailed, NotFound

_API = "/api/v1/report"
_STATES = {"Processing": "running", "Completed": "succeeded", "Failed": "failed"}
_GONE = "expired"  # Expired, or PendingOrExpired, which is also the answer for an unknown id (Loop contract 7.3)
_FORMATS = {"json": "Json", "xlsx": "Xlsx"}
_LISTS = frozenset({"tagIds", "teamIds", "teammateIds", "customerIds"})
_OK = frozenset({200, 201})
_NO_EXPORT = "00000000-0000-4000-8000-000000000000"


class Loop(Dialect):
    """The dialect has one report; the name of a report is only that of the file here."""

    name = "loop"
    credentials = (BearerToken,)
    default_format = "Json"

    def create_request(self, request: JobRequest, key: str) -> Request:
        """Loop contract 5.1. The key is a header that Offtake honours (13) and Loop itself does not document."""
        body = {
            "timezone": request.timezone,
            "start": int(request.start.timestamp()),
            "end": int(request.end.timestamp()),
            "resultFormat": _FORMATS.get(request.format.lower(), request.format),
            **{name: _option(name, value) for name, value in request.options.items()},
        }
        return self.request("POST", f"{_API}/export", json=body, headers={"idempotency-key": key})

    def created(self, request: JobRequest, response: Response) -> JobInfo:
        """Loop contract 5.3."""
        return self.decoded(response, lambda body: _info(body["id"], body, request))

    def read(self, job: str) -> Flow[JobInfo]:
        """Loop contract 6."""
        response = yield from self._read(job)
        return self.decoded(response, lambda body: _info(job, body, None))

    def link(self, job: str) -> Flow[str]:
        """Every reading of a completed export has a new link (Loop contract 8)."""
        response = yield from self._read(job)
        url: str | None = self.decoded(response, lambda body: body.get("url"))
        if not url:
            raise ExportFailed(job, self.decoded(response, lambda body: _info(job, body, None).state), "")
        return url

    def check(self) -> Flow[None]:
        """Read an export that there is not: its answer is a status, too (Loop contract 7.3)."""
        try:
            yield from self._read(_NO_EXPORT)
        except NotFound:
            return

    def _read(self, job: str) -> Flow[Response]:
        return self.session.call(self.request("GET", f"{_API}/exports/{quote(job, safe='')}"), _OK)


def _option(name: str, value: Any) -> Any:
    return value.split(",") if name in _LISTS and isinstance(value, str) else value


def _info(job: str, body: Mapping[str, Any], request: JobRequest | None) -> JobInfo:
    state = _STATES.get(body.get("status") or "Processing", _GONE)
    return JobInfo(job, state, *((request.report, request.format) if request else ()))
