"""The interface of a dialect's client, and what all dialects share: connections, polling, downloading."""

from __future__ import annotations

import hashlib
import ssl
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import httpx

from dialect_clients.errors import JobFailed, ServerBusy, UnexpectedResponse, UnsupportedOperation
from dialect_clients.export_job import Download, Export, Job, JobState, Operation

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20
_BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)


class ExportClient(ABC):
    """A client with one credential at one server. Use it as a context manager, from one thread at a time.

    Every method raises ServerBusy when the request has to be sent again later, UnexpectedResponse for a status that the
    operation does not allow, and httpx.TransportError when the connection is cut: the server may have acted then.

    The ``build_…`` methods return the operations' requests with their authorization, unsent: load tests and tests of
    the wire send them in their own way.
    """

    dialect: ClassVar[str]
    operations: ClassVar[frozenset[Operation]] = frozenset()
    poll_seconds: ClassVar[float] = 0.2

    def __init__(self, url: str, *, auth: httpx.Auth | None = None, verify: ssl.SSLContext | bool = True) -> None:
        self.http = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False, auth=auth, verify=verify)
        # Signed links need no credential.
        # Without a content coding, the ETag is the checksum of the file.
        unencoded = {"Accept-Encoding": "identity"}
        self._downloads = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False, verify=verify, headers=unencoded)

    def move(self, url: str) -> None:
        """Send the following requests to the server's new address."""
        self.http.base_url = url

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self._downloads.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What each dialect defines

    @property
    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers that authorize a request."""

    @abstractmethod
    def build_create(self, export: Export) -> httpx.Request:
        """Build the request that creates a job."""

    @abstractmethod
    def build_status(self, job: Job) -> httpx.Request:
        """Build the request that reads a job's status."""

    @abstractmethod
    def create(self, export: Export) -> Job:
        """Create a job."""

    @abstractmethod
    def state(self, job: Job) -> JobState:
        """Read a job's state once."""

    @abstractmethod
    def link(self, job: Job) -> str:
        """Return a fresh link to a job's file; it needs no credential. Raises NoFile."""

    def cancel(self, job: Job) -> bool:
        """Cancel a job; whether it was still open. Raises UnsupportedOperation."""
        raise UnsupportedOperation(f"{self.dialect} has no cancel operation")

    def delete(self, job: Job) -> bool:
        """Delete a job's file; whether there was one. Raises UnsupportedOperation."""
        raise UnsupportedOperation(f"{self.dialect} has no delete operation")

    def list_jobs(self, report: str) -> list[Job]:
        """List the jobs of a report, newest first. Raises UnsupportedOperation."""
        raise UnsupportedOperation(f"{self.dialect} has no list operation")

    # What all dialects share

    def wait(self, job: Job, *, timeout_seconds: float = 600, poll_seconds: float | None = None) -> None:
        """Poll until the job's file is ready. Raises JobFailed when the job ends otherwise, or not in time."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            state = self.state(job)
            if state is JobState.READY:
                return
            if state is not JobState.OPEN:
                raise JobFailed(f"Job {job.id} has no file: its state is {state.value}.")
            time.sleep(self.poll_seconds if poll_seconds is None else poll_seconds)
        raise JobFailed(f"Job {job.id} did not end within {timeout_seconds:g} s.")

    def read(self, job: Job) -> bytes:
        """Download a job's file into memory. Raises NoFile."""
        response = self._downloads.get(self.link(job))
        expect(response, httpx.codes.OK)
        return response.content

    def download(self, job: Job, path: Path) -> Download:
        """Download a job's file to ``path``. Raises NoFile."""
        digest = hashlib.sha256()
        size = 0
        with self._downloads.stream("GET", self.link(job)) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
            expect(response, httpx.codes.OK)
            with path.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
        return Download(
            path=path,
            bytes=size,
            sha256=digest.hexdigest(),
            etag=response.headers.get("etag", "").strip('"'),
            media_type=response.headers.get("content-type", ""),
        )

    def export(self, export: Export, path: Path) -> Download:
        """Create a job, wait for its end and download its file."""
        job = self.create(export)
        self.wait(job)
        return self.download(job, path)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return the response, whatever its status. Redirects are not followed."""
        return self.http.send(request)


def expect(response: httpx.Response, *statuses: int) -> None:
    """Check a response's status. Raises ServerBusy, UnexpectedResponse."""
    if response.status_code in statuses:
        return
    if response.status_code in _BUSY:
        raise ServerBusy(response)
    raise UnexpectedResponse(response)
