"""Reads a table of a TOML file key by key and collects faults with their lines.

The methods report every fault of a file at once, so they do not raise: for a faulty entry they return a placeholder of
the right type, and a load with a fault returns no value.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from offtake.tomlfile import Keys, TomlFile, TomlSyntaxError, read_toml

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class TomlTable:
    """The table at ``keys`` of ``file``; ``faults`` is shared by the whole load."""

    file: TomlFile
    data: Mapping[str, object]
    faults: list[str]
    keys: Keys = ()

    def fault(self, text: str, *keys: str | int) -> None:
        """Add a fault at a key of this table, or at the nearest line if the key is missing."""
        self.faults.append(f"{self.file.where(*self.keys, *keys)}: {text}")

    def allow(self, *allowed: str) -> None:
        """Add a fault for every key that is not allowed."""
        for key in self.data:
            if key not in allowed:
                self.fault(f"unknown key {key!r}; {nearest(key, allowed)}", key)

    def text(self, key: str) -> str:
        """Return a required text, which must not be empty."""
        value = self.data.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.fault(f"{key!r} must be a text that is not empty; {'correct' if key in self.data else 'add'} it", key)
        return ""

    def optional_text(self, key: str) -> str | None:
        """Return a text that may be missing, but not empty."""
        return self.text(key) if key in self.data else None

    def optional_whole_number(self, key: str, *, most: int) -> int | None:
        """Return a whole number from 0 to ``most`` that may be missing."""
        value = self.data.get(key)
        if value is None or (type(value) is int and 0 <= value <= most):
            return value
        self.fault(f"{key!r} must be a whole number from 0 to {most}", key)
        return None

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false, which the file has without quotes."""
        value = self.data.get(key, default)
        if isinstance(value, bool):
            return value
        self.fault(f"{key!r} must be true or false, without quotes", key)
        return default

    def word(self, key: str, words: type[Word]) -> Word:
        """Return one of a fixed set of words."""
        value = self.data.get(key)
        for word in words:
            if word.value == value:
                return word
        self.fault(f"{key!r} is {value!r}; {nearest(str(value), [word.value for word in words])}", key)
        return next(iter(words))

    def optional_word(self, key: str, words: type[Word], *, default: Word) -> Word:
        """Return one of a fixed set of words, or ``default`` without the key."""
        return self.word(key, words) if key in self.data else default

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of texts, none of them empty."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            self.fault(f"{key!r} must be a list of texts that are not empty", key)
            return ()
        if required and not value:
            self.fault(f"{key!r} must have at least one entry", key)
        return tuple(value)

    def table(self, key: str) -> TomlTable:
        """Return the table of a key, empty if it is missing."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            self.fault(f"{key!r} must be a table, such as [{key}]", key)
            value = {}
        return TomlTable(self.file, value, self.faults, (*self.keys, key))

    def rows(self, key: str) -> Iterator[TomlTable]:
        """Yield the inline tables of a list, each with its own line. The list must not be empty."""
        value = self.data.get(key)
        if not isinstance(value, list) or not value:
            self.fault(f"{key!r} must be a list of rows such as {{ name = ... }}", key)
            return
        for index, row in enumerate(value):
            if isinstance(row, dict):
                yield TomlTable(self.file, row, self.faults, (*self.keys, key, index))
            else:
                self.fault(f"{key!r} must hold rows such as {{ name = ... }}", key, index)


def open_table(path: Path, faults: list[str]) -> TomlTable | None:
    """Return the whole file as a table, or None, after a fault, if it cannot be read or is not TOML."""
    try:
        file = read_toml(path)
    except TomlSyntaxError as error:
        faults.append(f"{path}:{error.line}: not valid TOML: {error}")
    except UnicodeDecodeError:
        faults.append(f"{path}:1: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        faults.append(f"{path}:1: cannot be read: {error.strerror}")
    else:
        return TomlTable(file, file.data, faults)
    return None


def nearest(name: str, known: Collection[str], *, introduction: str = "allowed are:") -> str:
    """Return a hint: the known word that is similar to ``name``, or else all known words after the introduction."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"{introduction} {', '.join(known)}"
