"""What an operator has to correct, from what a service answers: each answer comes from a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from offtake.errors import ExportError, SettingsError, StorageUnavailable
from offtake.objects.bucket import Bucket
from offtake.objects.location import Access, ObjectLocation, parse_location

SECRETS = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-secret"}


@contextmanager
def service(status: int, code: str) -> Iterator[str]:
    """Serve one S3 error for every request and yield the endpoint."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (301, "PermanentRedirect", SettingsError, "the bucket is in another region; set [storage] region"),
        (400, "AuthorizationHeaderMalformed", SettingsError, "the bucket is in another region"),
        (403, "SignatureDoesNotMatch", SettingsError, "the secret key is not that of the access key id"),
        (403, "AccessDenied", SettingsError, "access denied; check the credentials"),
        (404, "NoSuchBucket", SettingsError, "the bucket does not exist"),
        (500, "InternalError", StorageUnavailable, "it answers with the status 500"),
        (503, "SlowDown", StorageUnavailable, "it answers with the status 503"),
    ],
)
def test_each_answer_of_a_service_names_what_to_correct(
    status: int, code: str, kind: type[ExportError], words: str
) -> None:
    location = parse_location("s3://exports/care")
    assert isinstance(location, ObjectLocation)
    with service(status, code) as endpoint:
        access = Access(endpoint=endpoint, region="eu-central-1", allow_http=True, retries=0, secrets=SECRETS)
        with pytest.raises(kind) as caught:
            Bucket(location, access).check("lake_url")
    assert words in caught.value.message
    assert "a-secret" not in caught.value.message
