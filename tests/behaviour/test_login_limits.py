"""Wrong secrets are limited by address and name, in every dialect that checks secrets."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.installation import Served, served
from tests.fixtures.khoros import ROOT, User, new_user
from tests.fixtures.raw_http import connection
from tests.fixtures.talkdesk import Credential

METRICS_TOKEN = "a-token-of-tests"
FAILURES = 3
PROXY = "127.9.0.1"
SETTINGS = f"""
[server]
trusted_proxies = ["{PROXY}"]
[connections]
refusal_delay_seconds = 0
[logins]
failures_per_address = {FAILURES}
[metrics]
token = "{METRICS_TOKEN}"
"""


@dataclass(frozen=True)
class LoginEndpoint:
    """One way to send a name and a secret; ``status`` answers the right ones."""

    name: str
    secret: str
    send: Callable[[httpx.Client, str, str], httpx.Response]
    status: int


def _form(path: str, **more: str) -> Callable[[httpx.Client, str, str], httpx.Response]:
    return lambda http, name, secret: http.post(path, data={"client_id": name, "client_secret": secret, **more})


def _token_by_basic(http: httpx.Client, name: str, secret: str) -> httpx.Response:
    return http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(name, secret))


def _teams(http: httpx.Client, name: str, secret: str) -> httpx.Response:
    return http.get(f"{ROOT}/teams", auth=(name, secret))


def _create(http: httpx.Client, name: str, secret: str) -> httpx.Response:
    return http.post(f"{ROOT}/reports/report/user", json={}, auth=(name, secret))


def login_endpoints(server: Served) -> Iterator[LoginEndpoint]:
    """Every way, each with its own name."""
    oauth: list[Credential] = [server.tenant("oauth") for _ in range(3)]
    users: list[User] = [new_user(server, "basic") for _ in range(2)]
    ways = (_token_by_basic, _form("/oauth/token", grant_type="client_credentials"), _form("/oauth/revoke", token="x"))
    for credential, way in zip(oauth, ways, strict=True):
        yield LoginEndpoint(credential.client_id, credential.client_secret, way, 200)
    yield LoginEndpoint(users[0].name, users[0].password, _teams, 400)  # the company key is missing
    yield LoginEndpoint(users[1].name, users[1].password, _create, 400)


def from_address(server: Served, address: str) -> httpx.Client:
    """A client with another loopback address."""
    return httpx.Client(
        base_url=server.url, trust_env=False, transport=httpx.HTTPTransport(verify=False, local_address=address)
    )


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("strict") / "home", SETTINGS, workers=0) as made:
        yield made


def test_wrong_secrets_get_429_and_other_addresses_are_not_affected(strict: Served) -> None:
    for number, endpoint in enumerate(login_endpoints(strict)):
        with from_address(strict, f"127.1.0.{number + 1}") as attacker, from_address(strict, "127.2.0.1") as owner:
            answers = [endpoint.send(attacker, endpoint.name, f"wrong-{guess}") for guess in range(FAILURES + 2)]
            assert [answer.status_code for answer in answers] == [401] * FAILURES + [429] * 2, answers[-1].text
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
            unknown = endpoint.send(attacker, "unknown", "wrong")
            assert (unknown.status_code, unknown.json()) == (429, answers[-1].json() | _same(unknown, answers[-1]))
            assert endpoint.send(attacker, endpoint.name, endpoint.secret).status_code == 429
            assert endpoint.send(owner, endpoint.name, endpoint.secret).status_code == endpoint.status
    lines = [line for line in strict.running.log_lines() if line["event"] == "request" and line["status"] == 429]
    assert {line["refusal"] for line in lines} == {"failed_logins"}
    with httpx.Client(base_url=strict.url, trust_env=False) as http:
        text = http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
    assert f'offtake_http_refusals_total{{reason="failed_logins"}} {len(lines)}.0' in text


def test_clients_behind_a_trusted_proxy_are_counted_by_their_own_addresses(strict: Served) -> None:
    user = new_user(strict, "proxied")
    with from_address(strict, PROXY) as proxy:

        def status(password: str, client: str) -> int:
            headers = {"X-Forwarded-For": f"198.51.100.7, {client}"}  # the client may forge all but the last entry
            return proxy.get(f"{ROOT}/teams", auth=(user.name, password), headers=headers).status_code

        guesses = [status(f"wrong-{guess}", "192.0.2.66") for guess in range(FAILURES + 1)]
        assert guesses == [401] * FAILURES + [429]
        assert status(user.password, "192.0.2.66") == 429
        assert status(user.password, "192.0.2.1") == 400  # the company key is missing


def _same(one: httpx.Response, other: httpx.Response) -> dict[str, str]:
    """The texts in which two refusals may differ: the remaining seconds."""
    assert one.json().keys() == other.json().keys()
    return {key: value for key, value in one.json().items() if isinstance(value, str) and "retry after" in value}


def test_a_client_without_credentials_is_refused_before_its_body_is_read(strict: Served) -> None:
    """Only token endpoints, whose bodies may hold the credentials, read the body first."""
    parts = urlsplit(strict.url)
    wrong = base64.b64encode(b"someone:wrong").decode()
    for path, scheme in (
        ("/data/reports/calls/jobs", "Bearer wrong"),
        ("/api/v1/report/export", "Bearer wrong"),
        (f"{ROOT}/reports/report/user", f"Basic {wrong}"),
    ):
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {scheme}\r\n"
        with connection(strict.url) as made:
            made.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
            assert made.recv(65_536).startswith(b"HTTP/1.1 401 "), path


def test_passwords_survive_a_restart(tmp_path: Path) -> None:
    """The salts of all names are derived from a value that the first start stores."""
    with served(tmp_path / "home", "", workers=0) as first:
        user = new_user(first, "acme")
        first.running.stop()
        again = Served(first.installation, first.installation.serve(workers=0))
        with httpx.Client(base_url=again.url, trust_env=False, auth=(user.name, user.password)) as http:
            assert http.get(f"{ROOT}/teams", params={"companyKey": user.company_key}).status_code == 200
