"""A mapping as values: how the columns of a source become those of a table, and which rows are loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.model.column_type import ColumnType
from offtake.tomlfile import TomlFile


class Ambiguous(StrEnum):
    """What a local time means that occurs twice, because clocks were set back. The default is that of timespans."""

    EARLIER = "earlier"
    LATER = "later"
    REJECT = "reject"


class Nonexistent(StrEnum):
    """What a local time means that does not occur, because clocks were set forward.

    ``shift`` resolves it with the offset before the gap, as timespans do: it is later by the length of the gap.
    """

    SHIFT = "shift"
    REJECT = "reject"


class Duration(StrEnum):
    """A notation of elapsed time."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MINUTES = "minutes"
    HOURS = "hours"
    CLOCK = "hh:mm:ss"
    SHORT_CLOCK = "mm:ss"
    ISO = "iso8601"
    WORDS = "words"


class Rounding(StrEnum):
    """What happens to elapsed time that is not a whole number of the column's unit."""

    REJECT = "reject"
    DOWN = "down"
    NEAREST = "nearest"


class UnknownCode(StrEnum):
    """What happens to a value that a lookup does not contain."""

    REJECT = "reject"
    NULL = "null"
    KEEP = "keep"


class Keep(StrEnum):
    """Which row is stored if several of a load have the same key."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How the values of a source column are written. The default is the notation of the table."""

    trim: bool = False
    null: tuple[str, ...] = ()  # words that mean no value
    time: tuple[str, ...] = ()  # "iso", "epoch_s", "epoch_ms", "epoch_us" or formats of strptime; empty: iso
    zone: str | None = None  # of times without an offset
    ambiguous: Ambiguous = Ambiguous.EARLIER
    nonexistent: Nonexistent = Nonexistent.SHIFT
    decimal: str = "."
    thousands: str = ""
    duration: tuple[Duration, ...] = ()
    round: Rounding = Rounding.REJECT
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    phone: str | None = None  # country (ISO 3166) of numbers without a country code
    split: str | None = None
    join: str | None = None


TABLE_NOTATION = Notation()
_EVERY = ("trim", "null")
_NUMBER = ("decimal", "thousands")
_ELAPSED = (*_NUMBER, "duration", "round")
NOTATION_KEYS: Mapping[ColumnType, tuple[str, ...]] = MappingProxyType(
    {
        ColumnType.TEXT: (*_EVERY, "phone", "join"),
        ColumnType.ID: (*_EVERY, "phone", "join"),
        ColumnType.INTEGER: (*_EVERY, *_NUMBER),
        ColumnType.DECIMAL: (*_EVERY, *_NUMBER),
        ColumnType.BOOLEAN: (*_EVERY, "true", "false"),
        ColumnType.INSTANT: (*_EVERY, "time", "zone", "ambiguous", "nonexistent"),
        ColumnType.SECONDS: (*_EVERY, *_ELAPSED),
        ColumnType.MILLISECONDS: (*_EVERY, *_ELAPSED),
        ColumnType.LIST: (*_EVERY, "split"),
    }
)


def notation_for(column_type: ColumnType, notation: Notation) -> Notation:
    """Return what of a notation concerns columns of a type."""
    return Notation(**{key: getattr(notation, key) for key in NOTATION_KEYS[column_type]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The codes of a source and the values that they stand for, in the table's notation."""

    values: Mapping[str, str]
    unknown: UnknownCode = UnknownCode.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """Where the values of a column come from: a source column, an expression over them, or a constant."""

    source: str | None = None
    expression: str | None = None
    constant: str | None = None  # in the table's notation
    default: str | None = None  # where there is no value; in the table's notation
    lookup: Lookup | None = None
    notation: Notation = TABLE_NOTATION

    @property
    def is_plain(self) -> bool:
        """Whether the values are those of a source column, unchanged."""
        return self.source is not None and self == ColumnRule(source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDefinition:
    """A mapping into ``table``. A column without a rule gets the source column of its own name, if no rule uses it."""

    table: str | None = None  # None: that of the command
    options: ReaderOptions = field(default_factory=ReaderOptions)
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    values: Notation = TABLE_NOTATION  # of columns without a rule
    ignored: frozenset[str] = frozenset()  # source columns that are left out
    ignores_others: bool = False  # source columns that nothing uses are left out, otherwise they are a fault
    filter: str | None = None  # expression that is true for the rows to load
    keep: Keep = Keep.LAST
    keep_by: str | None = None  # expression; None: the order of the rows
    file: TomlFile | None = field(default=None, compare=False, repr=False)  # that it was read from, for messages
    renamed: frozenset[str] = field(default=frozenset(), compare=False)  # columns whose source an option tells

    def location(self, *keys: str) -> str:
        """Return where a rule is written, such as the keys ``columns`` and ``kind``: ``file:line``, or the option."""
        if self.file is None or (keys[0] == "columns" and keys[1] in self.renamed):
            return "--map"
        return self.file.where(*keys)


IDENTITY = MappingDefinition()


def digest(mapping: MappingDefinition) -> str | None:
    """Return the SHA-256 of a mapping, by which loads with the same mapping are recognised; None for none."""
    if mapping == IDENTITY:
        return None
    rules = asdict(replace(mapping, file=None))
    del rules["file"], rules["renamed"]
    text = json.dumps(rules, default=sorted, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
