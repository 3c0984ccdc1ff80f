"""Users who send their name and password with every request (HTTP Basic)."""

from __future__ import annotations

from offtake.core.auth.client_auth import verify_secret
from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.model.tenant import Principal
from offtake.store import identity

# Passwords are verified for so many tenants that know one user name, no more: each costs time and memory.
_NAMESAKES = 16


def log_in(user: str, password: str, on: Services, *, company_key: str | None) -> Principal:
    """Who a user name and its password stand for. Raises NotAuthenticated for either being wrong, never saying which.

    Several tenants may know the same name: the one with that company key is asked first. Whether the key is that of the
    principal's own tenant is not looked at here.
    """
    with on.database.read() as connection:
        known = identity.credentials_of_user(connection, user, company_key=company_key, limit=_NAMESAKES)
    for credential in known or (None,):
        if verify_secret(credential, password) and credential is not None:
            return Principal(tenant=credential.tenant, credential=credential.id, scopes=credential.scopes)
    raise NotAuthenticated("The user name or the password is not valid.")
