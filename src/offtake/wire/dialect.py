"""What a dialect is to the server: a name, paths, routes, words for errors, and a way to show reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from offtake.core.presentation import Presentation
from offtake.core.services import Services
from offtake.errors import OfftakeError

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What routes need: the core's services and how the outside world reaches this server."""

    on: Services
    public_url: str | None  # without a slash at the end; None: as the client addressed us

    def absolute(self, request: Request, path: str) -> str:
        """The absolute URL of a path of ours; clients use it as it is."""
        base = self.public_url or str(request.base_url).rstrip("/")
        return base + path


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """A refusal by HTTP itself: no such path, wrong method, body too large."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSurface:
    """Paths whose errors are said in one set of words. ``render`` gets what happened and the request's path."""

    prefixes: tuple[str, ...]
    render: Callable[[OfftakeError | HttpFault, str], Response]

    def owns(self, path: str) -> bool:
        """Whether errors on that path are said in these words."""
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire language."""

    name: str
    router: Callable[[Wire], APIRouter]
    presentation: Callable[[Mapping[str, Any]], Presentation]  # from the dialect's own settings
    errors: ErrorSurface


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """The row of the error's nearest ancestor; every table has one for the root."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
