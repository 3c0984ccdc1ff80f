"""Password authentication with every request (HTTP Basic)."""

from __future__ import annotations

from offtake.core.auth.client_auth import verify_secret
from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.model.tenant import Principal
from offtake.store import identity

# Maximum number of tenants with the same user name whose passwords are verified: each costs time and memory.
_MAX_CANDIDATES = 16


def log_in(user: str, password: str, on: Services, *, company_key: str | None) -> Principal:
    """Return the principal of a user name and password. Raises NotAuthenticated without saying which is wrong.

    Several tenants may have the same user name; the tenant with ``company_key`` is tried first. The caller checks
    whether the company key belongs to the principal's tenant.
    """
    with on.database.read() as connection:
        candidates = identity.credentials_of_user(connection, user, company_key=company_key, limit=_MAX_CANDIDATES)
    for credential in candidates or (None,):  # None: verify the dummy hash, so that the time is the same
        if verify_secret(credential, password) and credential is not None:
            return Principal(tenant=credential.tenant, credential=credential.id, scopes=credential.scopes)
    raise NotAuthenticated("The user name or the password is not valid.")
