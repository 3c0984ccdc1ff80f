"""Decodes requests to the token endpoints (Talkdesk contract 1.2; RFC 6749, 7009, 7523)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl

from starlette.requests import Request

from offtake.core.auth.client_auth import ClientAssertion, ClientAuthentication, ClientSecret
from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import authorization_of, credentials_of, decode_client_credentials
from offtake.http.json_body import without_bom
from offtake.http.media_type import is_multipart
from offtake.model.tenant import Scope
from offtake.wire.document import FORM
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
    scopes: frozenset[Scope] | None  # None: all that the client was granted
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
        """The parameters of a request. Raises OAuthRefusal for a body that is no form, NotAuthenticated."""
        form = _form(_form_text(request, body))
        sent = dict(request.query_params) | form
        return cls(all=sent, form=form, authorization=authorization_of(request.headers))

    def token(self, name: str) -> str:
        """The token in that parameter of the form. Raises OAuthRefusal, also if it is in the query."""
        token = self.form.get(name)
        if token:
            return token
        if self.all.get(name):
            message = f"The parameter {name} must be in the body: query strings are recorded in logs."
            raise OAuthRefusal("invalid_request", message)
        raise OAuthRefusal("invalid_request", f"The parameter {name} is missing.")

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
            client_id, secret = decode_client_credentials(basic)
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
    refresh = sent.token("refresh_token") if grant == REFRESH_TOKEN else None
    life = _service_life(sent.all) if grant == CLIENT_CREDENTIALS else None
    return TokenRequest(
        client=sent.client_authentication(audiences),
        scopes=_scopes(sent.all.get("scope", "")),
        refresh_token=refresh,
        service_life=life,
    )


def decode_revocation(sent: TokenParameters) -> str:
    """The token to revoke. Raises OAuthRefusal."""
    return sent.token("token")


def _scopes(text: str) -> frozenset[Scope] | None:
    """The scopes that the words name; None without any word (Talkdesk contract 1.2).

    Unknown words are ignored. If all of them are, the token has no scope; it must not have every scope instead.
    """
    words = text.split()
    return frozenset(SCOPES[word] for word in words if word in SCOPES) if words else None


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


def _form_text(request: Request, body: bytes) -> bytes:
    """The body if it can be a form, whatever its Content-Type. Raises OAuthRefusal."""
    text = without_bom(body).strip()
    if text and is_multipart(request):
        raise OAuthRefusal("invalid_request", f"The body is multipart; send the parameters as {FORM}.")
    if text.startswith(b"{") and text != b"{}":
        raise OAuthRefusal("invalid_request", f"The body is JSON; send the parameters as {FORM}.")
    return text


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MANY))
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The body is not a form.") from error
