"""Shared tables: saved export requests, whose finished exports are the versions that recipients read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """The name of a shared table, in lower case: the protocol compares names without regard to case."""

    share: str
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.share}.{self.schema}.{self.table}"


def parse_table_name(text: str) -> TableName:
    """Return the name that ``SHARE.SCHEMA.TABLE`` spells. Raises ValueError."""
    parts = text.lower().split(".")
    if len(parts) != 3 or not all(_NAME.fullmatch(part) for part in parts):
        raise ValueError(
            "write SHARE.SCHEMA.TABLE, each of 1 to 63 letters, digits, dashes and underscores, not beginning with a "
            "dash or an underscore"
        )
    return TableName(share=parts[0], schema=parts[1], table=parts[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTable:
    """A saved export request under a name. Each finished export of it is the table's next version."""

    id: str  # lower-case UUID with dashes; recipients see it
    tenant: str
    name: TableName
    report: str
    body: Mapping[str, Any]  # of the request, in the words of the native API
    personal: bool  # whether the request uses columns that the report marks as personal
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedVersion:
    """A version of a shared table: the number, from 0 and without gaps, and the export that it consists of."""

    number: int
    job: str
    published_at: datetime
