"""Ignore the Upgrade header, as RFC 9110 7.8 permits: a request that offers another protocol is answered in HTTP/1.1.

The parser of httptools stops at the end of the headers of such a request and leaves its body unread. Java's HttpClient
and ``curl --http2`` offer HTTP/2 with every request over plain HTTP, those with a body included.
"""

from __future__ import annotations

from typing import Any, Protocol

import httptools


class _ParsedHead(Protocol):
    """What the parser's protocol knows of a request at the end of its headers."""

    url: bytes
    headers: list[tuple[bytes, bytes]]


class UpgradeIgnoringParser(httptools.HttpRequestParser):
    """Parses the head of a request with an Upgrade header a second time, without that header.

    The protocol is called for both heads; it skips the first one (``is_parsed_again``).
    """

    def __init__(self, protocol: _ParsedHead) -> None:
        self._protocol = protocol
        self._restart()

    def is_parsed_again(self) -> bool:
        """Whether the request that has been parsed up to the end of its headers is parsed a second time.

        CONNECT is not: it has no other meaning than to leave HTTP, and the server refuses it.
        """
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: Any) -> None:
        """Parse the data. Raises HttpParserError, and HttpParserUpgrade for CONNECT."""
        rest = memoryview(data)
        while True:
            try:
                super().feed_data(rest)
            except httptools.HttpParserUpgrade as paused:
                if not self.is_parsed_again():
                    raise
                rest = rest[paused.args[0] :]
            else:
                return
            head = self._head_without_upgrade()
            self._restart()  # after a head that ends the connection, the parser skips all that follows
            super().feed_data(head)

    def _restart(self) -> None:
        super().__init__(self._protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets them

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.get_method(), self._protocol.url, self.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self._protocol.headers if header[0].lower() != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))
