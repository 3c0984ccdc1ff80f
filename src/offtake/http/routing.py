"""Finds the route of a request: one pass over the routes of the routers whose paths it may have.

FastAPI compares a path twice with the routes of each included router, which took a fifth of the time of a status poll.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_SELECTED = "offtake.selected_route"  # scope key: the route of the group that matched


class RouteGroup(BaseRoute):
    """The routes of a router, for the paths that begin with one of the prefixes.

    A route that serves the path, but not the method, is chosen if no other route serves both; it answers 405.
    """

    def __init__(self, router: APIRouter, prefixes: tuple[str, ...] = ("/",)) -> None:
        self._routes = [route for route in router.routes if isinstance(route, Route)]
        self._prefixes = prefixes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of the path and the method."""
        path = scope["path"] if scope["type"] == "http" else ""
        found: tuple[Match, Scope] = Match.NONE, {}
        if not path.startswith(self._prefixes):
            return found
        for route in self._routes:
            if route.path_regex.match(path) is None:
                continue
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return match, {**child_scope, _SELECTED: route}
            if match is Match.PARTIAL and found[0] is Match.NONE:
                found = match, {**child_scope, _SELECTED: route}
        return found

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the route that ``matches`` has found."""
        await scope[_SELECTED].handle(scope, receive, send)
