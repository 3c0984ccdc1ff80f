"""The data subject of an erasure: the person whose values are searched, and how texts mention them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import phonenumbers

EMAIL, PHONE = "email", "phone"
PERSON_IDS = ("customer", "author", "owner", "agent")  # the identifiers that are ids of a person
_SHORTEST_NUMBER = 7  # digits of an id that is searched in names of files
# What may follow an address in the name of a file; other words after a point belong to a longer address.
_SUFFIXES = (
    r"(?:csv|tsv|txt|log|jsonl?|ndjson|parquet|pq|arrow|feather|avro|xlsx?|xml|sqlite|db|gz|zst|zip|tar)(?![a-z0-9])"
)
_SHORTEST_ID = 4  # characters of an id that is searched in files; a shorter one occurs in most of them by chance
_FEWEST_DIGITS, _MOST_DIGITS = 8, 15  # of a phone number with its country code
_SHORTEST_NATIONAL = 7  # digits of a number that is searched without its country code
ERASED = "erased"  # in place of a value of the state database


@dataclass(frozen=True, kw_only=True)
class DataSubject:
    """What identifies a person: e-mail addresses in lower case, phone numbers as digits with the country code, and ids.

    ``ids`` are by what they identify (``lake/tables.toml``): the person, or a conversation, interaction or carrier call
    of the person.
    """

    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def values(self) -> Iterator[tuple[str, str]]:
        """Yield what each value identifies, such as ``email`` or ``customer``, and the value."""
        yield from ((EMAIL, value) for value in sorted(self.emails))
        yield from ((PHONE, value) for value in sorted(self.phones))
        yield from ((identifier, value) for identifier in sorted(self.ids) for value in sorted(self.ids[identifier]))

    def united(self, other: DataSubject) -> DataSubject:
        """Return the subject with the values of both."""
        identifiers = self.ids.keys() | other.ids.keys()
        none: frozenset[str] = frozenset()
        return DataSubject(
            emails=self.emails | other.emails,
            phones=self.phones | other.phones,
            ids={
                identifier: self.ids.get(identifier, none) | other.ids.get(identifier, none)
                for identifier in identifiers
            },
        )

    def counts(self) -> dict[str, int]:
        """Return the number of values by what they identify."""
        found: dict[str, int] = {}
        for identifier, _ in self.values():
            found[identifier] = found.get(identifier, 0) + 1
        return found

    @cached_property
    def mention(self) -> str | None:
        """A regular expression, for Python and RE2, for a text that mentions an address or a number; None: neither."""
        patterns = [*map(_email_pattern, sorted(self.emails)), *map(_phone_pattern, sorted(self.phones))]
        return "(?i)" + "|".join(patterns) if patterns else None

    @cached_property
    def trace(self) -> re.Pattern[str] | None:
        """The pattern of any text that shows a file may hold the person: a mention, or an id of the person."""
        ids = {
            value for identifier in PERSON_IDS for value in self.ids.get(identifier, ()) if len(value) >= _SHORTEST_ID
        }
        tokens = [rf"(?:^|[^\w-]){re.escape(value)}(?:$|[^\w-])" for value in sorted(ids)]
        found = [self.mention.removeprefix("(?i)")] if self.mention else []
        return re.compile("|".join([*found, *tokens]), re.IGNORECASE) if found or tokens else None

    def is_mentioned(self, text: str) -> bool:
        """Whether a text mentions an e-mail address or phone number of the person."""
        return self._mention is not None and self._mention.search(text) is not None

    def is_in(self, text: str) -> bool:
        """Whether a text mentions the person, or is one of the person's ids."""
        return self.is_mentioned(text) or any(text in self.ids.get(identifier, ()) for identifier in PERSON_IDS)

    def is_in_name(self, name: str) -> bool:
        """Whether the name of a file has an address, a number or an id of the person, not within a longer word.

        Short ids and short numbers as ids do not count: most names have dates and counters.
        """
        return self.is_in(name) or (self._in_names is not None and self._in_names.search(name) is not None)

    def without(self, value: Any, *, in_names: bool = False) -> Any:
        """Return a JSON value in which each text that holds the person is replaced; ``in_names``: as ``is_in_name``."""
        if isinstance(value, str):
            return ERASED if (self.is_in_name(value) if in_names else self.is_in(value)) else value
        if isinstance(value, list):
            return [self.without(item, in_names=in_names) for item in value]
        if isinstance(value, dict):
            return {name: self.without(item, in_names=in_names) for name, item in value.items()}
        return value

    @cached_property
    def _in_names(self) -> re.Pattern[str] | None:
        ids = {value for identifier in PERSON_IDS for value in self.ids.get(identifier, ())}
        long = {value for value in ids if len(value) >= (_SHORTEST_NUMBER if value.isdecimal() else _SHORTEST_ID)}
        parts = [rf"{re.escape(value)}(?![a-z0-9])" for value in sorted(long)]
        parts += [rf"{re.escape(email)}(?![a-z0-9]|\.(?!{_SUFFIXES}))" for email in sorted(self.emails)]
        return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(parts)})", re.IGNORECASE) if parts else None

    @cached_property
    def _mention(self) -> re.Pattern[str] | None:
        return re.compile(self.mention) if self.mention else None

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        ids = {identifier: sorted(values) for identifier, values in self.ids.items()}
        return {"emails": sorted(self.emails), "phones": sorted(self.phones), "ids": ids}


def subject_from_json(stored: Mapping[str, Any]) -> DataSubject:
    """Return the subject of its stored form."""
    return DataSubject(
        emails=frozenset(stored["emails"]),
        phones=frozenset(stored["phones"]),
        ids=MappingProxyType({identifier: frozenset(values) for identifier, values in stored["ids"].items()}),
    )


def parse_subject(text: str) -> DataSubject | None:
    """Return the subject that an operator names by an e-mail address, a phone number or ``WHAT:ID``; None: a bare id.

    Raises ValueError, whose text says what would be accepted.
    """
    given = text.strip()
    identifier, colon, value = given.partition(":")
    if colon and identifier in PERSON_IDS and value:
        return DataSubject(ids={identifier: frozenset({value})})
    if "@" in given:
        return DataSubject(emails=frozenset({given.lower()}))
    if given.startswith(("+", "00")):
        return DataSubject(phones=frozenset({_phone(given)}))
    if not given:
        raise ValueError("the value is empty; give an e-mail address, a phone number as +420…, or an id")
    return None


def _phone(text: str) -> str:
    """Return the digits with the country code. A number of no known country is taken as it is (E.164: 15 digits)."""
    parsed = _parsed("+" + text[2:] if text.startswith("00") else text)
    if parsed is not None:
        return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)).lstrip("+")
    digits = re.sub("[^0-9]", "", text).lstrip("0")
    if not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS or re.search(r"[^0-9+\s().\-/]", text):
        raise ValueError(
            "this is no phone number with a country code; write it as +420…, and an id that begins like a number with "
            "what it identifies, as customer:0017"
        )
    return digits


def _parsed(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None


def _email_pattern(email: str) -> str:
    """The address, also as part of a URL, not within a longer address."""
    escaped = re.escape(email).replace("@", "(?:@|%40)").replace(r"\+", r"(?:\+|%2b)")
    return rf"(?:^|[^a-z0-9._+\-]|%[0-9a-f][0-9a-f]){escaped}(?:$|[^a-z0-9._\-]|\.(?:$|[^a-z0-9]))"


def _phone_pattern(phone: str) -> str:
    """The number with or without its country code and trunk prefix, however it is grouped."""
    gap = r"[\s().\-/]{0,3}"
    parsed = _parsed(f"+{phone}")
    if parsed is None:
        return rf"(?:^|[^0-9])(?:\+|00)?{gap.join(phone)}(?:$|[^0-9])"
    national = phonenumbers.national_significant_number(parsed)
    code, digits = (gap.join(text) for text in (str(parsed.country_code), national))
    prefix = rf"(?:\+|00)?{gap}{code}{gap}(?:0{gap})?"
    prefix = rf"(?:{prefix}|0{gap})?" if len(national) >= _SHORTEST_NATIONAL else prefix
    return rf"(?:^|[^0-9]){prefix}{digits}(?:$|[^0-9])"
