"""Errors of HTTP itself, and the renderer of the errors of each path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import Response

from offtake.errors import OfftakeError, Waitable

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """A refusal by HTTP itself, such as an unknown path, a wrong method or a body that is too large."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None  # of the kind, where its status has several


def fault_of(error: HTTPException) -> HttpFault:
    """Return the fault of a refusal that was raised, with its headers."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return HttpFault(status=error.status_code, message=error.detail, headers=headers)


Renderer = Callable[[OfftakeError | HttpFault, str], Response]  # the error, and the request's path


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSurface:
    """The paths whose errors one renderer answers.

    A prefix matches itself and all paths below it; a prefix that ends with ``_`` matches all paths that begin with it.
    """

    prefixes: tuple[str, ...]
    render: Renderer
    max_body: int | None = None  # bytes of a request's body; None: the server's own limit
    renders_unparsed: bool = False  # also answers requests that are refused before they are parsed

    def owns(self, path: str) -> bool:
        """Whether this renderer answers errors on that path."""
        return any(
            path == prefix or path.startswith(prefix if prefix.endswith("_") else prefix + "/")
            for prefix in self.prefixes
        )


def retry_headers(error: Waitable) -> dict[str, str]:
    """The header Retry-After, if the time is known."""
    return {} if error.retry_after is None else {"retry-after": str(error.retry_after)}


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """The row of the error's class, or else of its nearest ancestor; every table has a row for the root."""
    return nearest_of(table, type(error))


def nearest_of(table: Mapping[type[OfftakeError], Row], error_class: type[OfftakeError]) -> Row:
    """The row of an error class, or else of its nearest ancestor."""
    return next(table[ancestor] for ancestor in error_class.__mro__ if ancestor in table)
