"""HTTP errors: faults of the HTTP layer, and the renderer of each path's errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.responses import Response

from offtake.errors import OfftakeError

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """An error of the HTTP layer: unknown path, wrong method, body too large."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[OfftakeError | HttpFault, str], Response]  # (error, request path) -> response


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSurface:
    """Paths whose errors one renderer answers.

    A prefix covers itself and all paths below it; a prefix that ends with ``_`` covers every path that starts with it.
    """

    prefixes: tuple[str, ...]
    render: Renderer
    max_body: int | None = None  # bytes of a request body, from the contract; None: the server's max_body_bytes

    def owns(self, path: str) -> bool:
        """Whether this surface renders the errors of ``path``."""
        return any(
            path == prefix or path.startswith(prefix if prefix.endswith("_") else prefix + "/")
            for prefix in self.prefixes
        )


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """Return the table row of the error's nearest ancestor; every table has a row for the root class."""
    return nearest_of(table, type(error))


def nearest_of(table: Mapping[type[OfftakeError], Row], kind: type[OfftakeError]) -> Row:
    """Return the table row for an error class."""
    return next(table[ancestor] for ancestor in kind.__mro__ if ancestor in table)
