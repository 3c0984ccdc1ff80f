"""TOML files with the line of every key.

The standard library's parser returns values without positions; error messages need both. A second, lenient pass over
the text that the parser has accepted finds the positions. It only distinguishes keys, headers, arrays and inline
tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Keys = tuple[str | int, ...]

_TOKEN = re.compile(
    r'(?P<string>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<skip>[ \t\r]+|\#[^\n]*)"
    r"|(?P<mark>\n|[\[\]{},=])"
    r"|(?P<bare>[^\s\[\]{},=\#\"']+)",
    re.DOTALL,
)


class TomlSyntaxError(ValueError):
    """The text is not TOML. ``line`` is where the parser stopped."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)  # no slots: a cached property needs a dictionary
class TomlFile:
    """The parsed ``data`` of ``path`` and the line of each key."""

    path: Path
    data: dict[str, Any]
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> dict[Keys, int]:
        """The line of each key. Only faults need it, so that a process without any starts faster."""
        try:
            return _Positions(_tokens(self.text)).document()
        except RecursionError:  # deeper than the parser's own limit would allow with few callers
            return {}

    def line(self, *keys: str | int) -> int:
        """Return the line of a key, or of its nearest existing ancestor. Numbers index arrays."""
        for length in range(len(keys), 0, -1):
            found = self.lines.get(keys[:length])
            if found is not None:
                return found
        return 1

    def where(self, *keys: str | int) -> str:
        """Return ``file:line`` of a key."""
        return f"{self.path}:{self.line(*keys)}"


def read_toml(path: Path) -> TomlFile:
    """Read and parse ``path``. Raises OSError, or TomlSyntaxError with the line."""
    text = path.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise TomlSyntaxError(str(error), int(found.group(1)) if found else text.count("\n") + 1) from error
    except RecursionError as error:
        raise TomlSyntaxError("Arrays or inline tables are nested too deeply", 1) from error
    return TomlFile(path, data, text)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int


def _tokens(text: str) -> list[_Token]:
    """Return all tokens except blanks and comments. A line end is a token: it ends a header and a value."""

    def found() -> Iterator[_Token]:
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "skip":
                yield _Token(match.group(), line)
            line += match.group().count("\n")

    return list(found())


@dataclass(slots=True)
class _Positions:
    """Walks the tokens once and records the line of every key, row and element."""

    tokens: list[_Token]
    at: int = 0
    lines: dict[Keys, int] = field(default_factory=dict)
    rows: dict[Keys, int] = field(default_factory=dict)  # last index of each array of tables so far

    def document(self) -> dict[Keys, int]:
        """Read headers and statements to the end of the text."""
        table: Keys = ()
        while self.at < len(self.tokens):
            if self._text() == "\n":
                self.at += 1
            elif self._text() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _text(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _header(self) -> Keys:
        line = self.tokens[self.at].line
        opened = self._skip("[")
        names = self._name()
        self._skip("]")
        table: Keys = ()
        for name in names[:-1]:  # `[a.b]` after `[[a]]` belongs to the last row of a
            table = self._within((*table, name))
        table = (*table, names[-1])
        if opened > 1:
            self._note(table, line)
            self.rows[table] = self.rows.get(table, -1) + 1
            table = self._within(table)
        self._note(table, line)
        return table

    def _within(self, table: Keys) -> Keys:
        return (*table, self.rows[table]) if table in self.rows else table

    def _skip(self, mark: str) -> int:
        start = self.at
        while self._text() == mark:
            self.at += 1
        return self.at - start

    def _pair(self, table: Keys) -> None:
        line = self.tokens[self.at].line
        keys: Keys = (*table, *self._name())
        self._note(keys, line)
        self._skip("=")
        self._value(keys)

    def _value(self, keys: Keys) -> None:
        if self._text() == "[":
            self._array(keys)
        elif self._text() == "{":
            self._inline_table(keys)
        else:
            while self._text() not in {"\n", ",", "]", "}", ""}:  # a date and a time are two words
                self.at += 1

    def _array(self, keys: Keys) -> None:
        self.at += 1
        index = 0
        while self._text() not in {"]", ""}:
            if self._text() in {"\n", ","}:
                self.at += 1
                continue
            self._note((*keys, index), self.tokens[self.at].line)
            self._value((*keys, index))
            index += 1
        self.at += 1

    def _inline_table(self, keys: Keys) -> None:
        self.at += 1
        while self._text() not in {"}", ""}:
            if self._text() in {"\n", ","}:
                self.at += 1
            else:
                self._pair(keys)
        self.at += 1

    def _name(self) -> tuple[str, ...]:
        """Read a dotted or quoted key up to the mark that ends it."""
        names: list[str] = []
        while self._text() not in {"=", "]", "\n", ""}:
            text = self._text()
            names += [text[1:-1]] if text[0] in "\"'" else [name for name in text.split(".") if name]
            self.at += 1
        return tuple(names)

    def _note(self, keys: Keys, line: int) -> None:
        """Record a line; a parent without a line of its own (`[a.b]`, `a.b = 1`) gets that of its first child."""
        for length in range(1, len(keys) + 1):
            self.lines.setdefault(keys[:length], line)
