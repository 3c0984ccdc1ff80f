"""Who calls: HTTP Basic, and the key of the tenant or the token of the job beside it (Khoros contract 1.2)."""

from __future__ import annotations

import base64
import hmac

from starlette.requests import Request

from offtake.core.auth import passwords
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.errors import FieldFault, InvalidRequest, JobNotFound, NotAuthenticated, NotPermitted
from offtake.http.middleware import remote_address
from offtake.model.job import Job
from offtake.model.tenant import Tenant
from offtake.wire.khoros.ids import is_token_of
from offtake.wire.khoros.parameters import SentParameters

_KEY, TOKEN = "companyKey", "analyticsAccessToken"
_MISSING = "Some parameters are missing or not valid."


def caller(request: Request, sent: SentParameters, on: Services) -> Caller:
    """Who the user name and password of the Authorization header stand for. Raises NotAuthenticated."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise NotAuthenticated("User name and password are missing; send them by HTTP Basic.")
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError as error:  # not base64, not ASCII or not UTF-8
        raise NotAuthenticated("The Authorization header is not valid HTTP Basic.") from error
    if not colon:
        raise NotAuthenticated("The Authorization header is not valid HTTP Basic.")
    principal = passwords.log_in(user, password, on, company_key=sent.one(_KEY))
    return Caller(principal=principal, address=remote_address(request))


def company_key(sent: SentParameters, tenant: Tenant, *, required: bool = True) -> str:
    """The tenant's own key, which a request has to name.

    Any other is refused alike, whether some tenant has it or none. Raises InvalidRequest, NotPermitted.
    """
    key = sent.one(_KEY) or _nameless(sent, tenant)
    if key is None:
        if required:
            raise InvalidRequest(_MISSING, [FieldFault(_KEY, "missing")])
    elif not _same(key, tenant.company_key):
        raise NotPermitted("The company key is not that of the user's company.")
    return tenant.company_key or ""


def opens(sent: SentParameters, tenant: Tenant, job: Job, key: bytes) -> None:
    """Whether a status or a download was asked for with the company key or with the job's token: either will do.

    Raises InvalidRequest where there is neither, NotPermitted for a foreign key, JobNotFound for a foreign token.
    """
    token = sent.one(TOKEN)
    if token is not None and is_token_of(job, token, key):
        return
    if token is not None and sent.one(_KEY) is None:
        raise JobNotFound("There is no such job.")
    company_key(sent, tenant)


def _nameless(sent: SentParameters, tenant: Tenant) -> str | None:
    """A vendor's sample ends in ``/download?<key>``, without the parameter's name (Khoros contract 7)."""
    return next((name for name in sent.nameless() if _same(name, tenant.company_key)), None)


def _same(sent: str, key: str | None) -> bool:
    return key is not None and hmac.compare_digest(sent.encode(), key.encode())
