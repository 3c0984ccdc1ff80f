"""Requests that wait for an export: their number is limited, and the shutdown of the server ends them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.installation import Served, served
from tests.fixtures.native import V1, NativeWire, assert_problem, native_client

SETTINGS = "[server]\nconcurrent_requests = 2\n[connections]\nwaits_per_tenant = 2\nwaits = 3\n"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("waits") / "home", SETTINGS, workers=0) as made:
        yield made


def test_waits_are_limited_and_the_shutdown_ends_them(limited: Served, tmp_path: Path) -> None:
    with native_client(limited, "waits") as client, native_client(limited, "others") as other:
        path = f"{V1}/exports/{client.create().json()['id']}"
        answers: list[httpx.Response] = []

        def poll(waiting: NativeWire, url: str) -> threading.Thread:
            thread = threading.Thread(target=lambda: answers.append(waiting.http.get(url, params={"wait": 60})))
            thread.start()
            return thread

        with (
            client.http.stream("GET", f"{path}/events") as first,
            client.http.stream("GET", f"{path}/events") as second,
        ):
            streams = [each.iter_lines() for each in (first, second)]
            assert [next(lines) for lines in streams] == ["event: progress"] * 2  # both wait, and requests are answered
            refused = client.http.get(f"{path}/events")
            assert_problem(refused, 429, "throttled")
            assert refused.headers["retry-after"] == "5"
            assert client.http.get(path, params={"wait": 60}).json()["state"] == "queued"  # at once
            export = f"{V1}/exports/{other.create().json()['id']}"
            with other.http.stream("GET", f"{export}/events") as third:
                lines = third.iter_lines()
                assert next(lines) == "event: progress"
                assert_problem(other.http.get(f"{export}/events"), 503, "unavailable")
            poller = poll(other, export)
            while (refusal := other.http.get(f"{export}/events", headers={"Accept": "a"})).status_code != 503:
                refusal.close()
            assert limited.running.stop() == 0
            assert all("event: end" not in list(lines) for lines in streams)
        poller.join()
    assert [answer.json()["state"] for answer in answers] == ["queued"]
