"""The token endpoint, ``POST /oauth/token`` (Talkdesk contract 1.2), and calling the API with a token (Talkdesk
contract 1.3)."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from offtake.core.admin import identity
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Tenant
from tests.conftest import PUBLIC_URL
from tests.fixtures.bodies import UNKNOWN_JOB, assert_oauth_refused, assert_refused
from tests.fixtures.commands import command
from tests.fixtures.golden import golden
from tests.fixtures.in_process import in_process
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import Credential

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = "grant_type=client_credentials"
SERVICE = f"{GRANT}&token_type=opaque"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BOTH = "data-reports:read data-reports:write"
READ = "data-reports:read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A form of the token request."""

    query: str = ""
    body: str = ""
    scheme: str | None = "Basic"  # None: no Authorization header
    headers: Mapping[str, str] = field(default_factory=lambda: FORM)


def basic(credential: Credential) -> str:
    """Return the value after the scheme in the header."""
    return base64.b64encode(f"{credential.client_id}:{credential.client_secret}".encode()).decode()


def ask(http: httpx.Client, asking: Asking, credential: Credential) -> httpx.Response:
    """Send the request with ``{id}`` and ``{secret}`` in the body replaced."""
    headers = dict(asking.headers)
    if asking.scheme is not None:
        headers["Authorization"] = f"{asking.scheme} {basic(credential)}"
    body = asking.body.format(id=credential.client_id, secret=credential.client_secret)
    path = "/oauth/token" + (f"?{asking.query}" if asking.query else "")
    return http.post(path, content=body, headers=headers)


@pytest.fixture(scope="module")
def credential(idle: Served) -> Credential:
    return idle.tenant("token")


@pytest.fixture(scope="module")
def http(idle: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=idle.url, trust_env=False, timeout=60) as client:
        yield client


ACCEPTED = [
    golden("1.2", "seen", "airbyte-all-in-the-query-empty-body", Asking(query=GRANT), BOTH),
    golden("1.2", "seen", "python-apis-body-only", Asking(body=GRANT), BOTH),
    golden("1.2", "seen", "extractor-scope-in-the-body", Asking(body=f"{GRANT}&scope={BOTH}"), BOTH),
    golden(
        "1.2",
        "seen",
        "airflow-scopes-this-server-does-not-know",
        Asking(body=f"{GRANT}&scope={BOTH}+record-lists:manage+recordings:read+reports:read"),
        BOTH,
    ),
    golden("1.2", "documented", "one-scope-narrows", Asking(body=f"{GRANT}&scope={READ}"), READ),
    golden("1.2", "documented", "scope-in-the-query", Asking(query=f"{GRANT}&scope={READ}"), READ),
    golden("1.2", "proposed", "body-wins-over-query", Asking(query="grant_type=nonsense", body=GRANT), BOTH),
    golden("1.2", "proposed", "scope-absent", Asking(body=GRANT), BOTH),
    golden("1.2", "proposed", "scope-empty", Asking(body=f"{GRANT}&scope="), BOTH),
    golden("1.2", "proposed", "scope-blank", Asking(body=f"{GRANT}&scope=+"), BOTH),
    golden("1.2", "proposed", "only-unknown-scopes", Asking(body=f"{GRANT}&scope=users:read"), ""),
    golden("1.2", "proposed", "byte-order-mark", Asking(body=f"\ufeff{GRANT}"), BOTH),
    golden("1.2", "proposed", "one-known-one-unknown", Asking(body=f"{GRANT}&scope=nonsense+{READ}"), READ),
    golden("1.2", "inferred", "basic-in-lower-case", Asking(body=GRANT, scheme="basic"), BOTH),
    golden("1.2", "inferred", "basic-in-upper-case", Asking(body=GRANT, scheme="BASIC"), BOTH),
    golden("1.2", "inferred", "basic-and-two-spaces", Asking(body=GRANT, scheme="Basic "), BOTH),
    golden("1.2", "inferred", "no-content-type", Asking(body=GRANT, headers={}), BOTH),
    golden(
        "1.2",
        "inferred",
        "content-type-with-charset",
        Asking(body=GRANT, headers={"Content-Type": FORM["Content-Type"] + "; charset=utf-8"}),
        BOTH,
    ),
    golden(
        "1.2",
        "proposed",
        "client-in-the-body",
        Asking(body=GRANT + "&client_id={id}&client_secret={secret}", scheme=None),
        BOTH,
    ),
]


@pytest.mark.parametrize(("asking", "scope"), ACCEPTED)
def test_a_token_is_issued(asking: Asking, scope: str, http: httpx.Client, credential: Credential) -> None:
    answer = ask(http, asking, credential)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 599
    assert type(body["expires_in"]) is int
    assert isinstance(body["scope"], str)
    assert sorted(body["scope"].split(" ")) == sorted(scope.split(" "))

    token = {"Authorization": f"Bearer {body['access_token']}"}
    expected = (404, "1020011") if scope else (403, "1020004")  # a token without any scope reads nothing
    assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), *expected)


def test_a_client_may_form_encode_its_secret(http: httpx.Client, credential: Credential) -> None:
    """RFC 6749 2.3.1; some clients encode even ``-`` and ``_``, others nothing."""
    for encoded in (
        "".join(sign if sign.isalnum() else f"%{ord(sign):02X}" for sign in credential.client_secret),
        "".join(f"%{ord(sign):02x}" for sign in credential.client_secret),
    ):
        sent = Credential(credential.tenant, credential.client_id, encoded)
        assert ask(http, Asking(body=GRANT), sent).status_code == 200
    wrong = Credential(credential.tenant, credential.client_id, f"{credential.client_secret}%2D")
    assert_oauth_refused(ask(http, Asking(body=GRANT), wrong), 401, "invalid_client")


def test_basic_credentials_of_an_http_library_are_accepted(http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.2, seen: the extractor passes id and secret to its HTTP library."""
    pair = (credential.client_id, credential.client_secret)
    assert http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=pair).status_code == 200


def test_a_client_never_gets_more_than_it_was_granted(idle: Served, http: httpx.Client) -> None:
    """Talkdesk contract 1.2, documented: a token has only scopes of the client, whatever the request names."""
    reader = idle.installation.add_client(idle.tenant("reader").tenant, scopes=["read"])
    for scope in ("", f"&scope={BOTH}"):
        assert ask(http, Asking(body=GRANT + scope), reader).json()["scope"] == READ
    # Airbyte searches for a word in this text, so the key is present even if no scope is granted.
    assert ask(http, Asking(body=f"{GRANT}&scope=data-reports:write"), reader).json()["scope"] == ""


REFUSED = [
    golden("1.2", "documented", "grant-type-missing", Asking(), 400, "invalid_request"),
    golden("1.2", "documented", "grant-type-empty", Asking(body="grant_type="), 400, "invalid_request"),
    golden("1.2", "proposed", "grant-type-unknown", Asking(body="grant_type=password"), 400, "unsupported_grant_type"),
    golden(
        "1.2",
        "proposed",
        "authorization-code",
        Asking(body="grant_type=authorization_code&code=x&redirect_uri=https%3A%2F%2Fexample.org"),
        400,
        "unsupported_grant_type",
    ),
    golden("1.2", "documented", "no-refresh-token", Asking(body="grant_type=refresh_token"), 400, "invalid_request"),
    golden(
        "1.2",
        "proposed",
        "refresh-token-in-the-query",
        Asking(query="refresh_token=x", body="grant_type=refresh_token"),
        400,
        "invalid_request",
    ),
    golden(
        "1.2",
        "inferred",
        "unknown-refresh-token",
        Asking(body="grant_type=refresh_token&refresh_token=x"),
        400,
        "invalid_grant",
    ),
    *(
        golden(
            "1.2",
            "documented",
            f"service-token-of-{life[:9]}-seconds",
            Asking(body=f"{SERVICE}&expires_in={life}"),
            400,
            "invalid_request",
        )
        for life in ("86399", "31556953", "-1", "1.5", "9" * 5000)
    ),
    golden(
        "1.2", "proposed", "basic-and-assertion", Asking(body=GRANT + "&client_assertion=x"), 400, "invalid_request"
    ),
    golden(
        "1.2",
        "documented",
        "assertion-of-another-type",
        Asking(body=GRANT + "&client_assertion=x&client_assertion_type=saml", scheme=None),
        400,
        "invalid_request",
    ),
    golden(
        "1.2",
        "documented",
        "assertion-that-is-none",
        Asking(body=f"{GRANT}&client_assertion=x&client_assertion_type={ASSERTION}", scheme=None),
        401,
        "invalid_client",
    ),
    golden(
        "1.2", "proposed", "body-is-json", Asking(query=GRANT, body='{{"scope": "users:read"}}'), 400, "invalid_request"
    ),
    golden(
        "1.2",
        "proposed",
        "body-is-multipart",
        Asking(query=GRANT, body="--x--", headers={"Content-Type": "multipart/form-data; boundary=x"}),
        400,
        "invalid_request",
    ),
    golden("1.2", "proposed", "body-is-no-form", Asking(body="{{}}"), 400, "invalid_request"),
    golden("1.2", "proposed", "too-many-parameters", Asking(body="&".join(["a=1"] * 100)), 400, "invalid_request"),
    golden("1.2", "documented", "no-client", Asking(body=GRANT, scheme=None), 401, "invalid_client"),
    golden("1.2", "proposed", "bearer-is-no-client", Asking(body=GRANT, scheme="Bearer"), 401, "invalid_client"),
    golden(
        "1.2",
        "proposed",
        "id-without-secret",
        Asking(body=GRANT + "&client_id={id}", scheme=None),
        401,
        "invalid_client",
    ),
    golden("1.2", "proposed", "body-too-large", Asking(body=GRANT + "&a=" + "x" * 70_000), 413, "invalid_request"),
]


@pytest.mark.parametrize(("asking", "status", "error"), REFUSED)
def test_a_refusal_has_the_oauth_shape(
    asking: Asking, status: int, error: str, http: httpx.Client, credential: Credential
) -> None:
    assert_oauth_refused(ask(http, asking, credential), status, error)


BAD_BASIC = [
    golden("1.2", "proposed", "not-base64", b"Basic ***"),
    golden("1.2", "proposed", "empty", b"Basic"),
    golden("1.2", "proposed", "no-colon", b"Basic " + base64.b64encode(b"unknown")),
    golden("1.2", "proposed", "not-utf-8", b"Basic " + base64.b64encode(b"\xff\xfe:\xff")),
    golden("1.2", "proposed", "not-ascii", "Basic é".encode("latin-1")),
    golden("1.2", "proposed", "empty-id-and-secret", b"Basic " + base64.b64encode(b":")),
    golden("1.2", "documented", "unknown-client", b"Basic " + base64.b64encode(b"unknown:secret")),
    golden("1.2", "proposed", "huge", b"Basic " + base64.b64encode(b"n" * 6_000 + b":" + b"s" * 6_000)),
]


@pytest.mark.parametrize("header", BAD_BASIC)
def test_bad_client_credentials_are_401(header: bytes, http: httpx.Client) -> None:
    answer = http.post("/oauth/token", content=GRANT, headers=[(b"Authorization", header)])
    assert_oauth_refused(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_wrong_secret_and_an_unknown_client_get_the_same_response(http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.2, proposed: the response does not reveal which clients exist."""
    wrong = http.post("/oauth/token", content=GRANT, headers=FORM, auth=(credential.client_id, "wrong"))
    unknown = http.post("/oauth/token", content=GRANT, headers=FORM, auth=("unknown", "wrong"))
    assert_oauth_refused(wrong, 401, "invalid_client")
    assert wrong.json() == unknown.json()


def test_a_body_that_is_not_utf_8_is_refused(http: httpx.Client, credential: Credential) -> None:
    pair = (credential.client_id, credential.client_secret)
    answer = http.post("/oauth/token", content=b"grant_type=\xff\xfe", headers=FORM, auth=pair)
    assert_oauth_refused(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    ("expires_in", "life"), [("", 86_400), ("&expires_in=86400", 86_400), ("&expires_in=31556952", 31_556_952)]
)
def test_a_service_token_has_the_requested_lifetime(
    expires_in: str, life: int, http: httpx.Client, credential: Credential
) -> None:
    """Talkdesk contract 1.2, documented bounds; without ``expires_in`` the shortest lifetime is proposed."""
    body = ask(http, Asking(body=SERVICE + expires_in), credential).json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["expires_in"], body["token_type"]) == (life, "Bearer")
    token = {"Authorization": f"Bearer {body['access_token']}"}
    assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), 404, "1020011")


def test_a_lifetime_applies_to_service_tokens_only(http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.2, proposed: the response has the token's actual lifetime."""
    assert ask(http, Asking(body=f"{GRANT}&expires_in=90000"), credential).json()["expires_in"] == 599


def test_a_refresh_token_is_exchanged_once(http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.2, documented grant; RFC 6749 6, RFC 9700 4.14: rotation, and a reused token revokes the
    whole family."""
    first = ask(http, Asking(body=f"{GRANT}&scope={READ}"), credential).json()
    again = Asking(body=f"grant_type=refresh_token&refresh_token={first['refresh_token']}")
    wider = Asking(body=f"{again.body}&scope={BOTH}")
    assert_oauth_refused(ask(http, wider, credential), 400, "invalid_scope")
    second = ask(http, again, credential).json()
    assert second["scope"] == READ
    assert second["refresh_token"] != first["refresh_token"]
    token = {"Authorization": f"Bearer {second['access_token']}"}
    assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), 404, "1020011")
    assert_oauth_refused(ask(http, again, credential), 400, "invalid_grant")
    assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), 401, "1020018")


def test_a_token_can_be_revoked(http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.3, proposed: RFC 7009; 200 whether or not the token was valid."""
    body = ask(http, Asking(body=GRANT), credential).json()
    token = {"Authorization": f"Bearer {body['access_token']}"}
    pair = (credential.client_id, credential.client_secret)
    assert_oauth_refused(http.post("/oauth/revoke", data={"token": body["access_token"]}), 401, "invalid_client")
    assert_oauth_refused(http.post("/oauth/revoke", auth=pair), 400, "invalid_request")
    for _ in range(2):
        assert http.post("/oauth/revoke", data={"token": body["access_token"]}, auth=pair).status_code == 200
        assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), 401, "1020018")


def test_a_revoked_credential_is_refused_at_once(idle: Served) -> None:
    """Talkdesk contract 1.3: the operator's command revokes the credential and its tokens."""
    credential = idle.tenant("revoked")
    with idle.client(credential) as client:
        assert_refused(client.poll("calls", UNKNOWN_JOB), 404, "1020011")
        done = command("credential", "revoke", credential.client_id, home=idle.installation.home)
        assert done.code == 0, done.err
        assert_refused(client.poll("calls", UNKNOWN_JOB), 401, "1020018")
        answer = ask(client.http, Asking(body=GRANT), credential)
        assert_oauth_refused(answer, 401, "invalid_client")


@pytest.mark.parametrize("position", ["body", "query"])
def test_a_client_may_sign_instead_of_sending_a_secret(
    position: str, idle: Served, http: httpx.Client, credential: Credential, tmp_path: Path
) -> None:
    """Talkdesk contract 1.2, seen: tray.ai and rep-dashboard sign ES256 with header ``kid`` and claims iss, sub, aud,
    jti, iat, exp."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = tmp_path / "public.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    home, kid = idle.installation.home, f"key-{position}"
    done = command("credential", "key", "add", credential.client_id, str(public), "--kid", kid, "--json", home=home)
    assert json.loads(done.out) == {"client_id": credential.client_id, "kid": kid}, done.err

    def sent(**claims: object) -> dict[str, dict[str, str]]:
        now = int(time.time())
        wanted = {
            "iss": credential.client_id,
            "sub": credential.client_id,
            "aud": f"{PUBLIC_URL}/oauth/token",
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 300,
        }
        signed = jwt.encode(wanted | claims, key, algorithm="ES256", headers={"kid": kid})
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": signed}
        return {"data" if position == "body" else "params": form}

    once = sent()
    body = http.post("/oauth/token", **once).json()  # type: ignore[arg-type]
    slash = sent(aud=f"{PUBLIC_URL}/oauth/token/")  # the URL as the client calls it
    assert http.post("/oauth/token/", **slash).status_code == 200  # type: ignore[arg-type]
    token = {"Authorization": f"Bearer {body['access_token']}"}
    assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=token), 404, "1020011")
    refused = [once, sent(aud="https://elsewhere.example.org/oauth/token"), sent(exp=int(time.time()) - 60)]
    for again in refused:
        assert_oauth_refused(http.post("/oauth/token", **again), 401, "invalid_client")  # type: ignore[arg-type]


def test_an_assertion_is_refused_while_the_server_has_no_public_url(tmp_path: Path) -> None:
    """Its audience would be the Host header, which the sender chooses."""
    key = ec.generate_private_key(ec.SECP256R1())
    with in_process(tmp_path) as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        made = identity.add_credential(
            "acme", CredentialKind.OAUTH, here.on, user=None, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
        )
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        identity.add_key(made.credential.id, pem, here.on, kid="k")
        now, client = int(here.now.timestamp()), made.credential.id
        claims = {"iss": client, "sub": client, "jti": "1", "iat": now, "exp": now + 300}
        signed = jwt.encode(
            claims | {"aud": "http://loop.test/oauth/token"}, key, algorithm="ES256", headers={"kid": "k"}
        )
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": signed}
        answer = here.http.post("/oauth/token", data=form)
    assert_oauth_refused(answer, 401, "invalid_client")
    assert "server.public_url" in answer.json()["error_description"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused_in_the_oauth_shape(method: str, http: httpx.Client) -> None:
    answer = http.request(method, "/oauth/token", params={"grant_type": "client_credentials"})
    assert_oauth_refused(answer, 405, "invalid_request")
    assert answer.headers["allow"] == "POST"


BAD_BEARER = [
    golden("1.3", "documented", "no-header", None),
    golden("1.3", "documented", "unknown-token", b"Bearer nonsense"),
    golden("1.3", "proposed", "empty-token", b"Bearer"),
    golden("1.3", "proposed", "no-scheme", b"nonsense"),
    golden("1.3", "proposed", "another-scheme", b"Basic bm9ib2R5OnNlY3JldA=="),
    golden("1.3", "proposed", "not-ascii", "Bearer é".encode("latin-1")),
]


@pytest.mark.parametrize("header", BAD_BEARER)
def test_a_call_without_a_valid_token_is_401(header: bytes | None, http: httpx.Client) -> None:
    headers = [] if header is None else [(b"Authorization", header)]
    for method, path in (
        ("POST", "/data/reports/calls/jobs"),
        ("GET", f"/data/reports/calls/jobs/{UNKNOWN_JOB}"),
        ("DELETE", f"/data/reports/calls/jobs/{UNKNOWN_JOB}"),
        ("GET", f"/data/reports/calls/files/{UNKNOWN_JOB}"),
    ):
        answer = http.request(method, path, headers=headers)
        assert_refused(answer, 401, "1020018")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_scheme_bearer_may_have_any_case(idle: Served, http: httpx.Client, credential: Credential) -> None:
    """Talkdesk contract 1.3, inferred: schemes of HTTP are case-insensitive."""
    with idle.client(credential) as client:
        for scheme in ("bearer", "BEARER"):
            headers = {"Authorization": f"{scheme} {client.token}"}
            assert_refused(http.get(f"/data/reports/calls/jobs/{UNKNOWN_JOB}", headers=headers), 404, "1020011")


def test_a_new_token_does_not_end_earlier_ones(idle: Served, credential: Credential) -> None:
    """Talkdesk contract 1.3, inferred: one client gets a new token while others still use earlier ones."""
    with idle.client(credential) as client:
        first = client.token
        client.renew()
        assert client.token != first
        client.client.token = first
        assert_refused(client.poll("calls", UNKNOWN_JOB), 404, "1020011")
