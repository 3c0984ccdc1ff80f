"""A scanner of a JSON text that holds a few megabytes of it: finds an array by its path, and yields its elements.

It finds where values end, by their brackets and quotes; whether an element is valid JSON is for the engine to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from offtake.errors import LakeError
from offtake.lake.ingest.chunks import CHUNK_BYTES, MAX_ROW_BYTES, row_too_long
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK
from offtake.lake.ingest.inputs.input_file import InputFile

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^\[\]{},:\" \t\r\n]++")
_QUOTED = re.compile(_STRING, re.DOTALL)
_LEVELS = 4  # of nesting that one match covers; deeper elements are scanned token by token


def _nested(levels: int) -> bytes:
    """Return the pattern of an object or array with up to so many levels in it."""
    inner = rb'[^"{}\[\]]++|' + _STRING
    pattern = rb"[\[{](?:" + inner + rb")*+[\]}]"
    for _ in range(levels):
        pattern = rb"[\[{](?:" + inner + rb"|" + pattern + rb")*+[\]}]"
    return pattern


_ELEMENT = re.compile(_nested(_LEVELS), re.DOTALL)


class JsonScanner:
    """Reads one file. ``line`` is that of the next byte."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._text = b""
        self._at = 0
        self._is_last = False
        self.line = 1
        self._fill()
        self._text = self._text.removeprefix(BYTE_ORDER_MARK)

    def elements(self, path: Sequence[str]) -> Iterator[list[tuple[int, bytes]]]:
        """Yield lists of elements, each with its line: of the array at ``path``, or of the whole file.

        Without a path, the file is an array, or objects one after the other. Raises LakeError for other files.
        """
        for depth, key in enumerate(path, start=1):
            self._enter(key, ".".join(path[:depth]))
        start = self._peek()
        if start == b"[":
            self._advance(1)
            yield from self._array()
        elif path:
            raise self._fault(f"{'.'.join(path)} is not an array")
        elif start == b"{":
            yield from self._objects()
        elif start:
            raise self._fault("the file is neither a JSON array nor JSON objects")
        for _ in path:
            self._leave()
        if self._peek():
            raise self._fault("more follows the end of the JSON text")

    def _array(self) -> Iterator[list[tuple[int, bytes]]]:
        found: list[tuple[int, bytes]] = []
        size = 0
        if self._peek() == b"]":
            self._advance(1)
            return
        while True:
            self._peek()
            line, element = self.line, self._value()
            found.append((line, element))
            size += len(element)
            if size >= CHUNK_BYTES:
                yield found
                found, size = [], 0
            following = self._peek()
            if following not in {b",", b"]"}:
                end = "; the file is cut off" if not following else ""
                raise self._fault(f"a comma or ] is missing after an element of the array{end}")
            self._advance(1)
            if following == b"]":
                break
        if found:
            yield found

    def _objects(self) -> Iterator[list[tuple[int, bytes]]]:
        found: list[tuple[int, bytes]] = []
        size = 0
        while self._peek():
            line, element = self.line, self._value()
            found.append((line, element))
            size += len(element)
            if size >= CHUNK_BYTES:
                yield found
                found, size = [], 0
        if found:
            yield found

    def _enter(self, key: str, path: str) -> None:
        """Go to the value of a key of the object that begins here."""
        if self._peek() != b"{":
            raise self._fault(f"there is no {path}: an object is expected here")
        self._advance(1)
        while True:
            if self._peek() != b'"':
                raise self._fault(f"there is no {path}")
            found = self._key()
            if found == key:
                return
            self._peek()
            self._value(keep=False)
            if self._peek() != b",":
                raise self._fault(f"there is no {path}")
            self._advance(1)

    def _leave(self) -> None:
        """Go behind the object whose value was read."""
        while self._peek() == b",":
            self._advance(1)
            if self._peek() != b'"':
                raise self._fault("a key is missing")
            self._key()
            self._peek()
            self._value(keep=False)
        if self._peek() != b"}":
            raise self._fault("a comma or } is missing")
        self._advance(1)

    def _key(self) -> str:
        try:
            key = str(json.loads(self._value()))
        except ValueError as error:
            raise self._fault("a key is not valid JSON") from error
        if self._peek() != b":":
            raise self._fault("a colon is missing after a key")
        self._advance(1)
        return key

    def _value(self, *, keep: bool = True) -> bytes:
        """Return the value that begins here, and go behind it; without ``keep``, it may have any length."""
        while True:
            end = self._end()
            if end is not None:
                if keep and end - self._at > MAX_ROW_BYTES:
                    raise self._too_long()
                return self._advance(end - self._at)
            if self._is_last:
                raise self._fault("the file ends within a value; it is cut off")
            if len(self._text) - self._at > MAX_ROW_BYTES:
                if keep:
                    raise self._too_long()
                return self._skip()
            self._fill()

    def _end(self) -> int | None:
        """Return the position after the value that begins here; None if the text at hand may not hold all of it."""
        first = self._text[self._at : self._at + 1]
        if first in {b"{", b"["}:
            found = _ELEMENT.match(self._text, self._at)
            return found.end() if found else self._deep_end()
        if first == b'"':
            found = _QUOTED.match(self._text, self._at)
            return found.end() if found else None
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            raise self._fault("a value is missing" if first else "the file ends within a value; it is cut off")
        return found.end() if found.end() < len(self._text) or self._is_last else None

    def _deep_end(self) -> int | None:
        depth = 0
        for token in _TOKEN.finditer(self._text, self._at):
            byte = self._text[token.start()]
            if byte in b"[{":
                depth += 1
            elif byte in b"]}":
                depth -= 1
                if depth == 0:
                    return token.end()
        return None

    def _skip(self) -> bytes:
        """Go behind a long value without holding it."""
        depth, in_string = 0, False
        pattern = re.compile(rb'\\.|"|[\[\]{}]', re.DOTALL)
        while True:
            end = len(self._text) - (1 if self._text.endswith(b"\\") else 0)
            for token in pattern.finditer(self._text, self._at, end):
                mark = token[0]
                if mark == b'"':
                    in_string = not in_string
                elif not in_string and mark in b"[{":
                    depth += 1
                elif not in_string and mark in b"]}":
                    depth -= 1
                if depth == 0 and not in_string and not mark.startswith(b"\\"):
                    self._advance(token.end() - self._at)
                    return b""
            self._advance(end - self._at)
            if self._is_last:
                raise self._fault("the file ends within a value; it is cut off")
            self._fill()

    def _peek(self) -> bytes:
        """Go behind blanks; return the next byte, empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            if found:
                self._advance(found.end() - self._at)
            if self._at < len(self._text) or self._is_last:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _advance(self, size: int) -> bytes:
        taken = self._text[self._at : self._at + size]
        self._at += size
        self.line += taken.count(b"\n")
        return taken

    def _fill(self) -> None:
        # Twice as much each time within one value, so that it is not scanned once per block.
        block = self._file.read(max(CHUNK_BYTES, len(self._text) - self._at))
        self._is_last = not block
        self._text = self._text[self._at :] + block
        self._at = 0

    def _too_long(self) -> LakeError:
        cause = " If the records are in an array within an object, name it with --records." if self.line == 1 else ""
        return row_too_long(f"{self._file.name}:{self.line}", cause=cause)

    def _fault(self, what: str) -> LakeError:
        return LakeError(f"{self._file.name}:{self.line}: {what}. Correct the file. Nothing was loaded.")
