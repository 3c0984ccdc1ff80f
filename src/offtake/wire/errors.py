"""HTTP status and headers of the core's errors. A dialect inherits these rows and lists only those that differ."""

from __future__ import annotations

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
    IdempotencyConflict,
    InvalidGrant,
    InvalidRequest,
    JobNotFound,
    JobStateConflict,
    LinkRefused,
    NotAuthenticated,
    NotPermitted,
    OfftakeError,
    QuotaExceeded,
    RateExceeded,
    SharedTableNotFound,
    Throttled,
    Waitable,
)
from offtake.http.errors import retry_headers

# An error without a row of its own has that of its nearest ancestor.
STATUSES: dict[type[OfftakeError], int] = {
    InvalidRequest: 400,
    InvalidGrant: 400,  # RFC 6749 5.2
    NotAuthenticated: 401,
    AccountNotVerified: 403,
    NotPermitted: 403,
    LinkRefused: 403,
    JobNotFound: 404,
    ArtifactNotFound: 404,
    SharedTableNotFound: 404,
    ArtifactGone: 404,
    JobStateConflict: 409,
    IdempotencyConflict: 409,
    QuotaExceeded: 429,
    RateExceeded: 429,
    Throttled: 429,
    Waitable: 503,
    OfftakeError: 500,
}


def error_headers(error: OfftakeError, *, challenge: str) -> dict[str, str]:
    """Headers that HTTP asks for: when to retry, and how to authenticate (``challenge``)."""
    if isinstance(error, Waitable):
        return retry_headers(error)
    if isinstance(error, NotAuthenticated):
        return {"www-authenticate": challenge}
    return {}
