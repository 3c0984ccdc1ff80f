"""Error bodies: the envelope of Khoros contract 4.7, and that of the Care lookups (Khoros contract 1.3)."""

from __future__ import annotations

from offtake.errors import InvalidRequest, OfftakeError, UnknownReport
from offtake.http.errors import HttpFault, nearest
from offtake.wire.errors import STATUSES, error_headers
from offtake.wire.khoros.interval import TooManyBuckets
from offtake.wire.khoros.responses import KhorosResponse, failed
from offtake.wire.khoros.tables import CARE_ROOT

# The vendor publishes no status of an error; Khoros contract 4.7 proposes all of them. One differs from the shared
# table.
ERRORS: dict[type[OfftakeError], int] = {**STATUSES, UnknownReport: 404}
_CHALLENGE = 'Basic realm="offtake", charset="UTF-8"'


def render_error(error: OfftakeError | HttpFault, path: str) -> KhorosResponse:
    """The answer to an error on one of the dialect's paths."""
    if isinstance(error, HttpFault):
        status, headers = error.status, dict(error.headers)
    else:
        status, headers = nearest(ERRORS, error), error_headers(error, challenge=_CHALLENGE)
    if path.startswith(CARE_ROOT):
        return KhorosResponse({"status": "fail", "message": error.message}, status, headers=headers)
    return KhorosResponse(failed(error.message, _result(error)), status, headers=headers)


def _result(error: OfftakeError | HttpFault) -> str:
    """The message, followed by the faulty parameters if the error names any."""
    if isinstance(error, TooManyBuckets):
        return error.result
    if isinstance(error, InvalidRequest) and error.fields:
        return " ".join([error.message, *(f"{fault.name}: {fault.description}." for fault in error.fields)])
    return error.message
