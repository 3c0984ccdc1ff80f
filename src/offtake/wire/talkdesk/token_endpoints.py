"""The token endpoints: issue, refresh, revoke (Talkdesk contract 1.2; RFC 6749, RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.responses import JSONResponse, Response

from offtake.core.auth import tokens
from offtake.core.auth.client_auth import AuthenticatedClient, ClientAuthentication, authenticate_client
from offtake.core.auth.tokens import IssuedToken, TokenEndpoint
from offtake.http.middleware import remote_address
from offtake.http.paths import sent_path
from offtake.wire.endpoint import Endpoint, IncomingRequest, decode_nothing, permit
from offtake.wire.talkdesk.auth import limit_rate
from offtake.wire.talkdesk.oauth import TokenParameters, TokenRequest, decode_revocation, decode_token_request
from offtake.wire.talkdesk.responses import encode_token
from offtake.wire.talkdesk.settings import TalkdeskSettings
from offtake.wire.talkdesk.tables import TOKEN_PATH

Wanted = TypeVar("Wanted")
Incoming = IncomingRequest[TalkdeskSettings]
_NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCall(IncomingRequest[TalkdeskSettings], Generic[Wanted]):
    """A request of an authenticated OAuth client, and what the client wants."""

    client: AuthenticatedClient
    wanted: Wanted

    @property
    def endpoint(self) -> TokenEndpoint:
        """Where the request arrived, and from which address."""
        return TokenEndpoint(dialect=self.wire.dialect.name, address=remote_address(self.request))

    @property
    def log_fields(self) -> Mapping[str, str]:
        """Dialect, tenant and credential of the client."""
        credential = self.client.credential
        return {
            "dialect": self.wire.dialect.name,
            "tenant": credential.tenant,
            "principal": credential.id,
            "credential": credential.name,
        }


def authenticate_token_client(incoming: Incoming) -> OAuthCall[TokenRequest]:
    """The client that asks for a token. The form holds its credentials, so the form is decoded first.

    Raises OAuthRefusal, NotAuthenticated.
    """
    wanted = decode_token_request(TokenParameters.of(incoming.request, incoming.body), _audiences(incoming))
    return _authenticated(incoming, _client(wanted.client, incoming), wanted)


def authenticate_revoking_client(incoming: Incoming) -> OAuthCall[str]:
    """The client that ends a token. Raises OAuthRefusal, NotAuthenticated."""
    sent = TokenParameters.of(incoming.request, incoming.body)
    token = decode_revocation(sent)
    return _authenticated(incoming, _client(sent.client_authentication(_audiences(incoming)), incoming), token)


def _client(presented: ClientAuthentication, incoming: Incoming) -> AuthenticatedClient:
    return authenticate_client(presented, incoming.on, address=remote_address(incoming.request))


def _authenticated(incoming: Incoming, client: AuthenticatedClient, wanted: Wanted) -> OAuthCall[Wanted]:
    return OAuthCall(request=incoming.request, body=incoming.body, wire=incoming.wire, client=client, wanted=wanted)


def _audiences(incoming: Incoming) -> frozenset[str]:
    """The audiences that an assertion may name: the token endpoint, or the path of the request.

    Without ``public_url`` there are none, because the host of the request is the sender's choice.
    """
    if incoming.wire.public_url is None:
        return frozenset()
    return frozenset(incoming.absolute(path) for path in (TOKEN_PATH, sent_path(incoming.request)))


def _issue(call: OAuthCall[TokenRequest], _: None) -> IssuedToken:
    wanted = call.wanted
    if wanted.refresh_token is not None:
        return tokens.refresh(wanted.refresh_token, call.client, call.endpoint, call.on, requested=wanted.scopes)
    return tokens.issue(call.client, call.endpoint, call.on, requested=wanted.scopes, service_life=wanted.service_life)


def _answer_token(call: OAuthCall[TokenRequest], _: None, token: IssuedToken) -> Response:
    return JSONResponse(encode_token(token), headers=_NO_STORE)


TOKEN = Endpoint(
    authenticate=authenticate_token_client,
    limit_rate=limit_rate,
    authorise=permit,  # the core cuts the scopes to those of the client
    decode=decode_nothing,  # decoded before authentication
    act=_issue,
    encode=_answer_token,
    has_body=True,
    authenticates_by_body=True,
)


def _revoke(call: OAuthCall[str], _: None) -> None:
    tokens.revoke(call.wanted, call.client, call.endpoint, call.on)


def _answer_revoked(call: OAuthCall[str], _: None, __: None) -> Response:
    """200, also for a token that does not exist (RFC 7009)."""
    return JSONResponse({}, headers=_NO_STORE)


REVOKE = Endpoint(
    authenticate=authenticate_revoking_client,
    limit_rate=limit_rate,
    authorise=permit,
    decode=decode_nothing,  # decoded before authentication
    act=_revoke,
    encode=_answer_revoked,
    has_body=True,
    authenticates_by_body=True,
)
