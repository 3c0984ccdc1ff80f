"""Parse the Authorization header (RFC 9110 section 11.6.2) and the credentials of HTTP Basic (RFC 7617)."""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus

from starlette.datastructures import Headers

from offtake.errors import NotAuthenticated

NOT_BASIC = "The Authorization header is not valid HTTP Basic."


def authorization_of(headers: Headers) -> str:
    """Return the Authorization header; empty if there is none. Raises NotAuthenticated for several of them.

    Proxies and servers differ in which one counts, so no server may choose one.
    """
    sent = headers.getlist("authorization")
    if len(sent) > 1:
        raise NotAuthenticated("The request has several Authorization headers; send one.")
    return sent[0] if sent else ""


def credentials_of(header: str, scheme: str) -> str | None:
    """Return the credentials after the scheme, without blanks around them. None if the header has another scheme.

    ``scheme`` is in lower case; the header's may be in any letter case. The credentials may be empty.
    """
    sent_scheme, _, credentials = header.partition(" ")
    return credentials.strip() if sent_scheme.lower() == scheme else None


def decode_basic(credentials: str) -> tuple[str, str | None]:
    """Return user name and password; no password if the credentials have no colon.

    The text is UTF-8, as the server's challenges ask for, or else Latin-1, the default of older clients (RFC 7617
    appendix B.3). Raises NotAuthenticated for credentials that are not base64.
    """
    try:
        decoded = base64.b64decode(credentials, validate=True)
    except ValueError as error:  # also for characters beyond ASCII
        raise NotAuthenticated(NOT_BASIC) from error
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    user, colon, password = text.partition(":")
    return user, password if colon else None


def decode_client_credentials(credentials: str) -> tuple[str, str | None]:
    """Return client id and secret; RFC 6749 2.3.1 form-encodes both before HTTP Basic, and many clients do not.

    Offtake's ids and secrets have no character that the encoding uses (letters, digits, ``-`` and ``_`` only), so
    decoding leaves those unchanged that were sent as they are. Raises NotAuthenticated.
    """
    client_id, secret = decode_basic(credentials)
    return unquote_plus(client_id), secret if secret is None else unquote_plus(secret)
