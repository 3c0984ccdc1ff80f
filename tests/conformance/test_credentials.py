"""Names and rotation of credentials of every kind."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from offtake.core.admin import identity
from offtake.core.admin.identity import NewCredential
from offtake.core.auth import client_auth, passwords, tokens
from offtake.core.auth.client_auth import ClientAssertion, ClientSecret
from offtake.core.auth.tokens import TokenEndpoint
from offtake.core.services import Services
from offtake.errors import NameTaken, NotAuthenticated
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Tenant

HOUR = timedelta(hours=1)


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


def later(on: Services, time: timedelta) -> Services:
    """Return the services with the clock moved ahead."""
    at = on.clock() + time
    return replace(on, clock=lambda: at)


def add(kind: CredentialKind, on: Services, *, user: str | None = None) -> NewCredential:
    return identity.add_credential("acme", kind, on, user=user, permissions=identity.Permissions(scopes=DEFAULT_SCOPES))


def log_in(made: NewCredential, secret: str, on: Services) -> str:
    """Authenticate with a secret as the clients of that kind do; return the id of the credential."""
    credential = made.credential
    if credential.kind is CredentialKind.BASIC:
        assert credential.user is not None
        return passwords.log_in(credential.user, secret, on, address=None).credential
    if credential.kind is CredentialKind.OAUTH:
        presented = ClientSecret(client_id=credential.id, secret=secret)
        return client_auth.authenticate_client(presented, on, address=None).credential.id
    return client_auth.authenticate_bearer(f"{credential.id}.{secret}", on, kind=credential.kind).credential


def is_refused(made: NewCredential, secret: str, on: Services) -> bool:
    try:
        log_in(made, secret, on)
    except NotAuthenticated:
        return True
    return False


def test_the_name_of_a_revoked_user_can_be_used_again(on: Services) -> None:
    first = add(CredentialKind.BASIC, on, user="ann")
    with pytest.raises(NameTaken, match="credential rotate"):
        add(CredentialKind.BASIC, on, user="ann")
    identity.revoke_credential(first.credential.id, on)
    second = add(CredentialKind.BASIC, on, user="ann")
    assert is_refused(first, first.secret, on)
    assert log_in(second, second.secret, on) == second.credential.id


def test_of_two_concurrent_credentials_of_a_user_one_is_made(on: Services) -> None:
    start, outcomes = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        try:
            add(CredentialKind.BASIC, on, user="ann")
            outcomes.append("made")
        except NameTaken:
            outcomes.append("taken")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "taken", "taken", "taken"]


@pytest.mark.parametrize("kind", CredentialKind)
def test_both_secrets_of_a_rotation_are_valid_until_the_overlap_ends(kind: CredentialKind, on: Services) -> None:
    made = add(kind, on, user="ann@acme.example" if kind is not CredentialKind.OAUTH else None)
    new = identity.rotate_secret(made.credential.id, on, overlap=2 * HOUR)
    assert new.credential.id == made.credential.id
    assert {log_in(made, secret, on) for secret in (made.secret, new.secret)} == {made.credential.id}
    assert is_refused(made, made.secret, later(on, 3 * HOUR))
    assert not is_refused(made, new.secret, later(on, 3 * HOUR))
    newest = identity.rotate_secret(made.credential.id, on, overlap=2 * HOUR)
    refused = [is_refused(made, secret, on) for secret in (made.secret, new.secret, newest.secret)]
    assert refused == [True, False, False]


def test_a_rotation_without_overlap_ends_the_old_secret_and_all_tokens(on: Services) -> None:
    made = add(CredentialKind.OAUTH, on)
    client = client_auth.authenticate_client(
        ClientSecret(client_id=made.credential.id, secret=made.secret), on, address=None
    )
    token = tokens.issue(client, TokenEndpoint(dialect="talkdesk", address=None), on, requested=frozenset())
    identity.rotate_secret(made.credential.id, on, overlap=HOUR)
    tokens.authenticate(token.text, on)
    new = identity.rotate_secret(made.credential.id, on, overlap=timedelta(0))
    with pytest.raises(NotAuthenticated):
        tokens.authenticate(token.text, on)
    assert is_refused(made, made.secret, on)
    assert not is_refused(made, new.secret, on)


def test_an_assertion_is_refused_where_the_server_has_no_url(on: Services) -> None:
    with pytest.raises(NotAuthenticated, match=r"server\.public_url"):
        client_auth.authenticate_client(ClientAssertion(text="any", audiences=frozenset()), on, address=None)
