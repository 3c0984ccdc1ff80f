"""Password authentication with every request (HTTP Basic)."""

from __future__ import annotations

from offtake.core.auth.client_auth import refused
from offtake.core.services import Services
from offtake.model.tenant import Principal
from offtake.store import identity


def log_in(user: str, password: str, on: Services, *, address: str | None) -> Principal:
    """Return the principal of a user name and password, sent from ``address``.

    Several tenants may have the same user name: the password tells them apart, because the server generates all
    passwords. Raises NotAuthenticated without saying which is wrong, Throttled and Unavailable.
    """
    on.logins.check_limits(user, address)
    with on.database.read() as connection:
        candidates = identity.credentials_of_user(connection, user)
    stored = [(secret, each) for each in candidates for secret in each.secrets(on.clock())]
    match = on.logins.verify(user, password, [secret.hash for secret, _ in stored], address)
    if match is None:
        only = candidates[0] if len(candidates) == 1 else None  # several tenants may have that user
        raise refused("The user name or the password is not valid.", only)
    secret, credential = stored[match]
    return Principal(
        tenant=credential.tenant,
        credential=credential.id,
        scopes=credential.scopes,
        access=credential.access,
        name=credential.name,
        generation=secret.generation,
    )
