"""The Host header: off the loopback interface, the server answers only for the names of the settings.

Links to files repeat the host of the request where ``public_url`` is unset, and a signed assertion names the address of
the token endpoint; neither may contain a name that a client made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from offtake.errors import SettingsError
from offtake.http.admission import PROBES, REFUSAL, REFUSED, ROUTE
from offtake.http.errors import HttpFault, Renderer
from offtake.http.settings import ANY_HOST, ServerSettings

REASON = "host"
_HOST = re.compile(r"(?P<name>[^\s:\[\]]+|\[[0-9A-Fa-f:.]+\])(:\d*)?", re.ASCII)
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WILDCARDS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared, not listened on
_MISDIRECTED = HttpFault(
    status=421, message="This server does not answer for the host name of the request ([server] hosts and public_url)."
)


class ServedHosts:
    """The host names that requests may have: those of the settings, and of URLs at which dialects publish links.

    Raises SettingsError for a listener off the loopback interface without any name.
    """

    def __init__(self, settings: ServerSettings, *, link_urls: Iterable[str] = ()) -> None:
        listens_on = _normal(f"[{settings.host}]" if ":" in settings.host else settings.host)
        public = urlsplit(settings.public_url or "").netloc
        names = {*settings.hosts, _normal(public), "" if listens_on in _WILDCARDS else listens_on}
        self._names = frozenset(names - {""})
        self.serve_any = ANY_HOST in settings.hosts or (not settings.hosts and _is_loopback(listens_on))
        if not self._names:
            raise SettingsError(
                f'[server] host = "{settings.host}" is not a loopback address: set public_url, or set hosts to the '
                f'names by which clients address the server ("{ANY_HOST}" for any name).'
            )
        self._names |= {_normal(urlsplit(url).netloc) for url in link_urls} - {""}

    def serve(self, host: str, local_address: str) -> bool:
        """Whether a request with that Host header is answered on a connection to that address of this machine."""
        if self.serve_any:
            return True
        name = _normal(host)
        return name in self._names or (name in _LOOPBACK_NAMES and _is_loopback(_normal(local_address)))


class HostMiddleware:
    """Refuses requests for other hosts with 421 (RFC 9110 7.4), except probes, which address a machine."""

    def __init__(self, app: ASGIApp, render: Renderer, hosts: ServedHosts) -> None:
        self._app = app
        self._render = render
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal."""
        if scope["type"] != "http" or scope["path"] in PROBES or self._serves(scope):
            await self._app(scope, receive, send)
            return
        scope[ROUTE], scope[REFUSAL] = REFUSED, REASON
        await self._render(_MISDIRECTED, scope["path"])(scope, receive, send)

    def _serves(self, scope: Scope) -> bool:
        if self._hosts.serve_any:
            return True
        sent = Headers(scope=scope).getlist("host")
        local_address = scope["server"][0] if scope.get("server") else ""
        return self._hosts.serve(sent[0] if len(sent) == 1 else "", local_address)


def _normal(host: str) -> str:
    """Return the name of a Host header in lower case, without its port and a dot at its end; empty if it is none."""
    found = _HOST.fullmatch(host)
    return found["name"].lower().rstrip(".") if found else ""


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
