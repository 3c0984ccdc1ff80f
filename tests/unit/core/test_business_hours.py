"""The macros apply an account's business hours in its own zone and across changes of clocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from offtake.core.query import filters
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from offtake.model.query import Query
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan
from tests.fixtures.storage_paths import views_of

ZONE = "America/New_York"
WEEK = [  # weekday, opens, closes: two periods on Monday, and one that ends at midnight on Saturday
    ("1", "09:00", "12:30"),
    ("1", "13:15", "18:00"),
    ("2", "09:00", "18:00"),
    ("6", "20:00", "24:00"),
    ("7", "00:00", "03:00"),
]
HOLIDAY = "2026-11-03"  # a Tuesday
AT = datetime(2026, 10, 31, tzinfo=UTC)
REPORT = Report(
    name="any", title="Any", grain="", window="", key=(), tables=(), columns=(), sql="", parameters=("business_hours",)
)


def is_open(at: datetime) -> bool:
    """An independent reading of the calendar."""
    local = at.astimezone(ZoneInfo(ZONE))
    clock = f"{local.hour:02}:{local.minute:02}"
    if local.date().isoformat() == HOLIDAY:
        return False
    return any(day == str(local.isoweekday()) and opens <= clock < closes for day, opens, closes in WEEK)


def answers(folder: Path, instants: Sequence[datetime], *, week: bool = True, zone: str = ZONE) -> list[list[bool]]:
    """For each instant: whether the account is open, and which of the filters off, inside and outside keep it."""
    lake = Lake(FolderTableStorage(folder / "lake"))
    if week:
        rows = [{"weekday": day, "opens": opens, "closes": closes} for day, opens, closes in WEEK]
        _load(lake, folder, "business_hours", rows, tenant="acme")
        _load(lake, folder, "holiday", [{"day": HOLIDAY, "name": "Polls"}], tenant="acme")
    _load(lake, folder, "business_hours", [{"weekday": "3", "opens": "00:00", "closes": "24:00"}], tenant="globex")
    timespan = Timespan(start=AT, end=AT + timedelta(days=9), zone="UTC")
    request = ExportRequest(
        dialect="khoros", report="any", format="json", timespan=timespan, name="any", account_zone=zone
    )
    views = views_of(lake, filters.tables(REPORT), tenant="acme", timespan=timespan)
    limits = Limits(threads=1, memory_mb=128, temp_folder=folder / "temp", temp_mb=16)
    sql = (
        "SELECT in_business_hours(moment) AS a, fits_business_hours(NULL, moment) AS b, "
        "fits_business_hours('inside', moment) AS c, fits_business_hours('outside', moment) AS d "
        "FROM (SELECT unnest($instants) AS moment)"
    )
    with Session(limits, views, tenant="acme") as session:
        filters.prepare(session, REPORT, request)
        names = ("a", "b", "c", "d")
        found = session.rows(Query(sql=sql, values={"instants": list(instants)}, columns=names))
    return [list(row.values()) for row in found]


def _load(lake: Lake, folder: Path, table: str, rows: Sequence[dict[str, str]], *, tenant: str) -> None:
    path = folder / f"{table}-{tenant}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    load(lake, tables()[table], [path], tenant=tenant)


def test_every_quarter_of_an_hour_of_nine_days_with_a_change_of_clocks(tmp_path: Path) -> None:
    instants = [AT + timedelta(minutes=15 * n) for n in range(9 * 96)]
    wanted = [is_open(at) for at in instants]
    assert True in wanted
    assert answers(tmp_path, instants) == [[each, True, each, not each] for each in wanted]


def test_bounds_hold_to_the_microsecond(tmp_path: Path) -> None:
    opens = datetime(2026, 11, 2, 9, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    closes = datetime(2026, 11, 2, 12, 30, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    tick = timedelta(microseconds=1)
    found = answers(tmp_path, [opens - tick, opens, closes - tick, closes])
    assert [row[0] for row in found] == [False, True, True, False]


def test_business_hours_without_an_opening_close_the_account(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    _load(lake, tmp_path, "business_hours", [{"weekday": "1", "opens": "09:00", "closes": "09:00"}], tenant="acme")
    assert answers(tmp_path, [AT], week=False) == [[False, True, False, True]]


def test_a_holiday_also_closes_an_account_without_business_hours(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    _load(lake, tmp_path, "holiday", [{"day": HOLIDAY, "name": "Polls"}], tenant="acme")
    noon = datetime(2026, 11, 3, 12, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    found = answers(tmp_path, [noon, noon + timedelta(days=1)], week=False)
    assert [row[0] for row in found] == [False, True]


@pytest.mark.parametrize("zone", ["UTC", ZONE])
def test_an_account_without_business_hours_is_always_open(tmp_path: Path, zone: str) -> None:
    assert answers(tmp_path, [AT], week=False, zone=zone) == [[True, True, True, False]]
