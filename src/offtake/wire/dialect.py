"""A dialect as the server sees it: name, options, routes, errors, presentation of reports, OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from offtake.catalogue.load import Catalogue
from offtake.core.policy import PerTenant
from offtake.core.presentation import Presentation
from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.wire.dialect_settings import DialectSettings

Row = TypeVar("Row")
Options = TypeVar("Options", bound=DialectSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire(Generic[Options]):
    """What the routes of a dialect need: the core's services, the options, and the server's public URL."""

    dialect: Dialect[Options]
    on: Services
    settings: PerTenant[Options]
    public_url: str | None  # without a slash at the end; None: links repeat the host that the client addressed

    def absolute(self, request: Request, path: str) -> str:
        """The absolute URL of a path of this server; clients use it as it is."""
        base = self.public_url or str(request.base_url).rstrip("/")
        return base + path


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """A refusal by HTTP itself, such as an unknown path, a wrong method or a body that is too large."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[OfftakeError | HttpFault, str], Response]  # the error, and the request's path


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSurface:
    """The paths whose errors one renderer answers.

    A prefix matches itself and all paths below it; a prefix that ends with ``_`` matches all paths that begin with it.
    """

    prefixes: tuple[str, ...]
    render: Renderer
    max_body: int | None = None  # bytes of a request's body; None: the server's own limit

    def owns(self, path: str) -> bool:
        """Whether this renderer answers errors on that path."""
        return any(
            path == prefix or path.startswith(prefix if prefix.endswith("_") else prefix + "/")
            for prefix in self.prefixes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Generic[Options]):
    """One wire language. The settings have a table of the same name."""

    name: str
    settings: type[Options]
    router: Callable[[Wire[Options]], APIRouter]
    presentation: Callable[[Options], Presentation]
    errors: ErrorSurface
    document: Callable[[Catalogue, str | None], dict[str, Any]]  # OpenAPI; the second argument is the public URL


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """The row of the error's class, or else of its nearest ancestor; every table has a row for the root."""
    return nearest_of(table, type(error))


def nearest_of(table: Mapping[type[OfftakeError], Row], error_class: type[OfftakeError]) -> Row:
    """The row of an error class, or else of its nearest ancestor."""
    return next(table[ancestor] for ancestor in error_class.__mro__ if ancestor in table)
