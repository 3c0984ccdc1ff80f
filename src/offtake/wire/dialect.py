"""What a dialect is to the server: a name, paths, routes, words for errors, and a way to show reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.requests import Request

from offtake.catalogue.load import Catalogue
from offtake.core.policy import DialectLimits, PerTenant
from offtake.core.presentation import Presentation
from offtake.core.services import Services
from offtake.http.errors import ErrorSurface
from offtake.settings_section import SettingsSection

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
class Dialect(Generic[Options]):
    """One wire language. Its name is also that of its table in the settings."""

    name: str
    settings: type[Options]
    limits: Callable[[Options], DialectLimits]
    router: Callable[[Wire[Options]], APIRouter]
    presentation: Callable[[Options], Presentation]
    errors: ErrorSurface
    document: Callable[[Catalogue, str | None], dict[str, Any]] | None = None  # OpenAPI, with the public URL if known
