"""What a dialect is to the server: a name, paths, routes, words for errors, and a way to show reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from offtake.catalogue.load import Catalogue
from offtake.core.policy import DialectLimits, PerTenant
from offtake.core.presentation import Presentation
from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.settings_section import SettingsSection

Row = TypeVar("Row")
Options = TypeVar("Options", bound=SettingsSection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire(Generic[Options]):
    """What routes need: the core's services and how the outside world reaches this server."""

    on: Services
    settings: PerTenant[Options]  # the dialect's own
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


Renderer = Callable[[OfftakeError | HttpFault, str], Response]  # what happened, and the request's path


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSurface:
    """Paths whose errors are said in one set of words.

    A prefix stands for itself and all paths below it; one that ends with ``_``, for all that begin with it.
    """

    prefixes: tuple[str, ...]
    render: Renderer
    max_body: int | None = None  # bytes of a request's body, where the contract says; None: what holds for all paths

    def owns(self, path: str) -> bool:
        """Whether errors on that path are said in these words."""
        return any(
            path == prefix or path.startswith(prefix if prefix.endswith("_") else prefix + "/")
            for prefix in self.prefixes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Generic[Options]):
    """One wire language. Its name is also that of its table in the settings."""

    name: str
    settings: type[Options]
    limits: Callable[[Options], DialectLimits]
    router: Callable[[Wire[Options]], APIRouter]
    presentation: Callable[[Options], Presentation]
    errors: ErrorSurface
    document: Callable[[Catalogue, str | None], dict[str, Any]] | None = None  # OpenAPI, with the public URL if known


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """The row of the error's nearest ancestor; every table has one for the root."""
    return nearest_of(table, type(error))


def nearest_of(table: Mapping[type[OfftakeError], Row], kind: type[OfftakeError]) -> Row:
    """The row of an error that has yet to happen."""
    return next(table[ancestor] for ancestor in kind.__mro__ if ancestor in table)
