"""Pipelines as customers run them: the quick start's curl lines, and a production client that polls (Khoros contract
7)."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.khoros import ROOT, KhorosWire, User, connect, ms, new_user
from tests.fixtures.polling import wait_for

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
EDGES = ("00:00:00Z", "00:00:00.000001Z", "12:00:00Z", "23:59:59.999Z", "23:59:59.999999Z")
POSTS = [
    {
        "post_id": f"{day}-{number}",
        "conversation_id": "c1",
        "kind": "incoming",
        "happened_at": f"2026-03-{day:02}T{edge}",
    }
    for day in range(1, 32)
    for number, edge in enumerate(EDGES)
]
CONVERSATIONS = [
    {
        "conversation_id": "c1",
        "created_at": "2026-03-01T08:00:00Z",
        "status": "open",
        "direction": "inbound",
        "channel": "email",
        "priority": 1,
    }
]


@pytest.fixture(scope="module")
def user(busy: Served) -> User:
    made = new_user(busy, "pipeline")
    busy.installation.load("post", POSTS, tenant=made.tenant)
    return made


@pytest.fixture(scope="module")
def client(busy: Served, user: User) -> Iterator[KhorosWire]:
    with connect(busy, user) as made:
        yield made


class Poller:
    """Polls as the public Airflow operator does: waits of 15 s that grow by 1.2 up to two minutes, for an hour at most.

    Its clock is simulated, so the test does not wait in real time; the run gets the time it needs between two polls.
    """

    def __init__(self, url: str, user: User) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (user.name, user.password)
        self.session.headers["Accept"] = "application/json"
        self.root, self.user = url + ROOT, user

    def rows(self, report: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Create an export, poll, follow the redirect, and parse the rows."""
        query: dict[str, str | int] = {
            "companyKey": self.user.company_key,
            "startTime": round(start.timestamp() * 1000),
            "endTime": round(end.timestamp() * 1000),
        }
        status_url = self.session.get(f"{self.root}/reports/report/{report}", params=query).json()["result"][
            "statusUrl"
        ]
        waited, pause = 0.0, 15.0
        while (result := self._poll(status_url))["result"]["detail"] != "COMPLETED":
            waited, pause = waited + pause, min(pause * 1.2, 120.0)
            assert waited < 3600, result
        rows: list[dict[str, Any]] = self.session.get(result["jobInfo"]["downloadUrl"]).json()
        return rows

    def _poll(self, status_url: str) -> dict[str, Any]:
        """Poll once, after a pause in which the run could proceed."""
        before: dict[str, Any] = {}

        def moved() -> dict[str, Any] | None:
            answer = self.session.get(status_url).json()["result"]
            assert isinstance(answer, dict)  # the client reads result.result.detail in every phase
            before.update(answer)
            return answer if answer["result"]["runnerState"] == "CLOSED" else None

        return wait_for("the run to get on", moved)


def test_day_by_day_gives_the_rows_of_the_month(busy: Served, user: User) -> None:
    """Windows of a day to its last millisecond: no row is missing between days, and no row occurs twice."""
    poller = Poller(busy.url, user)
    last = timedelta(milliseconds=1)
    days = [FIRST + timedelta(days=number) for number in range(31)]
    by_day = [poller.rows("incoming_post", day, day + timedelta(days=1) - last) for day in days]
    month = poller.rows("incoming_post", FIRST, FIRST + timedelta(days=31) - last)
    assert [len(rows) for rows in by_day] == [len(EDGES)] * 31
    assert Counter(row["POST_ID"] for rows in by_day for row in rows) == Counter(row["POST_ID"] for row in month)
    assert len(month) == len(POSTS)
    # Khoros contract 7.14: the same keys in every row
    assert len({tuple(row) for rows in (*by_day, month) for row in rows}) == 1


LINES = [
    golden(*header.split(maxsplit=2), line)
    for header, line in re.findall(
        r"^# (\d\S* .+)\n(curl .+)$", Path(__file__).with_name("curl_lines.sh").read_text("utf-8"), re.MULTILINE
    )
]


def run(line: str, user: User, url: str) -> Any:
    """Run the line in a shell and parse its output as JSON."""
    values = {
        "HOST": url + ROOT,
        "USER": user.name,
        "PASSWORD": user.password,
        "KEY": user.company_key,
        "START": ms("2026-03-01T00:00:00"),
        "END": ms("2026-03-02T00:00:00"),
    }
    for word, value in values.items():
        line = line.replace(word, value)
    done = subprocess.run(["bash", "-c", f"{line} --silent --noproxy '*'"], capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("line", LINES)
def test_every_curl_line_of_the_samples_passes(line: str, user: User, busy: Served) -> None:
    assert run(line, user, busy.url)["status"] == "PASS"


def test_the_quick_start_from_end_to_end(user: User, busy: Served, client: KhorosWire, tmp_path: Path) -> None:
    """Create, status, download with ``curl -L``; its second line for the download asks for the status (Khoros contract
    7.5)."""
    created = run(LINES[0].values[0], user, busy.url)["result"]
    client.wait(created["statusUrl"])
    status_line = f"curl -u USER:PASSWORD {shlex.quote(created['statusUrl'])}"
    found = run(status_line, user, busy.url)["result"]
    assert found["result"]["detail"] == "COMPLETED"
    download = found["jobInfo"]["downloadUrl"]
    rows = run(f"curl -L -u USER:PASSWORD {shlex.quote(download)}", user, busy.url)
    # Khoros contract 7.15: the key without the parameter's name
    nameless = download.partition("?")[0] + f"?{user.company_key}"
    assert run(f"curl -L -u USER:PASSWORD {shlex.quote(nameless)}", user, busy.url) == rows == []
