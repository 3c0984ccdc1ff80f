"""Health checks: bounded in time, not repeated while one hangs, and cached for a moment."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from offtake.core.admin.health import HealthCheck, health_checks
from offtake.http.health import Readiness
from offtake.http.metrics import Metrics
from offtake.http_app import build_traffic
from offtake.settings import Settings
from offtake.store.database import Database, sqlite_url
from tests.fixtures.installation import Installation


def test_a_hanging_check_is_reported_and_not_repeated() -> None:
    release = threading.Event()
    began: list[int] = []

    def hang() -> str | None:
        began.append(1)
        release.wait(60)
        return None

    health_checks = [
        HealthCheck(name="The lake", check=hang),
        HealthCheck(name="The state database", check=lambda: "is away"),
    ]
    readiness = Readiness(health_checks, timeout_seconds=0.01, cache_seconds=0)

    async def ask() -> None:
        for _ in range(3):
            assert await readiness.missing() == ["The lake did not answer within 0.01 seconds.", "is away"]
        assert began == [1]
        release.set()
        while (await readiness.missing())[0] != "is away":
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(ask(), 60))


def test_a_result_is_cached() -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)

    readiness = Readiness([HealthCheck(name="x", check=check)], cache_seconds=3600)

    async def ask() -> list[list[str]]:
        return await asyncio.gather(*(readiness.missing() for _ in range(20)))

    assert asyncio.run(ask()) == [[]] * 20
    assert calls == [1]


def test_a_defect_in_a_check_is_reported_without_its_text() -> None:
    def broken() -> str | None:
        raise ValueError("postgresql://offtake:secret@db/offtake")

    readiness = Readiness([HealthCheck(name="The state database", check=broken)])
    assert asyncio.run(readiness.missing()) == ["The state database: the check failed (ValueError)."]


def test_an_unreachable_database_is_reported_and_its_metrics_are_omitted(
    installation: Installation, tmp_path: Path
) -> None:
    installation.init()
    with installation.services() as whole:
        away = Database(sqlite_url(tmp_path / "no-such-folder" / "state.db"))
        on = replace(whole, database=away)
        looked = [
            health_check.check() for health_check in health_checks(on, free_bytes=0, silence=timedelta(seconds=30))
        ]
        assert [text for text in looked if text] == ["The state database cannot be reached."]
        text = bytes(Metrics(on, ["talkdesk"], build_traffic(Settings())).exposition().body).decode()
        away.close()
    assert "offtake_store_up 0.0" in text
    assert "offtake_open_jobs" not in text
    assert str(tmp_path) not in text
