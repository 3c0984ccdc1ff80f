"""Client authentication and tokens: expiry, rotation, reuse, revocation; no secret is stored."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm
from sqlalchemy import text

from offtake.core.admin import identity
from offtake.core.auth import client_auth, tokens
from offtake.core.auth.client_auth import AuthenticatedClient, ClientAssertion, ClientSecret, authenticate_client
from offtake.core.auth.tokens import IssuedToken, TokenEndpoint
from offtake.core.policy import Budget, PerTenant
from offtake.core.services import Services
from offtake.errors import (
    AuditUnavailable,
    BudgetExceeded,
    InvalidGrant,
    InvalidKey,
    InvalidScope,
    NameTaken,
    NotAuthenticated,
    UnknownName,
)
from offtake.model.tenant import CredentialKind, Scope, Tenant
from offtake.store import jobs
from tests.fixtures.exports import queued

AT = TokenEndpoint(dialect="talkdesk", address="127.0.0.1")
URL = "https://exports.example.org/oauth/token"
BOTH = frozenset(Scope)
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    """Return the public key as PEM."""
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant."""
    identity.add_tenant(Tenant(name="acme"), services)
    return services


@pytest.fixture
def client_secret(on: Services) -> ClientSecret:
    """The secret of an oauth client."""
    made = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    return ClientSecret(client_id=made.credential.id, secret=made.secret)


@pytest.fixture
def client(on: Services, client_secret: ClientSecret) -> AuthenticatedClient:
    return authenticate_client(client_secret, on, address=None)


def test_a_client_that_asks_for_token_after_token_is_refused_until_some_expire(
    on: Services, client: AuthenticatedClient
) -> None:
    """Otherwise its tokens would fill the state database, which all tenants share."""
    on = replace(on, budgets=PerTenant(default=Budget(tokens=6)))
    pairs = [issue(client, on) for _ in range(3)]
    life = pairs[0].life
    with pytest.raises(BudgetExceeded, match="6 tokens") as refused:
        issue(client, on)
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= life.total_seconds()
    with pytest.raises(BudgetExceeded):
        tokens.refresh(str(pairs[0].refresh), client, AT, on, requested=frozenset())
    assert valid(issue(client, later(on, life)), later(on, life))  # the access tokens have expired
    other = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    assert valid(issue(AuthenticatedClient(credential=other.credential), on), on)


def test_concurrent_token_requests_cannot_exceed_the_budget(on: Services, client: AuthenticatedClient) -> None:
    on = replace(on, budgets=PerTenant(default=Budget(tokens=6)))
    start, outcomes = threading.Barrier(12), []

    def run() -> None:
        start.wait()
        try:
            outcomes.append(bool(issue(client, on)))
        except BudgetExceeded:
            outcomes.append(False)

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(True), outcomes.count(False)) == (3, 9)  # each with a refresh token


def later(on: Services, life: timedelta) -> Services:
    """Return the same services with the clock moved ahead."""
    at = on.clock() + life
    return replace(on, clock=lambda: at)


def issue(client: AuthenticatedClient, on: Services, *scopes: Scope, **more: Any) -> IssuedToken:
    return tokens.issue(client, AT, on, requested=frozenset(scopes) or None, **more)


def valid(token: IssuedToken, on: Services) -> bool:
    try:
        return tokens.authenticate(token.text, on) == token.principal
    except NotAuthenticated:
        return False


def refreshed(text: str | None, client: AuthenticatedClient, on: Services, *scopes: Scope) -> IssuedToken:
    assert text is not None
    return tokens.refresh(text, client, AT, on, requested=frozenset(scopes) or None)


def test_a_token_is_valid_until_it_expires(on: Services, client: AuthenticatedClient) -> None:
    token = issue(client, on, Scope.READ)
    assert token.principal.scopes == {Scope.READ}
    assert valid(token, on)
    assert not valid(token, later(on, token.life))
    assert token.life == timedelta(seconds=599)


def test_a_poll_reads_jobs_of_its_own_tenant_only(on: Services, client: AuthenticatedClient) -> None:
    identity.add_tenant(Tenant(name="globex"), on)
    mine, others = replace(queued(), id="of-acme"), replace(queued("globex"), id="of-globex")
    for job in (mine, others):
        with on.database.write() as connection:
            jobs.add(connection, job)
    issued = issue(client, on, Scope.READ)
    long_lived = identity.add_credential(
        "acme", CredentialKind.TOKEN, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    bearer = f"{long_lived.credential.id}.{long_lived.secret}"
    for read, token in ((tokens.authenticate_poll, issued.text), (client_auth.authenticate_poll, bearer)):
        principal, own = read(token, "of-acme", on)
        assert principal.tenant == "acme"
        assert own is not None
        assert own.job == mine
        for other in ("of-globex", "of-\0acme", "unknown"):
            _, polled = read(token, other, on)
            assert polled is not None
            assert polled.job is None
    for credential in (client.credential.id, long_lived.credential.id):
        identity.revoke_credential(credential, on)
    for read, token in ((tokens.authenticate_poll, issued.text), (client_auth.authenticate_poll, bearer)):
        with pytest.raises(NotAuthenticated):
            read(token, "of-acme", on)


def test_a_wrong_secret_is_refused(on: Services, client_secret: ClientSecret) -> None:
    for wrong in (replace(client_secret, secret="wrong"), replace(client_secret, client_id="unknown")):
        with pytest.raises(NotAuthenticated):
            authenticate_client(wrong, on, address=None)


def test_a_service_token_has_the_requested_lifetime_and_no_refresh_token(
    on: Services, client: AuthenticatedClient
) -> None:
    token = issue(client, on, service_life=timedelta(days=90))
    assert token.refresh is None
    assert valid(token, later(on, timedelta(days=89)))
    assert not valid(token, later(on, timedelta(days=90)))


def test_a_refresh_token_does_not_authenticate_requests(on: Services, client: AuthenticatedClient) -> None:
    token = issue(client, on)
    assert token.refresh is not None
    with pytest.raises(NotAuthenticated):
        tokens.authenticate(token.refresh, on)
    with pytest.raises(InvalidGrant):  # nor the other way round
        refreshed(token.text, client, on)


def test_refreshing_gives_a_new_pair_with_as_many_scopes_or_fewer(on: Services, client: AuthenticatedClient) -> None:
    first = issue(client, on, Scope.READ)
    with pytest.raises(InvalidScope):
        refreshed(first.refresh, client, on, Scope.WRITE)
    second = refreshed(first.refresh, client, on)
    assert second.principal.scopes == {Scope.READ}
    assert (valid(second, on), valid(first, on)) == (True, True)
    wide = issue(client, on)
    narrow = refreshed(wide.refresh, client, on, Scope.READ)
    assert narrow.principal.scopes == {Scope.READ}
    assert refreshed(narrow.refresh, client, on).principal.scopes == BOTH  # the refresh token keeps the original scopes


def test_a_second_use_of_a_refresh_token_revokes_its_family(on: Services, client: AuthenticatedClient) -> None:
    first, other = issue(client, on), issue(client, on)
    second = refreshed(first.refresh, client, on)
    third = refreshed(second.refresh, client, on)
    with pytest.raises(InvalidGrant):
        refreshed(second.refresh, client, on)
    assert [valid(token, on) for token in (first, second, third, other)] == [False, False, False, True]
    with pytest.raises(InvalidGrant):
        refreshed(third.refresh, client, on)
    assert operations(on).count("token.reuse") == 1


def test_of_ten_concurrent_refreshes_one_succeeds_and_the_family_is_revoked(
    on: Services, client: AuthenticatedClient
) -> None:
    first = issue(client, on)
    done: list[IssuedToken | None] = []

    def race() -> None:
        try:
            done.append(refreshed(first.refresh, client, on))
        except InvalidGrant:
            done.append(None)

    threads = [threading.Thread(target=race) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = [token for token in done if token is not None]
    assert (len(done), len(given)) == (10, 1)
    assert not valid(given[0], on)


def test_a_refresh_token_is_valid_for_its_client_until_it_expires(on: Services, client: AuthenticatedClient) -> None:
    made = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    other = authenticate_client(ClientSecret(client_id=made.credential.id, secret=made.secret), on, address=None)
    token = issue(client, on)
    with pytest.raises(InvalidGrant):
        refreshed(token.refresh, other, on)
    with pytest.raises(InvalidGrant):
        refreshed(token.refresh, client, later(on, timedelta(days=1)))
    assert refreshed(token.refresh, client, on).refresh


def test_revoking_a_token_revokes_its_family(on: Services, client: AuthenticatedClient) -> None:
    made = identity.add_credential(
        "acme", CredentialKind.OAUTH, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    other = authenticate_client(ClientSecret(client_id=made.credential.id, secret=made.secret), on, address=None)
    first, second = issue(client, on), issue(client, on)
    tokens.revoke(first.text, other, AT, on)  # another client cannot revoke it
    assert valid(first, on)
    tokens.revoke(first.text, client, AT, on)
    tokens.revoke(first.text, client, AT, on)
    assert (valid(first, on), valid(second, on)) == (False, True)
    with pytest.raises(InvalidGrant):
        refreshed(first.refresh, client, on)


def test_revoking_a_credential_revokes_its_tokens_and_keys(
    on: Services, client: AuthenticatedClient, client_secret: ClientSecret
) -> None:
    token, service = issue(client, on), issue(client, on, service_life=timedelta(days=90))
    identity.add_key(client_secret.client_id, pem(KEY), on, kid="k")
    assert [found.id for found, _ in identity.list_credentials("acme", on)] == [client_secret.client_id]
    identity.revoke_credential(client_secret.client_id, on)
    assert not valid(token, on)
    assert not valid(service, on)
    with pytest.raises(NotAuthenticated):
        authenticate_client(client_secret, on, address=None)
    with pytest.raises(NotAuthenticated):
        authenticate_client(assertion(on, client_secret.client_id), on, address=None)
    with pytest.raises(UnknownName):
        identity.revoke_credential(client_secret.client_id, on)
    assert identity.list_credentials("acme", on) == []


def assertion(
    on: Services, client_id: str, *, key: Any = KEY, header: Mapping[str, Any] | None = None, **claims: Any
) -> ClientAssertion:
    """Return a signed assertion with changed claims; a claim that is None is omitted."""
    now = int(on.clock().timestamp())
    sent = {"iss": client_id, "sub": client_id, "aud": URL, "jti": on.new_id(), "iat": now, "exp": now + 300, **claims}
    sent = {name: value for name, value in sent.items() if value is not None}
    given = {"alg": "ES256", "kid": "k", **(header or {})}
    head = {name: value for name, value in given.items() if value is not None}
    signed = jwt.PyJWS().encode(json.dumps(sent).encode(), key, algorithm=head["alg"], headers=head)
    return ClientAssertion(text=signed, audiences=frozenset({URL}))


def test_a_signed_assertion_authenticates_a_client_once(on: Services, client_secret: ClientSecret) -> None:
    key = identity.add_key(client_secret.client_id, pem(KEY), on, kid="k")
    assert key.kid == "k"
    made = assertion(on, client_secret.client_id)
    first = issue(authenticate_client(made, on, address=None), on)
    assert valid(first, on)
    with pytest.raises(NotAuthenticated, match="used before"):
        issue(authenticate_client(made, on, address=None), on)
    assert valid(issue(authenticate_client(assertion(on, client_secret.client_id), on, address=None), on), on)
    several = assertion(on, client_secret.client_id, aud=["https://elsewhere.example.org", URL])
    assert valid(issue(authenticate_client(several, on, address=None), on), on)
    identity.remove_key(client_secret.client_id, "k", on)
    with pytest.raises(NotAuthenticated):
        authenticate_client(assertion(on, client_secret.client_id), on, address=None)


OTHER = ec.generate_private_key(ec.SECP256R1())
WRONG: dict[str, dict[str, Any]] = {
    "another-key": {"key": OTHER},
    "another-kid": {"header": {"kid": "other"}},
    "no-kid": {"header": {"kid": None}},
    "not-signed": {"key": None, "header": {"alg": "none"}},
    "signed-with-the-public-key-as-a-secret": {"key": "k" * 64, "header": {"alg": "HS256"}},
    "another-issuer": {"iss": "unknown"},
    "no-issuer": {"iss": None},
    "another-subject": {"sub": "unknown"},
    "no-subject": {"sub": None},
    "another-audience": {"aud": "https://elsewhere.example.org/oauth/token"},
    "no-audience": {"aud": None},
    "audience-is-a-number": {"aud": 7},
    "no-jti": {"jti": None},
    "jti-is-a-number": {"jti": 7},
    "no-exp": {"exp": None},
    "exp-is-text": {"exp": "tomorrow"},
    "exp-is-huge": {"exp": 10**30},
    "exp-is-true": {"exp": True},
    "no-iat": {"iat": None},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_faulty_assertion_is_refused(wrong: str, on: Services, client_secret: ClientSecret) -> None:
    identity.add_key(client_secret.client_id, pem(KEY), on, kid="k")
    with pytest.raises(NotAuthenticated):
        authenticate_client(assertion(on, client_secret.client_id, **WRONG[wrong]), on, address=None)


@pytest.mark.parametrize(
    ("issued", "expires", "accepted"),
    [(0, 300, True), (-600, -29, True), (-600, -31, False), (29, 300, True), (31, 300, False), (0, 3660, False)],
)
def test_an_assertion_is_valid_between_its_times_only(
    issued: int, expires: int, accepted: bool, on: Services, client_secret: ClientSecret
) -> None:
    identity.add_key(client_secret.client_id, pem(KEY), on, kid="k")
    still = later(on, timedelta(0))
    now = int(still.clock().timestamp())
    still = replace(still, clock=lambda: on.clock().fromtimestamp(now, on.clock().tzinfo))
    made = assertion(still, client_secret.client_id, iat=now + issued, exp=now + expires)
    if accepted:
        assert authenticate_client(made, still, address=None).credential.id == client_secret.client_id
    else:
        with pytest.raises(NotAuthenticated):
            authenticate_client(made, still, address=None)


@pytest.mark.parametrize("noise", ["", "a", "a.b.c", "e30.e30.e30", "é.é.é", "." * 1000, "W10.W10.W10"])
def test_a_malformed_assertion_is_refused(noise: str, on: Services) -> None:
    with pytest.raises(NotAuthenticated):
        authenticate_client(ClientAssertion(text=noise, audiences=frozenset({URL})), on, address=None)


def test_only_p256_public_keys_can_be_registered(on: Services, client_secret: ClientSecret) -> None:
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong in (
        private,
        b"nonsense",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ):
        with pytest.raises(InvalidKey):
            identity.add_key(client_secret.client_id, wrong, on)
    named = identity.add_key(client_secret.client_id, pem(KEY), on)
    members = json.loads(ECAlgorithm.to_jwk(KEY.public_key()))
    wanted = json.dumps({name: members[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = hashlib.sha256(wanted.encode()).digest()
    assert named.kid == base64.urlsafe_b64encode(digest).decode().rstrip("=")  # RFC 7638, 3
    with pytest.raises(NameTaken):
        identity.add_key(client_secret.client_id, pem(KEY), on)
    with pytest.raises(UnknownName):
        identity.add_key("unknown", pem(KEY), on)
    with pytest.raises(UnknownName):
        identity.remove_key(client_secret.client_id, "other", on)
    basic = identity.add_credential(
        "acme", CredentialKind.TOKEN, on, user=None, permissions=identity.Permissions(scopes=BOTH)
    )
    with pytest.raises(InvalidKey):
        identity.add_key(basic.credential.id, pem(KEY), on)


def test_without_an_audit_record_no_token_is_issued_and_no_assertion_is_used(
    on: Services, client: AuthenticatedClient, client_secret: ClientSecret
) -> None:
    identity.add_key(client_secret.client_id, pem(KEY), on, kid="k")
    token, made = issue(client, on), assertion(on, client_secret.client_id)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    with pytest.raises(AuditUnavailable):
        issue(authenticate_client(made, on, address=None), on)
    with pytest.raises(AuditUnavailable):
        refreshed(token.refresh, client, on)
    with pytest.raises(AuditUnavailable):
        tokens.revoke(token.text, client, AT, on)
    with on.database.write() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    assert valid(token, on)
    assert refreshed(token.refresh, client, on).refresh
    assert valid(issue(authenticate_client(made, on, address=None), on), on)


def test_neither_secret_nor_token_is_stored(
    on: Services, client: AuthenticatedClient, client_secret: ClientSecret
) -> None:
    first = issue(client, on)
    second = refreshed(first.refresh, client, on)
    with on.database.read() as connection:
        for table in ("credential", "token", "audit"):
            stored = str(connection.execute(text(f"SELECT * FROM {table}")).all())
            for secret in (client_secret.secret, first.text, first.refresh, second.text, second.refresh):
                assert str(secret) not in stored


def operations(on: Services) -> list[str]:
    """Return the audited operations, oldest first."""
    with on.database.read() as connection:
        return [row.operation for row in connection.execute(text("SELECT operation FROM audit ORDER BY id"))]
