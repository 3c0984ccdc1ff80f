"""Finds the route of a request: one pass over the routes of the routers whose paths it may have.

FastAPI compares a path twice with the routes of each included router, which took a fifth of the time of a status poll.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_SELECTED = "offtake.selected_route"  # scope key: the route of the group that matched


class RouteGroup(BaseRoute):
    """The routes of a router, for the paths that begin with one of the prefixes.

    A path that a route names has no other routes: those of ``/exports/{id}`` do not serve ``/exports/preview``. A route
    that serves the path, but not the method, is chosen if no other route serves both; it answers 405.
    """

    def __init__(self, router: APIRouter, prefixes: tuple[str, ...] = ("/",)) -> None:
        self._routes = [route for route in router.routes if isinstance(route, Route)]
        self._prefixes = prefixes
        self._named: dict[str, list[Route]] = {}
        for route in self._routes:
            if not route.param_convertors:
                self._named.setdefault(route.path, []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of the path and the method."""
        found: tuple[Match, Scope] = Match.NONE, {}
        for route in self._routes_of(scope["path"] if scope["type"] == "http" else ""):
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return match, {**child_scope, _SELECTED: route}
            if match is Match.PARTIAL and found[0] is Match.NONE:
                found = match, {**child_scope, _SELECTED: route}
        return found

    def methods(self, path: str) -> set[str]:
        """Return all methods of a path."""
        return {method for route in self._routes_of(path) for method in route.methods or ()}

    def _routes_of(self, path: str) -> Iterator[Route]:
        """Yield the routes of a path, whatever their methods."""
        if path.startswith(self._prefixes):
            for route in self._named.get(path, self._routes):
                if route.path_regex.match(path) is not None:
                    yield route

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the route that ``matches`` has found."""
        await scope[_SELECTED].handle(scope, receive, send)
