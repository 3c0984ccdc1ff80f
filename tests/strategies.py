"""Shared Hypothesis strategies: consistent customer-care data, and timespans with difficult bounds.

Everything is derived from the data model (``lake/tables.toml``), so that a new column is covered at once. Instants
cluster, to the microsecond, around the bounds of the requested timespans, month starts and changes of clocks, because
errors at bounds lose rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType
from offtake.model.timespan import Timespan

Row = dict[str, Any]  # column -> text, int, float, bool, UTC datetime, list of text or None

TICK = timedelta(microseconds=1)
# The range of all instants. After it the time zone databases of Python and of the engine differ in one zone:
# tests/property/test_timespan.py.
FIRST, LAST = date(2019, 1, 1), date(2026, 8, 31)

# Zones with different rules, and the reason for each.
ZONES = (
    "UTC",
    "Europe/Lisbon",  # changes at 01:00, in winter equal to UTC
    "America/New_York",  # changes at 02:00
    "America/Sao_Paulo",  # abolished daylight saving in 2019
    "Asia/Kolkata",  # half an hour, never changes
    "Australia/Lord_Howe",  # changes by half an hour
    "Pacific/Apia",  # thirteen hours ahead
    "Africa/Casablanca",  # winter time in Ramadan only, on other days each year
    "America/Havana",  # changes at midnight: 1 November 2020 began twice
    "America/Asuncion",  # 1 October 2023 has no midnight
    "Asia/Almaty",  # an hour was repeated just before 1 March 2024
    "Africa/Cairo",  # an hour was repeated just before 1 November 2024
)
TRICKY_TEXTS = (
    "",
    " ",
    " padded ",
    '"',
    '""',
    "'",
    "O'Brien; DROP TABLE call",
    ",",
    'he said "no", twice',
    "two\nlines",
    "two\r\nlines",
    "\r",
    "\n",
    "\n{",
    '{"call_id": 1}',
    "],",
    "[]",
    "\t",
    "\\",
    "\\n",
    "null",
    "NULL",
    "true",
    "0",
    "1e5",
    "2026-03-01",
    "+",
    "a+b",
    "$zone",
    "{value}",
    "%Y",
    "Žluťoučký kůň",
    "日本語",
    "العربية",
    "\u202eright to left",
    "é",
    "e\u0301",  # looks the same, but is another text
    "👩‍👩‍👧 family",
    "😀",
    "\u2028",
    "\u0085",
    "\ufeff",
    "\u00a0",
    "\x01",
    "\x1f",
    "\x7f",
    "\uffff",
    "\U0010ffff",
)
_NUDGES = tuple(
    timedelta(microseconds=sign * size)
    for size in (0, 1, 999_999, 1_000_000, 60_000_000, 1_800_000_000, 3_600_000_000, 86_400_000_000)
    for sign in (1, -1)
)
_BIG = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """The data of one tenant: rows by table, unique by key."""

    tenant: str
    zone: str
    rows: Mapping[str, tuple[Row, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Tenants that share ids but not rows, the requested timespans, and the instant of the request."""

    tenants: tuple[Care, ...]
    timespans: tuple[Timespan, ...]
    asked_at: datetime | None  # None: at the end of each timespan


def texts(*, max_size: int = 10) -> SearchStrategy[str]:
    """Any text but NUL and lone surrogates, often one of the tricky ones."""
    alphabet = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.sampled_from(TRICKY_TEXTS) | st.text(alphabet, max_size=max_size)


def sheet_texts(*, max_size: int = 10) -> SearchStrategy[str]:
    """Any text, often with escapes, formulas or white space that a spreadsheet may interpret."""
    escapes = st.sampled_from(("_x0041_", "_x0041", "_x005F_", "_X0041_", "_x00e9_", "_", "x", "41_", "\x01", "\ufffe"))
    formulas = st.sampled_from(
        ("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "'quoted", "]]>", "&amp;", "<c/>")
    )
    pieces = st.lists(texts(max_size=3) | escapes, max_size=6).map("".join)
    return texts(max_size=max_size) | pieces | formulas


def wall_times() -> SearchStrategy[datetime]:
    """Local times of any year, mostly within the days that a spreadsheet supports, and at their bounds."""
    edges = (datetime(1900, 2, 28, 23, 59, 59, 999_999), datetime(1900, 3, 1), datetime(1970, 1, 1))  # noqa: DTZ001
    near = st.builds(
        lambda edge, seconds: edge + timedelta(seconds=seconds), st.sampled_from(edges), st.integers(-2, 2)
    )
    usual = st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001
    return usual | near | st.datetimes()


def integers() -> SearchStrategy[int]:
    """Integers of 64 bits, mostly small."""
    return st.integers(-3, 5000) | st.integers(-_BIG, _BIG - 1)


def decimals() -> SearchStrategy[float]:
    """Finite floating-point numbers."""
    return st.sampled_from((0.0, 0.1, 1.0, -1.5, 1e15, 1e16, 1e22, 5e-324)) | st.floats(
        allow_nan=False, allow_infinity=False
    )


def values() -> SearchStrategy[str | int | float | bool | None]:
    """Any single value that a format has to carry."""
    return st.none() | st.booleans() | integers() | decimals() | texts()


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """A zone of the locked ``tzdata`` package; the database of the machine may be years older."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=1024)
def transitions(name: str, first: date, last: date) -> tuple[datetime, ...]:
    """The instants at which a zone's offset from UTC changes: found by comparing noons, then by bisection."""
    local = zone(name)
    at, end = (datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in (first, last))
    found = []
    offset = at.astimezone(local).utcoffset()
    while at < end:
        following = at + timedelta(days=1)
        later = following.astimezone(local).utcoffset()
        if later != offset:
            found.append(_change(local, at, following))
        at, offset = following, later
    return tuple(found)


def _change(local: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = before.astimezone(local).utcoffset()
    while after - before > TICK:
        middle = before + (after - before) // 2
        if middle.astimezone(local).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=64)
def landmarks(name: str) -> tuple[datetime, ...]:
    """Month starts and changes of clocks of a zone, as UTC instants in order."""
    months = [date(year, month, 1) for year in range(FIRST.year, LAST.year + 1) for month in range(1, 13)]
    inside = [day for day in months if FIRST <= day <= LAST]
    starts = (datetime(day.year, day.month, 1, tzinfo=zone(name)).astimezone(UTC) for day in inside)
    return tuple(sorted({*starts, *transitions(name, FIRST, LAST)}))


@lru_cache(maxsize=1)
def odd_months() -> tuple[tuple[str, datetime], ...]:
    """Zones and month starts at which, or hours from which, clocks change: repeated, missing and late midnights."""
    return tuple(
        (name, at)
        for name in ZONES
        for at in landmarks(name)
        if at.astimezone(zone(name)).day == 1
        and any(abs(at - change) <= timedelta(hours=1) for change in transitions(name, FIRST, LAST))
    )


def instants(anchors: Sequence[datetime]) -> SearchStrategy[datetime]:
    """UTC instants with microseconds: at an anchor, next to one, or up to years away."""
    away = (st.timedeltas(min_value=timedelta(days=-days), max_value=timedelta(days=days)) for days in (45, 800))
    return st.sampled_from(anchors) | st.builds(
        _moved, st.sampled_from(anchors), st.one_of(st.sampled_from(_NUDGES), *away)
    )


def _moved(anchor: datetime, by: timedelta) -> datetime:
    first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (FIRST, LAST))
    return min(max(anchor + by, first), last)


def timespans(anchors: Sequence[datetime], zones: Sequence[str]) -> SearchStrategy[Timespan]:
    """Timespans whose bounds lie at or near the anchors."""
    bounds = st.lists(instants(anchors), min_size=2, max_size=2, unique=True).map(sorted)
    return st.builds(
        lambda pair, name: Timespan(start=pair[0], end=pair[1], zone=name), bounds, st.sampled_from(list(zones))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """The few values of a scenario. Rows draw from them, which is fast and makes values of different rows equal."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    integers: tuple[int, ...]
    decimals: tuple[float, ...]
    instants: tuple[datetime, ...]


@st.composite
def scenarios(draw: DrawFn, *facts: str, max_rows: int = 10) -> Scenario:
    """Rows of these fact tables and every dimension they refer to, for one tenant or two, and one timespan or two."""
    where = st.sampled_from(ZONES).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(landmarks(name))))
    first_zone, centre = draw(where | st.sampled_from(odd_months()))
    zones = [first_zone, *draw(st.lists(st.sampled_from(ZONES), max_size=2))]
    reach = timedelta(days=75)
    anchors = sorted({at for name in zones for at in landmarks(name) if abs(at - centre) < reach})
    asked = draw(st.lists(timespans(anchors, zones), min_size=1, max_size=2))
    bounds = [bound for span in asked for bound in (span.start, span.end)]
    pool = draw(_pools([*anchors, *bounds, *bounds]))
    names = draw(st.sampled_from((("acme",), ("acme",), ("acme",), ("acme", "globex"))))
    cares = tuple(
        Care(
            tenant=name,
            zone=draw(st.sampled_from(zones)),
            rows=draw(_tenant_rows([tables()[fact] for fact in facts], pool, max_rows)),
        )
        for name in names
    )
    asked_at = draw(st.none() | instants([*anchors, *bounds]))
    return Scenario(tenants=cares, timespans=tuple(asked), asked_at=asked_at)


def _pools(anchors: Sequence[datetime]) -> SearchStrategy[_Pool]:
    def few(one: SearchStrategy[Any], least: int, most: int) -> SearchStrategy[tuple[Any, ...]]:
        return st.lists(one, min_size=least, max_size=most).map(tuple)

    return st.builds(
        _Pool,
        ids=few(texts(), 2, 4),
        texts=few(texts(), 3, 6),
        integers=few(integers(), 2, 4),
        decimals=few(decimals(), 2, 3),
        instants=few(instants(anchors), 5, 12),
    )


@st.composite
def _tenant_rows(draw: DrawFn, facts: Sequence[Table], pool: _Pool, max_rows: int) -> dict[str, tuple[Row, ...]]:
    """Rows of these tables and of every dimension they refer to; some ids exist there, the others are unknown."""
    referred = {column.references for fact in facts for column in fact.columns if column.references}
    dimensions = sorted(name for name in referred - {fact.name for fact in facts} if tables()[name].event_time is None)
    rows = {table: tuple(draw(_rows(tables()[table], pool, least=0, most=3))) for table in dimensions}
    for fact in facts:
        least = draw(st.integers(0, max_rows))
        rows[fact.name] = tuple(draw(_rows(fact, pool, least=least, most=max_rows, is_referred=fact.name in referred)))
    return rows


def _rows(table: Table, pool: _Pool, *, least: int, most: int, is_referred: bool = False) -> SearchStrategy[list[Row]]:
    """Rows of a table; if other tables refer to it (``is_referred``), its ids are drawn from the shared few."""
    row = st.fixed_dictionaries(
        {column.name: _cell(table, column, pool, is_referred=is_referred) for column in table.columns}
    )
    return st.lists(row, min_size=least, max_size=most).map(lambda drawn: _by_key(table, drawn))


def _by_key(table: Table, drawn: Sequence[Row]) -> list[Row]:
    """One row per key."""
    rows = [_in_order(table, row) for row in drawn]
    return list({tuple(row[name] for name in table.key): row for row in rows}.values())


def _cell(table: Table, column: TableColumn, pool: _Pool, *, is_referred: bool) -> SearchStrategy[Any]:
    if column.type is ColumnType.LIST:
        given = st.lists(st.sampled_from(pool.ids), max_size=4)
        return given if column.name in table.not_null else st.none() | given
    choices: Sequence[Any] = (
        column.values
        or {
            ColumnType.TEXT: pool.texts,
            ColumnType.ID: pool.ids,
            ColumnType.INTEGER: pool.integers,
            ColumnType.DECIMAL: pool.decimals,
            ColumnType.BOOLEAN: (False, True),
            ColumnType.INSTANT: pool.instants,
            ColumnType.SECONDS: pool.integers,
            ColumnType.MILLISECONDS: pool.integers,
        }[column.type]
    )
    if column.minimum is not None:
        choices = [max(column.minimum, number) for number in choices]
    if table.key == (column.name,) and table.event_time and not is_referred:
        return texts()  # facts have many ids
    return st.sampled_from(choices if column.name in table.not_null else [None, *choices])


def _in_order(table: Table, row: Row) -> Row:
    """Swaps instants of a row that would violate ``not_before``."""
    for column in table.columns:
        if column.not_before is not None and row[column.name] is not None and row[column.not_before] is not None:
            row[column.not_before], row[column.name] = sorted((row[column.not_before], row[column.name]))
    return row
