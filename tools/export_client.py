"""An ordinary client of the Talkdesk Explore API, as anyone would write it against the vendor's manual: token, create,
poll until the 303, follow the 302 to the file."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx


class ClientError(Exception):
    """The server answered something the manual does not promise, or the job failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for."""

    report: str
    format: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A downloaded file, and what the server says it is."""

    path: Path
    bytes: int
    sha256: str
    etag: str
    media_type: str


class ExportClient:
    """Talks to one server with one credential."""

    def __init__(self, url: str, *, client_id: str, client_secret: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._credential = (client_id, client_secret)
        self._token = ""
        self.login()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def login(self) -> None:
        """Get a token; it lives about ten minutes, so a 401 later means: again."""
        answer = self._http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=self._credential)
        self._token = str(_json(answer, 200)["access_token"])

    def headers(self) -> dict[str, str]:
        """What every call to the API carries."""
        return {"Authorization": f"Bearer {self._token}"}

    def create(self, order: Order) -> str:
        """Order an export; returns the id of its job."""
        body = {
            "name": f"{order.report} as {order.format}",
            "format": order.format,
            "timezone": "UTC",
            "timespan": {"from": order.start.isoformat(), "to": order.end.isoformat()},
        }
        answer = self._call("POST", f"/data/reports/{order.report}/jobs", json=body)
        return str(_json(answer, 202)["job"]["id"])

    def wait(self, report: str, job: str, *, patience: float = 600, pause: float = 0.2) -> str:
        """Poll until the job is done; returns the address of its file."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            answer = self._call("GET", f"/data/reports/{report}/jobs/{job}")
            if answer.status_code == httpx.codes.SEE_OTHER:
                return urljoin(str(answer.request.url), answer.headers["location"])
            status = _json(answer, 200)["job"]["status"]
            if status in ("failed", "canceled", "deleted"):
                raise ClientError(f"job {job} ended {status}: {answer.text}")
            time.sleep(pause)
        raise ClientError(f"job {job} was not done within {patience:g} s")

    def link(self, files: str) -> str:
        """The short-lived address of the bytes, from the 302 of the file's address."""
        answer = self._call("GET", files)
        if answer.status_code != httpx.codes.FOUND:
            raise ClientError(f"expected 302 from {files}, got {answer.status_code}: {answer.text}")
        return str(answer.headers["location"])

    def download(self, files: str, path: Path) -> Download:
        """Fetch the file, without the Authorization header: the link alone is enough."""
        return save(self._http, self.link(files), path)

    def fetch(self, order: Order, path: Path) -> Download:
        """Order an export, wait for it and save it."""
        return self.download(self.wait(order.report, self.create(order)), path)

    def _call(self, method: str, address: str, *, json: dict[str, Any] | None = None) -> httpx.Response:
        answer = self._http.request(method, address, headers=self.headers(), json=json)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self.login()
            answer = self._http.request(method, address, headers=self.headers(), json=json)
        return answer


def save(http: httpx.Client, link: str, path: Path) -> Download:
    """Fetch what a link leads to."""
    digest = hashlib.sha256()
    size = 0
    with http.stream("GET", link) as answer, path.open("wb") as file:
        if answer.status_code != httpx.codes.OK:
            raise ClientError(f"expected 200 from the download link, got {answer.status_code}")
        for chunk in answer.iter_bytes(1 << 20):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    return Download(
        path=path,
        bytes=size,
        sha256=digest.hexdigest(),
        etag=answer.headers.get("etag", "").strip('"'),
        media_type=answer.headers.get("content-type", ""),
    )


def _json(answer: httpx.Response, expected: int) -> dict[str, Any]:
    if answer.status_code != expected:
        raise ClientError(
            f"expected {expected} from {answer.request.method} {answer.request.url},"
            f" got {answer.status_code}: {answer.text}"
        )
    body: dict[str, Any] = answer.json()
    return body
