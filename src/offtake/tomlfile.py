"""TOML files that can say on which line a key stands.

The standard library's parser gives values without positions; people who mend a settings file or a report need both.
The position is found by reading the text once more, after the real parser has accepted it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADER = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<name>[A-Za-z0-9_\-.\"' ]+?)\s*=")
_STRINGS = re.compile(r'"""|\'\'\'')


class TomlSyntaxError(ValueError):
    """The text is not TOML; ``line`` is where the parser stopped."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The parsed ``data`` of ``path``, and where each key was written."""

    path: Path
    data: dict[str, Any]
    lines: dict[tuple[str | int, ...], int]

    def line(self, *keys: str | int) -> int:
        """The line of a key (numbers index arrays of tables); its nearest written ancestor's where it is absent."""
        for length in range(len(keys), 0, -1):
            found = self.lines.get(keys[:length])
            if found is not None:
                return found
        return 1

    def where(self, *keys: str | int) -> str:
        """``file:line`` of a key, as editors and terminals understand it."""
        return f"{self.path}:{self.line(*keys)}"


def read_toml(path: Path) -> TomlFile:
    """Read and parse ``path``. Raises OSError, or TomlSyntaxError with the line."""
    text = path.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise TomlSyntaxError(str(error), int(found.group(1)) if found else text.count("\n") + 1) from error
    return TomlFile(path, data, _positions(text))


def _positions(text: str) -> dict[tuple[str | int, ...], int]:
    """Line numbers of all table headers and of all keys at the start of a line."""
    lines: dict[tuple[str | int, ...], int] = {}
    seen: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is None:
            header = _HEADER.match(line)
            key = _KEY.match(line)
            if header and not key:
                table = _split(header["name"])
                if line.lstrip().startswith("[["):
                    index = seen.get(table, 0)
                    seen[table] = index + 1
                    table = (*table, index)
                lines.setdefault(table, number)
            elif key:
                lines.setdefault((*table, *_split(key["name"])), number)
        inside = _still_inside(line, inside)
    return lines


def _split(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))


def _still_inside(line: str, inside: str | None) -> str | None:
    """The multi-line string delimiter that is open after this line, if any."""
    for delimiter in _STRINGS.findall(line):
        if inside is None:
            inside = delimiter
        elif inside == delimiter:
            inside = None
    return inside
