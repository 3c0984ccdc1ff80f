"""Errors on the wire: refusals by HTTP itself, and who words the errors of a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.responses import Response

from offtake.errors import OfftakeError

Row = TypeVar("Row")


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


def nearest(table: Mapping[type[OfftakeError], Row], error: OfftakeError) -> Row:
    """The row of the error's nearest ancestor; every table has one for the root."""
    return nearest_of(table, type(error))


def nearest_of(table: Mapping[type[OfftakeError], Row], kind: type[OfftakeError]) -> Row:
    """The row of an error that has yet to happen."""
    return next(table[ancestor] for ancestor in kind.__mro__ if ancestor in table)
