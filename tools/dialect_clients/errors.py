"""Errors of the clients. Connections that are cut raise httpx.TransportError and are not translated.

ClientError
    UnexpectedResponse      a status that the vendor's documentation does not name
    ServerBusy              429 or 503: send the request again later
    NoFile                  the job has no file, or there is no such job
    JobFailed               the job ended without a file, or did not end in time
    UnsupportedOperation    the dialect does not have the operation
"""

from __future__ import annotations

import httpx


class ClientError(Exception):
    """The server did not do what was asked."""


class UnexpectedResponse(ClientError):
    """The response has a status that the operation does not allow."""

    def __init__(self, response: httpx.Response) -> None:
        request = response.request
        super().__init__(f"{request.method} {request.url} returned {response.status_code}: {response.text}")
        self.response = response


class ServerBusy(UnexpectedResponse):
    """A limit is reached or the server is not available. ``retry_after`` is in seconds; None if it is not stated."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response)
        stated = response.headers.get("retry-after", "")
        self.retry_after = int(stated) if stated.isdigit() else None


class NoFile(ClientError):
    """The job has no file: it has not succeeded, its file is deleted or expired, or the job is unknown."""


class JobFailed(ClientError):
    """The job ended without a file, or did not end within the time allowed."""


class UnsupportedOperation(ClientError):
    """The dialect does not have this operation."""
