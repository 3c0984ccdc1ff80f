"""Requests to the API: address, authentication, repetition and refusals."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from offtake_client.credentials import BasicUser, BearerToken, Credential, OAuthClient
from offtake_client.decoding import decode
from offtake_client.effects import Flow, Request, Response, Send, Sleep, TransportFault
from offtake_client.errors import InternalError, OfftakeError, ProfileError, Refusal, Unreachable
from offtake_client.problems import problem_of
from offtake_client.retry import REPEATED, Patience

T = TypeVar("T")
VERSION = version("offtake-client")
API = "/v1"
_log = logging.getLogger("offtake_client")
_UNAUTHORIZED = 401
_RENEW_BEFORE = 30.0  # seconds before an access token ends
_READ_MARGIN = 30.0  # seconds that a response may take longer than it was asked to wait


@dataclass
class Session:
    """One credential at one server. ``note`` receives messages for people, such as that a request is repeated."""

    url: str
    credential: Credential
    patience: float = 120.0  # seconds of failures in a row after which an operation gives up
    note: Callable[[str], None] = _log.warning
    clock: Callable[[], float] = time.monotonic
    _access_token: tuple[str, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ProfileError(
                f"{self.url!r} is not the address of a server.", "Give one such as https://exports.example.com."
            )

    def get(self, kind: type[T], path: str, params: Mapping[str, str] | None = None) -> Flow[T]:
        """Read a document."""
        response = yield from self.call(self.request("GET", path, params=params))
        return self.decode(kind, response)

    def decode(self, kind: type[T], response: Response) -> T:
        """Return the document of a response. Raises InternalError if it is none of the API."""
        try:
            return decode(kind, json.loads(response.content))
        except ValueError as error:
            refusal = Refusal(response.status, "not_the_api", f"{self.url} does not answer as Offtake does: {error}.")
            raise InternalError(refusal) from error

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        wait: int = 0,
    ) -> Request:
        """Return a request below /v1, without authorization. ``wait``: seconds that the server may wait."""
        return Request(
            method,
            f"{self.url}{API}{path}",
            headers={"accept": "application/json", **(headers or {})},
            params={**(params or {}), **({"wait": str(wait)} if wait else {})},
            json=body,
            timeout=wait + _READ_MARGIN,
        )

    def call(
        self,
        request: Request,
        accept: frozenset[int] = frozenset({200, 202, 204}),
        send: Callable[[Request], Flow[Response]] | None = None,
    ) -> Flow[Response]:
        """Send an authorized request until it is answered. Raises ServerProblem, Unreachable.

        ``send`` replaces ``exchange``, for requests that must not simply be repeated.
        """
        response = yield from self._authorized(request, send or self.exchange)
        if response.status == _UNAUTHORIZED and isinstance(self.credential, OAuthClient):
            self._access_token = None  # it may have been revoked
            response = yield from self._authorized(request, send or self.exchange)
        if response.status not in accept:
            raise problem_of(response)
        return response

    def _authorized(self, request: Request, send: Callable[[Request], Flow[Response]]) -> Flow[Response]:
        authorization = yield from self.authorization()
        headers = {**request.headers, "authorization": authorization, "user-agent": f"offtake-client/{VERSION}"}
        sent = Request(request.method, request.url, headers, request.params, request.json, timeout=request.timeout)
        return (yield from send(sent))

    def exchange(self, request: Request) -> Flow[Response]:
        """Send a request until there is a response other than a refusal that passes. Raises Busy, Unreachable."""
        patience = Patience(self.patience, self.clock)
        while True:
            try:
                response: Response = yield Send(request)
            except TransportFault as fault:
                yield from self.wait(patience, self.unreachable(request.url, fault))
                continue
            if response.status not in REPEATED:
                return response
            yield from self.wait(patience, problem_of(response))

    def wait(self, patience: Patience, error: OfftakeError) -> Flow[None]:
        """Pause before a repetition, and say why. Raises the error if the patience is exhausted."""
        seconds = patience.pause(getattr(error, "retry_after", None))
        if seconds is None:
            raise error
        self.note(f"{error.message} Trying again in {seconds:.0f} s." if seconds >= 1 else error.message)
        yield Sleep(seconds)

    def unreachable(self, url: str, fault: TransportFault) -> Unreachable:
        """Return the error of a connection that failed. The query of a link is a secret."""
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc}"
        return Unreachable(f"{where} cannot be reached: {fault}.", "Check the address and the network.")

    def authorization(self) -> Flow[str]:
        """Return the header Authorization; an OAuth client gets a token first. Raises NotAuthenticated."""
        if isinstance(self.credential, BearerToken):
            return f"Bearer {self.credential.token}"
        if isinstance(self.credential, BasicUser):
            pair = f"{self.credential.user}:{self.credential.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        if self._access_token is None or self._access_token[1] < self.clock():
            self._access_token = yield from self._new_token(self.credential)
        return f"Bearer {self._access_token[0]}"

    def _new_token(self, client: OAuthClient) -> Flow[tuple[str, float]]:
        response = yield from self.exchange(
            Request(
                "POST",
                client.token_url or f"{self.url}/oauth/token",
                form={"grant_type": "client_credentials"},
                auth=(quote(client.id, safe=""), quote(client.secret, safe="")),  # RFC 6749 2.3.1
            )
        )
        if response.status != 200:
            raise problem_of(response)
        body: Any = self.decode(dict, response)
        life = float(body.get("expires_in", 60))
        return str(body["access_token"]), self.clock() + max(1.0, life - _RENEW_BEFORE)
