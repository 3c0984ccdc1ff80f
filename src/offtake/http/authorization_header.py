"""Parse the Authorization header (RFC 9110 section 11.6.2) and the credentials of HTTP Basic (RFC 7617)."""

from __future__ import annotations

import base64

from offtake.errors import NotAuthenticated

NOT_BASIC = "The Authorization header is not valid HTTP Basic."


def credentials_of(header: str, scheme: str) -> str | None:
    """Return the credentials after the scheme, without blanks around them. None if the header has another scheme.

    ``scheme`` is in lower case; the header's may be in any letter case. The credentials may be empty.
    """
    sent_scheme, _, credentials = header.partition(" ")
    return credentials.strip() if sent_scheme.lower() == scheme else None


def decode_basic(credentials: str) -> tuple[str, str | None]:
    """Return user name and password; no password if the credentials have no colon.

    Raises NotAuthenticated for credentials that are not base64 or not UTF-8.
    """
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
    except ValueError as error:  # also for characters beyond ASCII
        raise NotAuthenticated(NOT_BASIC) from error
    return user, password if colon else None
