"""Authentication by the bearer token of a profile file, and the rate limit."""

from __future__ import annotations

from collections.abc import Mapping

from offtake.core.auth import client_auth, rate_limit
from offtake.core.auth.caller import Caller
from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import authorization_of, credentials_of
from offtake.http.middleware import remote_address
from offtake.model.tenant import CredentialKind
from offtake.wire.endpoint import NO_HEADERS, Call, IncomingRequest
from offtake.wire.sharing.settings import SharingSettings

SharingCall = Call[SharingSettings]


def authenticate(incoming: IncomingRequest[SharingSettings]) -> SharingCall:
    """The recipient whose bearer token came with the request. Raises NotAuthenticated."""
    token = credentials_of(authorization_of(incoming.request.headers), "bearer")
    if not token:
        raise NotAuthenticated("Send the token of the profile file in the header Authorization: Bearer TOKEN.")
    principal = client_auth.authenticate_bearer(token, incoming.on, kind=CredentialKind.SHARE)
    by = Caller(principal=principal, address=remote_address(incoming.request))
    return Call(request=incoming.request, body=b"", wire=incoming.wire, by=by)


def limit_rate(call: SharingCall) -> Mapping[str, str]:
    """The rate-limit step of all operations, which are counted together. Raises RateExceeded."""
    rate_limit.count_request(call.by.principal, call.wire.dialect.name, call.on)
    return NO_HEADERS
