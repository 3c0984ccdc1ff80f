"""Loads from buckets and from HTTPS servers: what is read, what continues after a fault, and what is refused."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pytest
import trustme
import urllib3.util.connection
from deltalake import write_deltalake

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.expand import InputExpander
from offtake.lake.ingest.inputs import https
from offtake.lake.ingest.load import load
from offtake.lake.ingest.watched import watched_files
from offtake.lake.storage import FolderTableStorage
from offtake.objects.bucket import Bucket
from offtake.objects.location import ObjectLocation
from tests.fixtures.buckets import S3Server
from tests.unit.lake.stored import TEAM, stored

ROWS = 40_000
TEAMS = b"team_id,name\n" + b"".join(b"t%d,Team number %d of a long file\n" % (n, n) for n in range(ROWS))
assert len(TEAMS) > 1024 * 1024


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _load(lake: Lake, word: str, server: S3Server | None = None, *patterns: str, **access: object) -> list[str]:
    def bucket(location: ObjectLocation) -> Bucket:
        assert server is not None
        return server.bucket(location.bucket, location.prefix, **access)

    found = InputExpander(form=None, bucket=bucket).expand([word] if word else [], patterns)
    load(lake, TEAM, found.inputs, tenant="acme")
    return list(found.skipped)


def test_objects_prefixes_patterns_and_delta_tables_of_a_bucket_are_loaded(lake: Lake, moto: S3Server) -> None:
    name = moto.fresh_bucket()
    bucket = moto.bucket(name, "")
    for key, content in {"in/teams.csv": TEAMS, "in/b[1].csv": b"team_id,name\nb,B\n", "in/c.txt": b"?"}.items():
        obstore.put(bucket.store, key, content)
    options = bucket.location.delta_options(bucket.access)
    write_deltalake(f"s3://{name}/table", pa.table({"team_id": ["d"], "name": ["D"]}), storage_options=options)
    _load(lake, f"s3://{name}/in/teams.csv", moto)
    assert len(stored(lake, TEAM)) == ROWS
    assert _load(lake, f"s3://{name}/in/", moto) == [f"s3://{name}/in/c.txt"]
    _load(lake, f"s3://{name}/table/", moto)
    assert len(stored(lake, TEAM)) == ROWS + 2
    _load(lake, "", moto, f"s3://{name}/in/b*.csv")
    for word, message in (
        (f"s3://{name}/in/none.csv", f"s3://{name}/in/none.csv: there is no such object"),
        (f"s3://{name}/in/b*.csv", "there is no such object"),
        (f"s3://{name}/in/b.zip", "is read from a local file only. Copy it here"),
        ("s3://no-such-bucket/a.csv", "the bucket does not exist; check the name in the URL"),
        ("s3://no-such-bucket/a/", "the bucket does not exist; check the name in the URL"),
    ):
        with pytest.raises(LakeError) as caught:
            _load(lake, word, moto)
        assert message in caught.value.message
    with pytest.raises(LakeError, match=r"the endpoint http://127.* cannot be used: the connection was refused"):
        _load(lake, f"s3://{name}/in/teams.csv", moto, endpoint="http://127.0.0.1:1")
    pages = watched_files(f"s3://{name}/in", "*.csv", lambda where: moto.bucket(where.bucket, where.prefix))
    assert sorted(each.name for page in pages for each in page) == ["b[1].csv", "teams.csv"]
    with pytest.raises(LakeError, match="no-such-bucket/in/: the bucket does not exist"):
        list(watched_files("s3://no-such-bucket/in", "*", lambda where: moto.bucket(where.bucket, where.prefix)))


def test_wrong_credentials_are_named(lake: Lake, rclone: S3Server) -> None:
    name = rclone.fresh_bucket()
    obstore.put(rclone.bucket(name, "").store, "a.csv", b"team_id,name\na,A\n")
    _load(lake, f"s3://{name}/a.csv", rclone)
    wrong = {"AWS_ACCESS_KEY_ID": "offtake-tests", "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    with pytest.raises(LakeError, match="access denied") as caught:
        _load(lake, f"s3://{name}/a.csv", rclone, secrets=wrong)
    assert "not-the-secret" not in caught.value.message


@dataclass
class HttpsServer:
    """Serves ``TEAMS`` at every path; cuts the first ``cuts`` responses after 100,000 bytes each."""

    url: str = ""
    cuts: int = 0
    has_etag: bool = True
    redirect_to: str = ""
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    found = HttpsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "moved" in self.path:
                self.send_response(302)
                self.send_header("Location", found.redirect_to)
                self.end_headers()
                return
            if "none" in self.path:
                self.send_error(404)
                return
            asked = self.headers.get("Range")
            found.ranges.append(asked)
            start = int(asked[6:-1]) if asked and self.headers.get("If-Range") == '"v1"' else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(TEAMS) - start))
            if found.has_etag:
                self.send_header("ETag", '"v1"')
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(TEAMS) - 1}/{len(TEAMS)}")
            self.end_headers()
            found.cuts -= 1
            self.wfile.write(TEAMS[start : start + 100_000] if found.cuts >= 0 else TEAMS[start:])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    found.url = f"https://localhost:{http.server_port}"
    yield found
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_file_is_read_over_https_and_continued_where_the_connection_broke(lake: Lake, server: HttpsServer) -> None:
    server.cuts = 3
    server.redirect_to = "/teams.csv"
    _load(lake, f"{server.url}/moved.csv?signature=secret")
    assert len(stored(lake, TEAM)) == ROWS
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


def test_what_https_cannot_give_is_named_without_the_secrets_of_the_url(
    lake: Lake, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "?signature=secret"
    faults = [
        ("none.csv", "the server answers 404; there is no such file"),
        ("a.txt", "unknown file format"),
    ]
    for path, message in faults:
        with pytest.raises(LakeError) as caught:
            _load(lake, server.url.replace("//", "//me:password@") + f"/{path}{secret}")
        assert message in caught.value.message
        assert not {"secret", "password", "me:"} & set(caught.value.message.replace("@", " ").split())
    server.redirect_to = "http://localhost/teams.csv"
    with pytest.raises(LakeError, match="a URL without TLS; that is not followed"):
        _load(lake, f"{server.url}/moved.csv")
    server.redirect_to = "/moved.csv"
    with pytest.raises(LakeError, match="redirects more than 5 times"):
        _load(lake, f"{server.url}/moved.csv")
    server.has_etag, server.cuts = False, 1
    with pytest.raises(LakeError, match="broke after 100,000 bytes, and the server gives no ETag"):
        _load(lake, f"{server.url}/teams.csv")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(LakeError, match="certificate is not trusted"):
        _load(lake, f"{server.url}/teams.csv")
    assert stored(lake, TEAM) == {}


def test_a_public_server_cannot_redirect_to_a_private_address(
    lake: Lake, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the first URL has a public address; the connection to it is answered by the test's server."""
    port = int(server.url.rpartition(":")[2])
    resolve = https._addresses

    def addresses(name: str, parts: object) -> object:
        found = resolve(name, parts)  # type: ignore[arg-type]
        return [https.ipaddress.ip_address("8.8.8.8")] if parts.path == "/moved.csv" else found  # type: ignore[attr-defined]

    connect = urllib3.util.connection.create_connection

    def to_the_server(address: tuple[str, int], *args: Any, **options: Any) -> object:
        return connect(("127.0.0.1", port), *args, **options)

    monkeypatch.setattr(https, "_addresses", addresses)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", to_the_server)
    server.redirect_to = f"https://localhost:{port}/teams.csv"
    with pytest.raises(LakeError, match="redirects to a private address; that is not followed"):
        _load(lake, f"{server.url}/moved.csv")
