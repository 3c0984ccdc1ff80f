"""Talkdesk: tokens by client credentials, jobs polled until a 303, files behind a 302 (Talkdesk contract)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from offtake_client.credentials import OAuthClient
from offtake_client.dialects.dialect import Dialect, JobInfo, JobPage, JobRequest, split_id
from offtake_client.effects import Flow, Request, Response
from offtake_client.errors import UnknownOption

_STATES = {
    "created": "queued",
    "processing": "running",
    "uploading": "uploading",
    "done": "succeeded",
    "failed": "failed",
    "canceled": "cancelled",
    "deleted": "deleted",
}
_CREATED = frozenset({200, 201, 202})
_READ = frozenset({200, 303})
_REDIRECT = frozenset({302, 303, 307})
_PAGE = "200"  # jobs, the most that a page may have (Talkdesk contract 2.5)
_MOST_PAGES = 5  # in which a job that was just created is looked for


class Talkdesk(Dialect):
    """The id of a job is ``report/id``: every path of the dialect names the report."""

    name = "talkdesk"
    credentials = (OAuthClient,)
    default_format = "csv"

    def create_request(self, request: JobRequest, key: str) -> Request:
        """Talkdesk contract 2.2. The name of the job ends in the key, by which the list of jobs identifies it."""
        options = dict(request.options)
        body = {
            "name": f"{options.pop('name', request.report)} {key}",
            "format": request.format,
            "timezone": request.timezone,
            "timespan": {"from": request.start.isoformat(), "to": request.end.isoformat()},
            **options,
        }
        return self.request("POST", f"{_path(request.report)}/jobs", json=body)

    def created(self, request: JobRequest, response: Response) -> JobInfo:
        """The job is wrapped, or the body itself (Talkdesk contract 2.2)."""
        return self.decoded(response, lambda body: _info(request.report, body.get("job", body)))

    def read(self, job: str) -> Flow[JobInfo]:
        """Talkdesk contract 2.3: the 303 of a job that is done has the job in its body, if it has one."""
        report, number = _split(job)
        request = self.request("GET", f"{_path(report)}/jobs/{quote(number, safe='')}")
        response = yield from self.session.call(request, _READ)
        if response.status != 200 and not response.content.strip():
            return JobInfo(job, "succeeded", report)
        return self.decoded(response, lambda body: _info(report, body["job"]))

    def link(self, job: str) -> Flow[str]:
        """Talkdesk contract 2.4."""
        report, number = _split(job)
        request = self.request("GET", f"{_path(report)}/files/{quote(number, safe='')}")
        response = yield from self.session.call(request, _REDIRECT)
        return urljoin(request.url, response.headers["location"])

    def check(self) -> Flow[None]:
        """Get a token."""
        yield from self.session.authorization()

    def find(self, request: JobRequest, key: str) -> Flow[JobInfo | None]:
        """Look for the job whose name ends in the key."""
        cursor = None
        for _ in range(_MOST_PAGES):
            page = yield from self.page(request.report, cursor)
            for job in page.jobs:
                if job.name.endswith(key):
                    return job
            cursor = page.next
            if cursor is None:
                break
        return None

    def page(self, report: str | None, cursor: str | None) -> Flow[JobPage]:
        """Talkdesk contract 2.5."""
        if not report:
            raise UnknownOption("talkdesk lists the jobs of one report.", "Name it: --report calls.")
        params = {"per_page": _PAGE, **({"page": cursor} if cursor else {})}
        request = self.request("GET", f"{_path(report)}/jobs", params=params)
        response = yield from self.session.call(request, frozenset({200}))
        return self.decoded(response, lambda body: _page(report, body))

    def cancel(self, job: str) -> Flow[None]:
        """The extension of Talkdesk contract 2, number 6."""
        report, number = _split(job)
        yield from self.session.call(self.request("DELETE", f"{_path(report)}/jobs/{quote(number, safe='')}"))


def _split(job: str) -> tuple[str, str]:
    return split_id(job, "report/id, such as calls/4a9be2d0-63c8-4e17-b0f5-8c2d71e6f39b")


def _path(report: str) -> str:
    return f"/data/reports/{quote(report, safe='')}"


def _info(report: str, job: dict[str, Any]) -> JobInfo:
    state = _STATES.get(job["status"], "running")
    return JobInfo(f"{report}/{job['id']}", state, report, job.get("format") or "", job.get("name") or "")


def _page(report: str, body: dict[str, Any]) -> JobPage:
    """The link to the next page gives its number only: a token is not sent to the address of a link."""
    following = (body["_links"].get("next") or {}).get("href")
    jobs = tuple(_info(report, item) for item in body["_embedded"]["jobs"])
    return JobPage(jobs, parse_qs(urlsplit(following).query)["page"][0] if following else None)
