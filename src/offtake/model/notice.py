"""Notices: what a reader of an export should know about the data that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoticeCode(StrEnum):
    """What a notice says. The codes are stable."""

    TABLE_EMPTY = "table_empty"  # a table that the report reads has no rows of the tenant
    TABLE_EMPTY_IN_TIMESPAN = "table_empty_in_timespan"  # it has none in the months that the report reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice about an export. An export with notices is as complete as the lake is."""

    code: NoticeCode
    table: str
    columns: tuple[str, ...]  # of the report, in the export, that are null or have other values because of it
    message: str
