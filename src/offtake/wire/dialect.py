"""A dialect as the server sees it: name, routes, errors, OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.requests import Request

from offtake.catalogue.load import Catalogue
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.http.errors import ErrorSurface
from offtake.wire.dialect_settings import DialectOptions

Options = TypeVar("Options", bound=DialectOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire(Generic[Options]):
    """The dependencies of a dialect's routes: the core's services, the options, and the server's public URL."""

    dialect: Dialect[Options]
    on: Services
    settings: PerTenant[Options]
    public_url: str | None  # without a slash at the end; None: links repeat the host that the client addressed

    def absolute(self, request: Request, path: str) -> str:
        """Return the absolute URL of a path of this server, which clients use unchanged."""
        base = self.public_url or str(request.base_url).rstrip("/")
        return base + path


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Generic[Options]):
    """One wire language. The settings have a table of the same name."""

    name: str
    router: Callable[[Wire[Options]], APIRouter]
    errors: ErrorSurface
    document: Callable[[Catalogue, str | None], dict[str, Any]]  # OpenAPI; the second argument is the public URL
    document_path: str  # where the router serves it
