"""What both drivers have in common: requests in the terms of httpx, and its errors in those of the client."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from offtake_client.effects import Request, Response, TransportFault
from offtake_client.errors import OfftakeError, Unreachable

_CONNECT_SECONDS = 15.0
TIMEOUTS = httpx.Timeout(60.0, connect=_CONNECT_SECONDS)


def arguments(request: Request) -> dict[str, Any]:
    """Return the arguments of httpx for a request. Redirects are not followed: a link must not get the token."""
    given: dict[str, Any] = {"json": request.json, "data": request.form, "auth": request.auth}
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "params": dict(request.params) or None,  # an empty mapping would remove the query of the URL
        "timeout": httpx.Timeout(request.timeout, connect=_CONNECT_SECONDS),
        **{name: value for name, value in given.items() if value is not None},
    }


def head_of(response: httpx.Response) -> Response:
    """Return status and headers of a response."""
    return Response(response.status_code, response.headers)


def is_success(response: Response) -> bool:
    """Whether the body of the response is a file, or a part of one."""
    return 200 <= response.status < 300


def translated(error: httpx.TransportError) -> TransportFault | OfftakeError:
    """Return the error of the client: one that may pass, or one that does not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                f"The certificate of the server is not accepted: {cause.verify_message}.",
                "Set SSL_CERT_FILE to the certificates of your organisation.",
            )
        cause = cause.__cause__ or cause.__context__
    return TransportFault(str(error) or type(error).__name__)
