"""The transfer of one block: ranges until the block is complete and matches its checksum."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from offtake_client.download.partial import Block, Partial
from offtake_client.effects import Flow, Offload, Request, Response, Stream, TransportFault
from offtake_client.errors import DamagedFile, InternalError, Refusal
from offtake_client.problems import problem_of
from offtake_client.retry import REPEATED, Patience
from offtake_client.session import Session

_FOUND, _OK, _PARTIAL = 302, 200, 206
ENDED_LINK = frozenset({401, 403, 404, 410})
_OTHER_FILE = frozenset({412, 416})
_MOST_DAMAGES = 5  # of one block
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class OtherFile(Exception):
    """The server sends another file than before."""


class Links:
    """Links to the files of an export. A link ends after some minutes; the server makes a new one at every request.

    ``new_link`` asks for a link to the file of that number.
    """

    def __init__(self, new_link: Callable[[int], Flow[str]]) -> None:
        self._new_link = new_link
        self._urls: dict[int, str] = {}

    def url(self, number: int) -> Flow[str]:
        """Return a link to a file. Raises Gone, NotFound."""
        known = self._urls.get(number)
        if known is not None:
            return known
        self._urls[number] = yield from self._new_link(number)
        return self._urls[number]

    def forget(self, number: int, url: str) -> None:
        """Ask for a new link next time, unless another transfer has done so."""
        if self._urls.get(number) == url:
            del self._urls[number]


def link_of(session: Session, export: str, number: int) -> Flow[str]:
    """Ask for a link to a file of an export. Raises Gone, NotFound."""
    request = session.request("GET", f"/exports/{export}/files/{number}")
    response = yield from session.call(request, accept=frozenset({_FOUND}))
    return urljoin(request.url, response.headers["location"])


class _BlockSink:
    """Writes the body of a response to a block; checks that it is the range that was asked for."""

    def __init__(self, partial: Partial, block: Block, digest: Any) -> None:
        self._partial = partial
        self._block = block
        self._skip = 0
        self._is_range = False
        self.digest = digest
        self.received = 0
        self.is_of_another = False

    def start(self, response: Response) -> bool:
        if response.status not in (_OK, _PARTIAL):
            return False
        etag, known = response.headers.get("etag"), self._partial.etag
        if known is not None and etag != known:
            self.is_of_another = True
            return False
        begin = self._block.start + self._block.present
        if response.status == _PARTIAL:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            self._is_range = True
            fits = found and int(found[1]) == begin and found[3] in ("*", str(self._partial.file.bytes))
            self.is_of_another = not fits
            if not fits:
                return False
        else:  # the range was ignored
            self._skip = begin
        self._partial.etag = etag
        return True

    def write(self, chunk: bytes) -> bool:
        if self._skip:
            skipped = min(self._skip, len(chunk))
            self._skip -= skipped
            chunk = chunk[skipped:]
        chunk = chunk[: self._block.size - self._block.present]
        if chunk:
            self._partial.write(self._block, chunk)
            self.digest.update(chunk)
            self.received += len(chunk)
        return self._is_range or self._block.present < self._block.size


@dataclass(frozen=True)
class BlockTransfer:
    """The transfer of one block of the file with that number in the manifest."""

    session: Session
    links: Links
    number: int
    partial: Partial
    block: Block

    def run(self) -> Flow[None]:
        """Download what is missing of the block. Raises OtherFile, DamagedFile, DiskFull, Unreachable."""
        block, partial = self.block, self.partial
        patience = Patience(self.session.patience, self.session.clock)
        for _ in range(_MOST_DAMAGES):
            digest = yield Offload(partial_hash(partial, block))
            while block.present < block.size:
                yield from self._fetch(_BlockSink(partial, block, digest), patience)
            if block.sha256 in ("", digest.hexdigest()):
                return
            self.session.note(f"Block {block.number} of {partial.file.name} is damaged; it is downloaded again.")
            partial.reset(block)
        raise DamagedFile(
            f"Block {block.number} of {partial.file.name} did not match its checksum {_MOST_DAMAGES} times.",
            "Check the network and the proxies on the way, then run the same command again.",
        )

    def _fetch(self, sink: _BlockSink, patience: Patience) -> Flow[None]:
        """Send one request for the missing bytes, and pause if it fails in a way that passes."""
        url = yield from self.links.url(self.number)
        try:
            response: Response = yield Stream(self._request(url), sink)
        except TransportFault as fault:
            if sink.received:
                patience.renew()
            yield from self.session.wait(patience, self.session.unreachable(url, fault))
            return
        if sink.is_of_another or response.status in _OTHER_FILE:
            raise OtherFile
        if sink.received:
            patience.renew()
        elif response.status in (_OK, _PARTIAL):
            refusal = Refusal(response.status, "no_bytes", f"The server sent no bytes of {self.partial.file.name}.")
            yield from self.session.wait(patience, InternalError(refusal))
        elif response.status in ENDED_LINK | REPEATED:
            if response.status in ENDED_LINK:
                self.links.forget(self.number, url)
            yield from self.session.wait(patience, problem_of(response))
        else:
            raise problem_of(response)

    def _request(self, url: str) -> Request:
        block, etag = self.block, self.partial.etag
        headers = {
            "accept-encoding": "identity",  # ranges count the bytes of the file
            "range": f"bytes={block.start + block.present}-{block.start + block.size - 1}",
        }
        if etag and not etag.startswith("W/"):
            headers["if-range"] = etag
        return Request("GET", url, headers)


def partial_hash(partial: Partial, block: Block) -> Callable[[], Any]:
    """Return the function that hashes the bytes of a block that are on the disk."""
    return lambda: partial.hash_of(block)
