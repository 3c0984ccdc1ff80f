"""Who calls: the Bearer token, and the token endpoint's parameters (sections 1.2 and 1.3)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from offtake.core import identity
from offtake.core.exports import Caller
from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.model.tenant import Scope
from offtake.wire.http import remote_address
from offtake.wire.talkdesk.errors import OAuthRefusal
from offtake.wire.talkdesk.tables import SCOPES

_MISSING = "The access token is missing, unknown or has expired."
_MANY = 64  # parameters of a token request


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A request for a token by client credentials."""

    client_id: str
    client_secret: str
    scopes: frozenset[Scope]  # empty: everything the client was granted


def caller(request: Request, on: Services) -> Caller:
    """Who the Bearer token stands for. Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(_MISSING)
    return Caller(principal=identity.authenticate(token.strip(), on), address=remote_address(request))


def decode_token_request(request: Request, body: bytes) -> TokenRequest:
    """Parameters from the query and the form body (the body wins), the client from HTTP Basic or the body.

    Raises OAuthRefusal.
    """
    parameters = dict(request.query_params) | _form(body)
    grant = parameters.get("grant_type", "")
    if not grant:
        raise OAuthRefusal("invalid_request", "The parameter grant_type is missing; use client_credentials.")
    if grant != "client_credentials":
        raise OAuthRefusal("unsupported_grant_type", "This server grants client_credentials.")
    client_id, secret = _client(request.headers.get("authorization", ""), _form(body))
    known = (SCOPES.get(word) for word in parameters.get("scope", "").split())
    scopes = frozenset(scope for scope in known if scope is not None)  # unknown words are ignored (section 1.2)
    return TokenRequest(client_id=client_id, client_secret=secret, scopes=scopes)


def scope_text(scopes: frozenset[Scope]) -> str:
    """Scopes in the dialect's words: always one string, clients search in it."""
    return " ".join(word for word, scope in SCOPES.items() if scope in scopes)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MANY))
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The body is not a form.") from error


def _client(header: str, form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        except ValueError as error:  # not base64, not ASCII or not UTF-8
            raise NotAuthenticated("The Authorization header is not valid HTTP Basic.") from error
        if colon:
            return client_id, secret
    if form.get("client_id") and form.get("client_secret"):
        return form["client_id"], form["client_secret"]
    raise NotAuthenticated("Client credentials are missing; send them by HTTP Basic.")
