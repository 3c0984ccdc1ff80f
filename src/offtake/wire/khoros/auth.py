"""Authentication by HTTP Basic, and authorisation by the tenant's key or the job's token (Khoros contract 1.2)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from offtake.core.admin import identity
from offtake.core.auth import passwords, rate_limit
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.errors import FieldFault, InvalidRequest, JobNotFound, NotAuthenticated, NotPermitted
from offtake.http.authorization_header import NOT_BASIC, authorization_of, credentials_of, decode_basic
from offtake.http.middleware import remote_address
from offtake.model.job import Job
from offtake.model.tenant import Scope, Tenant
from offtake.wire.endpoint import NO_HEADERS, Call, IncomingRequest
from offtake.wire.khoros.ids import is_token_of
from offtake.wire.khoros.parameters import SentParameters, read_parameters
from offtake.wire.khoros.settings import KhorosSettings

KEY, TOKEN = "companyKey", "analyticsAccessToken"
_MISSING = "Some parameters are missing or not valid."


@dataclass(frozen=True, slots=True, kw_only=True)
class KhorosCall(Call[KhorosSettings]):
    """An authenticated request with its parameters and the caller's tenant."""

    sent: SentParameters
    tenant: Tenant


def authenticate(incoming: IncomingRequest[KhorosSettings]) -> KhorosCall:
    """The caller whose user name and password the Authorization header holds, with the parameters of the query.

    A user name can exist in several companies; the password tells them apart. Raises NotAuthenticated, Throttled and
    Unavailable, and InvalidRequest for a query without readable parameters.
    """
    user, password = _basic(authorization_of(incoming.request.headers))
    address = remote_address(incoming.request)
    principal = passwords.log_in(user, password, incoming.on, address=address)
    return KhorosCall(
        request=incoming.request,
        body=incoming.body,
        wire=incoming.wire,
        by=Caller(principal=principal, address=address),
        sent=read_parameters(incoming.request),
        tenant=identity.get_tenant(principal.tenant, incoming.on),
    )


def with_body(call: KhorosCall, body: bytes) -> KhorosCall:
    """The call with the parameters of its body as well. Raises InvalidRequest for a body without readable ones."""
    return replace(call, body=body, sent=read_parameters(call.request, body))


def limit_rate(call: KhorosCall) -> Mapping[str, str]:
    """Count the request against the user's rate; the dialect does not report what is left. Raises RateExceeded."""
    rate_limit.count_request(call.by.principal, call.wire.dialect.name, call.on)
    return NO_HEADERS


def permit_create(call: KhorosCall) -> KhorosCall:
    """The scope to write, and the company key. Raises NotPermitted, InvalidRequest."""
    require(call.by.principal, Scope.WRITE)
    return _require_company_key(call)


def permit_read(call: KhorosCall) -> KhorosCall:
    """The scope to read, and the company key. Raises NotPermitted, InvalidRequest."""
    require(call.by.principal, Scope.READ)
    return _require_company_key(call)


def permit_teams(call: KhorosCall) -> KhorosCall:
    """The company key, then the scope to read. Raises InvalidRequest, NotPermitted."""
    _require_company_key(call)
    require(call.by.principal, Scope.READ)
    return call


def permit_jobs(call: KhorosCall) -> KhorosCall:
    """The company key, if the request has one, then the scope to read. Raises NotPermitted."""
    _names_company(call.sent, call.tenant)
    require(call.by.principal, Scope.READ)
    return call


def check_job_access(call: KhorosCall, job: Job) -> None:
    """Status and download need the company key or the job's token.

    Raises InvalidRequest without either, NotPermitted for a foreign key, JobNotFound for a foreign token.
    """
    token = call.sent.one(TOKEN)
    if token is not None and is_token_of(job, token, call.on.signing_keys()):
        return
    if token is not None and call.sent.one(KEY) is None:
        raise JobNotFound("There is no such job.")
    _require_company_key(call)


def _basic(header: str) -> tuple[str, str]:
    """User name and password. Raises NotAuthenticated."""
    credentials = credentials_of(header, "basic")
    if credentials is None:
        raise NotAuthenticated("User name and password are missing; send them by HTTP Basic.")
    user, password = decode_basic(credentials)
    if password is None:
        raise NotAuthenticated(NOT_BASIC)
    return user, password


def _require_company_key(call: KhorosCall) -> KhorosCall:
    """The company key. Raises InvalidRequest without one, NotPermitted for any other than the tenant's own.

    The refusal is the same whether another tenant has that key or none.
    """
    if not _names_company(call.sent, call.tenant):
        raise InvalidRequest(_MISSING, [FieldFault(KEY, "missing")])
    return call


def _names_company(sent: SentParameters, tenant: Tenant) -> bool:
    """Whether the request has the tenant's company key. Raises NotPermitted for another key."""
    key = sent.one(KEY) or _nameless(sent, tenant)
    if key is not None and not _same(key, tenant.company_key):
        raise NotPermitted("The company key is not that of the user's company.")
    return key is not None


def _nameless(sent: SentParameters, tenant: Tenant) -> str | None:
    """The key without the parameter's name, as in a vendor's sample: ``/download?<key>`` (Khoros contract 7)."""
    return next((name for name in sent.nameless() if _same(name, tenant.company_key)), None)


def _same(sent: str, key: str | None) -> bool:
    return key is not None and hmac.compare_digest(sent.encode(), key.encode())
