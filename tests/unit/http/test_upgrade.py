"""Requests that offer another protocol: the parser reports them as if they had no Upgrade header."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.http.upgrade import UpgradeIgnoringParser

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
SIZED = b"POST /a?b=%%20c HTTP/1.1\r\nHost: x\r\n%sContent-Length: 5\r\n\r\nGET /"
CHUNKED = b"POST /a HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n2\r\n /\r\n0\r\n\r\n"
EMPTY = b"GET /c HTTP/1.1\r\nHost: y\r\n%s\r\n"
SENT = (SIZED, CHUNKED, EMPTY, SIZED)


class _Requests:
    """Collects requests as the server's protocol does."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]] = []
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = UpgradeIgnoringParser(self)

    def on_message_begin(self) -> None:
        self.url, self.headers, self.body = b"", [], b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.parser.is_parsed_again():
            self.found.append((self.parser.get_method(), self.url, self.headers, self.body))


def _requests(*pieces: bytes) -> list[tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]]:
    requests = _Requests()
    for piece in pieces:
        requests.parser.feed_data(piece)
    return requests.found


@given(st.lists(st.integers(0, sum(len(sent % OFFER) for sent in SENT)), max_size=8).map(sorted))
def test_a_request_with_an_upgrade_header_keeps_its_body(cuts: list[int]) -> None:
    """However the bytes are divided, and for several requests on one connection."""
    data = b"".join(sent % OFFER for sent in SENT)
    pieces = [data[first:end] for first, end in zip((0, *cuts), (*cuts, len(data)), strict=True)]
    without = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert _requests(*pieces) == _requests(*(sent % without for sent in SENT))
    assert [body for *_, body in _requests(*pieces)] == [b"GET /", b"GET /", b"", b"GET /"]


@pytest.mark.parametrize(
    ("version", "connection"), [(b"1.0", b"Upgrade"), (b"1.0", b"close, Upgrade"), (b"1.1", b"close, Upgrade")]
)
def test_a_request_with_an_upgrade_header_that_ends_the_connection_is_found(version: bytes, connection: bytes) -> None:
    head = b"POST /a HTTP/%s\r\nConnection: %s\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n" % (version, connection)
    expected = [(b"Connection", connection), (b"Content-Length", b"5")]
    assert _requests(head, b"hello") == [(b"POST", b"/a", expected, b"hello")]
    assert _requests(head + b"hello") == [(b"POST", b"/a", expected, b"hello")]


def test_connect_is_not_parsed_again() -> None:
    with pytest.raises(httptools.HttpParserUpgrade):
        _requests(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n" + OFFER + b"\r\n")
