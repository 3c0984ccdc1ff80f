"""Lookups of the ids that filters take (Khoros contract 1.3, 4.5 and 4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from offtake.model.timespan import zone_names
from offtake.wire.khoros.timezones import timezones
from tests.contract.khoros.test_create import assert_failed
from tests.fixtures.golden import Mark, golden
from tests.fixtures.installation import Served
from tests.fixtures.khoros import KhorosWire, connect, new_user

TABLES: dict[str, list[dict[str, Any]]] = {
    "team": [
        {"team_id": "t-1", "name": "Night shift", "number": 4711, "description": None},
        {"team_id": "42", "name": "Early birds", "description": "Before eight"},
        {"team_id": "t-3", "name": "Unstaffed"},
    ],
    "agent": [
        {"agent_id": "a1", "name": "Ann", "email": "ann@example.org", "is_active": True, "team_id": "t-1"},
        {"agent_id": "a2", "name": "Bob", "email": "bob@example.org", "is_active": True},
    ],
    "team_member": [
        {"team_id": "t-1", "agent_id": "a1"},
        {"team_id": "t-1", "agent_id": "a2"},
        {"team_id": "42", "agent_id": "a2"},
    ],
    "queue": [
        {"queue_id": "q-31", "name": "Default", "number": 31, "is_archived": False},
        {"queue_id": "q-32", "name": "Old", "number": 32, "is_archived": True},
        {"queue_id": "q-x", "name": "Claims"},
    ],
    "smart_view": [{"smart_view_id": "17", "name": "VIP", "description": "Those", "expression": "priority >= 1"}],
}


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[KhorosWire]:
    user = new_user(idle, "lookups")
    for table, rows in TABLES.items():
        idle.installation.load(table, rows, tenant=user.tenant)
    with connect(idle, user) as made:
        yield made


def test_teams(client: KhorosWire) -> None:
    """Khoros contract 4.6: teamId and numberOfMembers are numbers; a team without a short number has its id."""
    answer = client.get("/teams")
    assert answer.json() == {
        "status": "PASS",
        "request": None,
        "message": None,
        "result": [
            {"uuid": "42", "teamId": 42, "name": "Early birds", "description": "Before eight", "numberOfMembers": 1},
            {"uuid": "t-1", "teamId": 4711, "name": "Night shift", "description": None, "numberOfMembers": 2},
            {"uuid": "t-3", "teamId": "t-3", "name": "Unstaffed", "description": None, "numberOfMembers": 0},
        ],
    }


def test_smart_views_and_work_queues(client: KhorosWire) -> None:
    """Khoros contract 1.3: on the tenant's own instance, with no companyKey; one list has a status, the other has
    none."""
    views = client.http.get("/api/v2/smartviews")
    assert views.json() == {"status": "success", "data": [{"id": 17, "name": "VIP", "description": "Those"}]}
    queues = client.http.get("/api/v2/workqueues/active")
    assert queues.json() == {
        "data": [
            {"id": "q-x", "uuid": "q-x", "name": "Claims", "description": None, "archived": False},
            {"id": 31, "uuid": "q-31", "name": "Default", "description": None, "archived": False},
        ]
    }


def test_errors_of_the_care_api_have_a_lower_case_status(client: KhorosWire, idle: Served) -> None:
    """Khoros contract 1.3."""
    for path in ("/api/v2/smartviews", "/api/v2/workqueues/active"):
        answer = httpx.get(idle.url + path, trust_env=False)
        assert answer.status_code == 401
        assert answer.json() == {"status": "fail", "message": answer.json()["message"]}
    assert client.http.delete("/api/v2/smartviews").json()["status"] == "fail"


def test_lookups_of_a_tenant_without_data_are_empty(idle: Served) -> None:
    with connect(idle, new_user(idle, "empty")) as client:
        assert client.get("/teams").json()["result"] == []
        assert client.http.get("/api/v2/smartviews").json()["data"] == []
        assert client.http.get("/api/v2/workqueues/active").json()["data"] == []


def test_time_zones_are_listed_by_their_current_offsets(client: KhorosWire) -> None:
    """Khoros contract 4.5: every zone that an export may name, in the order of offsets, from -12:00 up to +14:00."""
    zones = client.get("/config/timezones").json()["result"]
    assert all(list(zone) == ["id", "name", "shortName", "offsetString", "offsetMillis"] for zone in zones)
    assert {zone["id"] for zone in zones} == zone_names()
    offsets = [zone["offsetMillis"] for zone in zones]
    assert offsets == sorted(offsets)
    assert (offsets[0], offsets[-1]) == (-43_200_000, 50_400_000)
    assert all(re.fullmatch(r"[+-]\d\d:\d\d", zone["offsetString"]) for zone in zones)


SUMMER, WINTER = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [
    golden("4.5", cast("Mark", mark), what, language, now, *zone.split(" | "), milliseconds)
    for mark, what, language, now, zone, milliseconds in (
        ("seen", "offset", "en", SUMMER, "Etc/GMT+9 | GMT-09:00 | GMT-09:00 | -09:00", -32_400_000),
        ("seen", "summer", "en", SUMMER, "Europe/Madrid | Central European Summer Time | CEST | +02:00", 7_200_000),
        ("seen", "winter", "en", WINTER, "Europe/Madrid | Central European Standard Time | CET | +01:00", 3_600_000),
        ("documented", "de", "de", SUMMER, "Europe/Madrid | Mitteleuropäische Sommerzeit | MESZ | +02:00", 7_200_000),
        ("documented", "tr", "tr", SUMMER, "Europe/Madrid | Orta Avrupa Yaz Saati | CEST | +02:00", 7_200_000),
        ("proposed", "older-id", "en", SUMMER, "Asia/Kolkata | India Standard Time | IST | +05:30", 19_800_000),
        ("proposed", "utc", "en", SUMMER, "UTC | Coordinated Universal Time | UTC | +00:00", 0),
    )
]


@pytest.mark.parametrize(("language", "now", "id_", "name", "short", "offset", "milliseconds"), NAMES)
def test_time_zones_have_localised_names(
    language: str, now: datetime, id_: str, name: str, short: str, offset: str, milliseconds: int
) -> None:
    [found] = [zone for zone in timezones(language, now) if zone["id"] == id_]
    wanted = {"id": id_, "name": name, "shortName": short, "offsetString": offset, "offsetMillis": milliseconds}
    assert found == wanted


def test_names_are_in_the_locale_asked_for(client: KhorosWire) -> None:
    """Khoros contract 4.5: English by default; only the language part of a locale counts."""
    names = {}
    for locale in ("", "de_DE", "nonsense"):
        zones = client.get("/config/timezones", locale=locale).json()["result"]
        names[locale] = next(zone["name"] for zone in zones if zone["id"] == "Asia/Tokyo")
    assert names == {"": "Japan Standard Time", "de_DE": "Japanische Normalzeit", "nonsense": "Japan Standard Time"}


def test_lookups_require_the_company_key(client: KhorosWire) -> None:
    """Khoros contract 1.2, documented for both."""
    for path in ("/teams", "/config/timezones"):
        assert_failed(client.get(path, companyKey=""), 400)
        assert_failed(client.get(path, companyKey="unknown-key"), 403)
