"""Decodes requests to the token endpoints (Talkdesk contract 1.2; RFC 6749, 7009, 7523)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl

from starlette.requests import Request

from offtake.core.auth.client_auth import ClientAssertion, ClientAuthentication, ClientSecret
from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import credentials_of, decode_basic
from offtake.model.tenant import Scope
from offtake.wire.talkdesk.errors import OAuthRefusal
from offtake.wire.talkdesk.tables import (
    ASSERTION_TYPE,
    CLIENT_CREDENTIALS,
    GRANTS,
    LONGEST_SERVICE,
    REFRESH_TOKEN,
    SCOPES,
    SHORTEST_SERVICE,
)

_MANY = 64  # parameters of a token request


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A request for a token."""

    client: ClientAuthentication
    scopes: frozenset[Scope]  # empty: all that the client was granted
    refresh_token: str | None = None  # to exchange
    service_life: timedelta | None = None  # life of an opaque service token


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenParameters:
    """The parameters of a request to a token endpoint."""

    all: Mapping[str, str]  # of query and form; the form wins
    form: Mapping[str, str]
    authorization: str

    @classmethod
    def of(cls, request: Request, body: bytes) -> TokenParameters:
        """The parameters of a request. Raises OAuthRefusal for a body that is no form."""
        form = _form(body)
        sent = dict(request.query_params) | form
        return cls(all=sent, form=form, authorization=request.headers.get("authorization", ""))

    def client_authentication(self, audiences: frozenset[str]) -> ClientAuthentication:
        """How the client authenticates: HTTP Basic, an assertion, or id and secret in the body.

        Raises NotAuthenticated, OAuthRefusal.
        """
        assertion, assertion_type = self.all.get("client_assertion"), self.all.get("client_assertion_type")
        basic = credentials_of(self.authorization, "basic")
        if assertion or assertion_type:
            if basic is not None:
                raise OAuthRefusal("invalid_request", "Send an assertion or HTTP Basic, not both.")
            if assertion_type != ASSERTION_TYPE:
                raise OAuthRefusal("invalid_request", f"The parameter client_assertion_type must be {ASSERTION_TYPE}.")
            return ClientAssertion(
                text=assertion or "", audiences=audiences, client_id=self.all.get("client_id") or None
            )
        if basic is not None:
            client_id, secret = decode_basic(basic)
            if secret is not None:
                return ClientSecret(client_id=client_id, secret=secret)
        if self.form.get("client_id") and self.form.get("client_secret"):  # not from the query, which logs record
            return ClientSecret(client_id=self.form["client_id"], secret=self.form["client_secret"])
        raise NotAuthenticated("Client credentials are missing; send them by HTTP Basic or sign an assertion.")


def decode_token_request(sent: TokenParameters, audiences: frozenset[str]) -> TokenRequest:
    """The token that the client wants, and how the client authenticates. Raises OAuthRefusal, NotAuthenticated."""
    grant = sent.all.get("grant_type", "")
    if not grant:
        raise OAuthRefusal("invalid_request", "The parameter grant_type is missing; use client_credentials.")
    if grant not in GRANTS:
        known = " and ".join(GRANTS)
        raise OAuthRefusal("unsupported_grant_type", f"This server grants {known}; it has no login pages for people.")
    known_words = (SCOPES.get(word) for word in sent.all.get("scope", "").split())
    scopes = frozenset(
        scope for scope in known_words if scope is not None
    )  # unknown words are ignored (Talkdesk contract 1.2)
    refresh = sent.all.get("refresh_token")
    if grant == REFRESH_TOKEN and not refresh:
        raise OAuthRefusal("invalid_request", "The parameter refresh_token is missing.")
    life = _service_life(sent.all) if grant == CLIENT_CREDENTIALS else None
    return TokenRequest(
        client=sent.client_authentication(audiences),
        scopes=scopes,
        refresh_token=refresh if grant == REFRESH_TOKEN else None,
        service_life=life,
    )


def decode_revocation(sent: TokenParameters) -> str:
    """The token to revoke. Raises OAuthRefusal."""
    token = sent.all.get("token")
    if not token:
        raise OAuthRefusal("invalid_request", "The parameter token is missing.")
    return token


def _service_life(sent: Mapping[str, str]) -> timedelta | None:
    """The life of an opaque service token; None for other kinds, whose life the settings decide."""
    if sent.get("token_type") != "opaque":
        return None
    text = sent.get("expires_in") or str(SHORTEST_SERVICE)
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    if not SHORTEST_SERVICE <= seconds <= LONGEST_SERVICE:
        message = f"The parameter expires_in must be from {SHORTEST_SERVICE} to {LONGEST_SERVICE} seconds."
        raise OAuthRefusal("invalid_request", message)
    return timedelta(seconds=seconds)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MANY))
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The body is not a form.") from error
