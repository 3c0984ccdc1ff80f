"""The server's own TLS with real clients: accepted and refused versions and ciphers, and changes of the certificate."""

from __future__ import annotations

import signal
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from tests.fixtures.installation import Installation, Running
from tests.fixtures.polling import wait_for
from tests.fixtures.raw_http import connection, rest
from tests.fixtures.talkdesk import Credential, TalkdeskWire

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
_REFUSED = r"(?i)protocol.version|handshake.failure|EOF"  # the event loop may close without an alert
SETTINGS = '[server]\ntls_certificate = "secrets/tls.pem"\ntls_key = "secrets/tls.key"\n'


def install(authority: trustme.CA, home: Path, *, until: datetime | None = None) -> int:
    """Write a new certificate of 127.0.0.1 to the configured path; return its serial number."""
    made = authority.issue_cert("127.0.0.1", not_after=until)
    (home / "secrets" / "tls.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(home / "secrets" / "tls.key"))
    decoded = ssl._ssl._test_decode_cert(str(home / "secrets" / "tls.pem"))  # type: ignore[attr-defined]
    return int(decoded["serialNumber"], 16)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The certificate authority that the clients trust."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(
    shared_installations: Callable[[str], Installation], authority: trustme.CA
) -> tuple[Installation, Running, Credential]:
    """A server with a certificate."""
    made = shared_installations("secured")
    made.init(SETTINGS)
    install(authority, made.home)
    credential = made.add_tenant("acme")
    return made, made.serve(workers=1), credential


@pytest.fixture(scope="module")
def running(secured: tuple[Installation, Running, Credential]) -> Running:
    return secured[1]


@pytest.fixture
def trusting(authority: trustme.CA) -> Iterator[ssl.SSLContext]:
    """The TLS context of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the tests use old versions on purpose
        yield context


def shake(url: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return an open connection after its handshake."""
    parts = urlsplit(url)
    raw = socket.create_connection((parts.hostname, parts.port), timeout=60)
    try:
        return context.wrap_socket(raw, server_hostname=parts.hostname)
    except BaseException:
        raw.close()
        raise


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_current_versions_are_accepted(running: Running, trusting: ssl.SSLContext, version: str) -> None:
    trusting.minimum_version = trusting.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    with shake(running.url, trusting) as connection:
        assert connection.version() == version
        chosen = connection.cipher()
        assert chosen is not None
        assert "CBC" not in chosen[0]
        assert version == "TLSv1.3" or chosen[0].startswith("ECDHE-")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(running: Running, trusting: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    trusting.set_ciphers("ALL:@SECLEVEL=0")  # a client that supports the version
    trusting.minimum_version = trusting.maximum_version = version
    with pytest.raises(ssl.SSLError, match=_REFUSED):
        shake(running.url, trusting)
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # the same client connects with a current version
    with shake(running.url, trusting) as connection:
        assert connection.version() == "TLSv1.2"


def test_weak_ciphers_of_1_2_are_refused(running: Running, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA")
    with pytest.raises(ssl.SSLError, match=_REFUSED):
        shake(running.url, trusting)


def test_plain_http_is_refused(running: Running) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(running.url.replace("https://", "http://") + "/healthz", trust_env=False)


def test_a_client_that_does_not_trust_the_authority_disconnects(running: Running) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(running.url + "/healthz", trust_env=False)


def test_links_use_https_and_return_the_file(
    secured: tuple[Installation, Running, Credential], trusting: ssl.SSLContext
) -> None:
    _, running, credential = secured
    assert running.url.startswith("https://127.0.0.1:")
    with TalkdeskWire.connect(running.url, credential, verify=trusting) as client:
        job = client.create("calls", *MARCH)
        assert client.wait("calls", job) == "done"
        link = client.link("calls", job)
        assert link.startswith(f"{running.url}/download/")
        answer = client.http.get(link)
        assert answer.json()["total"] == 0
        assert answer.headers["strict-transport-security"] == "max-age=31536000"  # RFC 6797


def test_sighup_changes_the_certificate_and_keeps_connections(
    secured: tuple[Installation, Running, Credential], trusting: ssl.SSLContext, authority: trustme.CA
) -> None:
    made, running, _ = secured
    with shake(running.url, trusting) as open_before:
        serial = install(authority, made.home)
        running.process.send_signal(signal.SIGHUP)

        def presented() -> bool:
            with shake(running.url, trusting) as connection:
                certificate = connection.getpeercert()
                assert certificate is not None
                return int(str(certificate["serialNumber"]), 16) == serial

        wait_for("the new certificate", presented)
        open_before.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: open_before.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")

    (made.home / "secrets" / "tls.key").write_text("broken")
    running.process.send_signal(signal.SIGHUP)
    wait_for("the refusal", lambda: [line for line in running.log_lines() if line["event"] == "tls_certificate_kept"])
    assert presented()  # still the last valid certificate
    install(authority, made.home)


def test_a_client_without_a_handshake_is_disconnected(installation: Installation, authority: trustme.CA) -> None:
    installation.init(SETTINGS + "header_seconds = 0.5\n")
    install(authority, installation.home)
    with connection(installation.serve(workers=0).url) as silent:
        assert rest(silent) == b""


def test_the_minimum_version_can_be_1_3(
    installation: Installation, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    installation.init(SETTINGS + 'tls_minimum = "1.3"\n')
    install(authority, installation.home)
    url = installation.serve(workers=0).url
    with shake(url, trusting) as connection:
        assert connection.version() == "TLSv1.3"
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=_REFUSED):
        shake(url, trusting)


def test_an_expired_certificate_is_logged_as_a_warning(installation: Installation, authority: trustme.CA) -> None:
    installation.init(SETTINGS)
    install(authority, installation.home, until=datetime(2026, 1, 1, tzinfo=UTC))
    running = installation.serve(workers=0)
    (line,) = [line for line in running.log_lines() if line["event"] == "tls_certificate_expired"]
    assert line["level"] == "warning"
    assert line["expired"] == "2026-01-01T00:00:00+00:00"


def test_a_certificate_that_cannot_be_used_stops_the_start(installation: Installation) -> None:
    installation.init(SETTINGS)
    done = installation.run("serve", "--port", "0")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "server.tls_certificate: " in done.stderr
    assert "Traceback" not in done.stderr
    installation.init('[server]\ntls_certificate = "x.pem"\n')
    done = installation.run("serve", "--port", "0")
    assert done.returncode == 3
    assert "tls_certificate and tls_key must be set together" in done.stderr


def test_clients_that_never_finish_the_handshake_are_limited(running: Running, trusting: ssl.SSLContext) -> None:
    """They count as connections of their address: 256, and each further one takes the place of the oldest."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connection(running.url, source="127.8.8.8")) for _ in range(300)]
        for made in silent[:44]:
            made.settimeout(5)
            assert rest(made) == b""
        silent[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent[-1].recv(1)
        assert httpx.get(f"{running.url}/healthz", verify=trusting).status_code == 200
