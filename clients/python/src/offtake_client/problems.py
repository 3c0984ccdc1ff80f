"""Turns refusals into errors: problem details (RFC 9457), those of the dialects, and what other servers answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from offtake_client.effects import Response
from offtake_client.errors import (
    BudgetExceeded,
    Busy,
    Conflict,
    Fault,
    Gone,
    InternalError,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Refusal,
    ServerProblem,
)
from offtake_client.retry import REPEATED, stated_pause

_CLASSES: Mapping[int, type[ServerProblem]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    410: Gone,
    415: InvalidRequest,
    422: InvalidRequest,
    507: BudgetExceeded,
    **dict.fromkeys(REPEATED, Busy),
}
_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_EXCERPT = 200  # characters of a body that is no problem


def problem_of(response: Response) -> ServerProblem:
    """Return the error of a response that is no success."""
    body = _object(response)
    text = response.content.decode("utf-8", "replace").strip()
    detail = body.get("detail") or body.get("error_description") or body.get("message") or text[:_LONGEST_EXCERPT]
    if response.status in _REDIRECTS:
        detail = f"The server redirects to {response.headers.get('location', 'another address')}; use that address."
    refusal = Refusal(
        status=response.status,
        code=str(body.get("code") or body.get("errorCode") or body.get("error") or "http"),
        detail=str(detail) if detail else f"The server answered {response.status}.",
        request=str(body.get("request") or body.get("requestId") or response.headers.get("x-request-id", "")),
        faults=tuple(_fault(each) for each in _faults(body) if isinstance(each, dict)),
        retry_after=stated_pause(response.headers),
    )
    return _CLASSES.get(response.status, InternalError)(refusal)


def _object(response: Response) -> dict[str, Any]:
    try:
        value = json.loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _faults(body: Mapping[str, Any]) -> list[Any]:
    """Return the single faults: ``errors`` of the native API and of Loop, ``fields`` of Talkdesk."""
    found = body.get("errors") or body.get("fields")
    return found if isinstance(found, list) else []


def _fault(each: Mapping[str, Any]) -> Fault:
    return Fault(
        where=str(each.get("parameter") or each.get("pointer") or each.get("field") or each.get("name") or ""),
        message=str(each.get("message") or each.get("description") or ""),
        accepted=tuple(map(str, each.get("accepted") or ())),
        nearest=each.get("nearest"),
    )
