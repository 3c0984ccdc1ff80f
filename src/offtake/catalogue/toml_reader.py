"""One table of a TOML file, read key by key; whatever is wrong is noted with its line, and reading goes on.

People mend a file faster when they see all that is wrong with it at once, so nothing here raises: a faulty entry is
answered with a stand-in of the right type, and a load that noted a fault never gives a value out.
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
        """Note what is wrong at a key of this table, or near where it should stand."""
        self.faults.append(f"{self.file.where(*self.keys, *keys)}: {text}")

    def only(self, *allowed: str) -> None:
        """Note every key that has no meaning here."""
        for key in self.data:
            if key not in allowed:
                self.fault(f"unknown key {key!r}; {nearest(key, allowed)}", key)

    def text(self, key: str) -> str:
        """A text that must be there and say something."""
        value = self.data.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.fault(f"{key!r} must be a text that is not empty; {'mend' if key in self.data else 'add'} it", key)
        return ""

    def optional_text(self, key: str) -> str | None:
        """A text that may be left out, but not left empty."""
        return self.text(key) if key in self.data else None

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false, without quotes."""
        value = self.data.get(key, default)
        if isinstance(value, bool):
            return value
        self.fault(f"{key!r} must be true or false", key)
        return default

    def word(self, key: str, words: type[Word]) -> Word:
        """One of a fixed set of words."""
        value = self.data.get(key)
        for word in words:
            if word.value == value:
                return word
        self.fault(f"{key!r} is {value!r}; {nearest(str(value), [word.value for word in words])}", key)
        return next(iter(words))

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            self.fault(f"{key!r} must be a list of texts", key)
            return ()
        if required and not value:
            self.fault(f"{key!r} must name at least one", key)
        return tuple(value)

    def rows(self, key: str) -> Iterator[TomlTable]:
        """The inline tables of a list, each with its own line; there must be one at least."""
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
    """The whole file as a section, or None (and a fault) where it is no readable TOML."""
    try:
        file = read_toml(path)
    except TomlSyntaxError as error:
        faults.append(f"{path}:{error.line}: not TOML: {error}")
    except UnicodeDecodeError:
        faults.append(f"{path}:1: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        faults.append(f"{path}:1: cannot be read: {error.strerror}")
    else:
        return TomlTable(file, file.data, faults)
    return None


def nearest(name: str, known: Collection[str]) -> str:
    """A hint: the word that was probably meant, or all that are allowed."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"allowed are: {', '.join(known)}"
