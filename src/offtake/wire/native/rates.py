"""The rate-limit step of the dialect, and the headers ``RateLimit`` and ``RateLimit-Policy``.

The headers are those of the IETF draft "RateLimit header fields for HTTP": ``RateLimit: "create";r=119;t=60`` means
that 119 requests are left of the policy "create" for 60 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from offtake.core.auth import rate_limit
from offtake.errors import RateExceeded
from offtake.wire.endpoint import NO_HEADERS, Call


def limit_rate(operation: str) -> Callable[[Call[Any]], Mapping[str, str]]:
    """The rate-limit step of operations that are counted together. Every answer says what is left of the rate."""

    def limit(call: Call[Any]) -> Mapping[str, str]:
        allowance = rate_limit.count_request(call.by.principal, call.wire.dialect.name, call.on, operation=operation)
        if allowance is None:
            return NO_HEADERS
        return _headers(operation, allowance.requests, allowance.left, allowance.resets_in)

    return limit


def refused_rate_headers(error: RateExceeded) -> Mapping[str, str]:
    """The headers of a refusal, which name the same policy as those of the answers before it."""
    return _headers(error.operation, error.allowed, 0, error.resets_in)


def _headers(policy: str, allowed: int, left: int, resets_in: int) -> dict[str, str]:
    return {
        "ratelimit-policy": f'"{policy}";q={allowed};w=60',
        "ratelimit": f'"{policy}";r={left};t={resets_in}',
    }
