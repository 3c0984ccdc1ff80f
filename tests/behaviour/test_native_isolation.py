"""Ten thousand random requests of three tenants to the native API tell none of them anything about another.

Each tenant has other numbers of the same calls, so that a leak would also show in estimates, usage and reuse.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PATIENT
from tests.fixtures.care import call
from tests.fixtures.installation import Served, served
from tests.fixtures.native import MARCH, V1, NativeWire, native_client

REQUESTS = 10_000
SEED = 20_260_301
DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
CALLS = {"red-secret": 3, "green-secret": 5, "blue-secret": 0}  # the word in all rows of a tenant, and their number
SETTINGS = f"[native]\ncreates_per_minute = 1000000\npreviews_per_minute = 1000000\nopen_jobs = 1000000\n{PATIENT}"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
Sent = tuple[str, str, dict[str, Any] | None, Mapping[str, str]]  # method, path, body, headers


@dataclass(frozen=True, slots=True)
class Side:
    """One tenant: its client, its word, the number of its calls, and a finished export of them."""

    client: NativeWire
    word: str
    rows: int
    export: str
    cursor: str


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Side]]:
    """Three tenants on a server of their own; it may run one export at a time."""
    home: Path = tmp_path_factory.mktemp("three") / "home"
    with served(home, SETTINGS, workers=1) as made, ExitStack() as stack:
        yield [_side(made, stack, word, rows) for word, rows in CALLS.items()]


def _side(made: Served, stack: ExitStack, word: str, rows: int) -> Side:
    client = stack.enter_context(native_client(made, word))
    lines = [call(f"{word}-{n}", f"2026-03-01T10:00:0{n}Z", notes=word, customer_number=f"+{n}") for n in range(rows)]
    if lines:
        made.installation.load("call", lines, tenant=client.tenant)
    exports = [client.finish(report="calls", timespan=DAY, name=word) for _ in range(2)]
    assert [export["rows"] for export in exports] == [rows, rows]
    listed = client.http.get(f"{V1}/exports", params={"limit": 1}).json()
    return Side(client, word, rows, exports[0]["id"], listed["next"])


class Randomness:
    """Random requests of one tenant that looks for data of the others."""

    def __init__(self, seed: int, mine: Side, others: list[Side]) -> None:
        self._random = random.Random(seed)
        self._mine, self._others = mine, others
        rare: tuple[Callable[[], Sent], ...] = (self._preview, self._create, self._estimate)
        often: tuple[Callable[[], Sent], ...] = (self._read, self._files, self._change, self._account, self._list)
        self._kinds = [(kind, 1) for kind in rare] + [(kind, 12) for kind in often]

    def request(self) -> Sent:
        """Return one request."""
        kinds, weights = zip(*self._kinds, strict=True)
        chosen: Callable[[], Sent] = self._random.choices(kinds, weights)[0]
        return chosen()

    def _id(self) -> str:
        """Return the id of an export: most often of another tenant."""
        other = self._random.choice(self._others).export
        return self._random.choice((other, other, other, other.upper(), self._mine.export, UNKNOWN, "..", "%00", ""))

    def _read(self) -> Sent:
        tail = self._random.choice(("", "", "?wait=0", "/manifest", "/events"))
        return "GET", f"{V1}/exports/{self._id()}{tail}", None, {}

    def _files(self) -> Sent:
        return "GET", f"{V1}/exports/{self._id()}/files/{self._random.choice((0, 0, 1, -1))}", None, {}

    def _change(self) -> Sent:
        """End, keep or delete an export of another tenant, never of this one."""
        foreign = self._random.choice(self._others).export
        method, tail, body = self._random.choice(
            (("POST", "/cancel", None), ("DELETE", "", None), ("POST", "/retention", {"hold": True}))
        )
        return method, f"{V1}/exports/{foreign}{tail}", body, {}

    def _account(self) -> Sent:
        paths = ("usage", "limits", "reports", "reports/calls", "reports/none")
        return "GET", f"{V1}/{self._random.choice(paths)}", None, {}

    def _list(self) -> Sent:
        other = self._random.choice(self._others)
        query = self._random.choice(
            ("", f"?cursor={other.cursor}", "?state=succeeded", f"?report={other.client.tenant}", "?limit=200")
        )
        return "GET", f"{V1}/exports{query}", None, {}

    def _order(self, **more: Any) -> dict[str, Any]:
        other = self._random.choice(self._others)
        filters = self._random.choice(
            ([], [], [{"column": "notes", "op": "in", "value": [other.word, self._mine.word]}])
        )
        return {"report": "calls", "timespan": DAY, "filters": filters, **more}

    def _preview(self) -> Sent:
        return "POST", f"{V1}/exports/preview", self._order(), {}

    def _estimate(self) -> Sent:
        return "POST", f"{V1}/exports", self._order(timespan=MARCH, dry_run=True), {}

    def _create(self) -> Sent:
        """Accept a finished export, with a key that all tenants use."""
        key = {"Idempotency-Key": self._random.choice(("one", "two"))} if self._random.random() < 0.5 else {}
        return "POST", f"{V1}/exports", self._order(reuse_within=3600), key


def _check(answer: httpx.Response, sent: Sent, mine: Side, others: list[Side]) -> None:
    method, path, body, _ = sent
    where = f"{method} {path} -> {answer.status_code}"
    is_busy = path.endswith("/preview") and answer.status_code == 503  # all slots are taken
    assert answer.status_code < 500 or is_busy, where
    text = f"{answer.headers} {answer.text}"
    for other in others:
        named = other.word in json.dumps(body)  # a request may get its own words back
        assert named or other.word not in text, where
        assert answer.status_code not in (200, 201, 202, 204, 302) or other.export not in path.lower(), where
        assert other.export in path.lower() or other.export not in text, where
    if answer.status_code == 200 and path.endswith("/preview"):
        assert len(answer.json()["rows"]) == mine.rows, where
    if answer.status_code == 200 and body is not None and "dry_run" in body:
        assert answer.json()["rows"] == mine.rows or body["filters"], where
    if answer.status_code == 200 and path.endswith("/usage"):
        assert answer.json()["kept_rows"] % max(1, mine.rows) == 0, where


def test_no_answer_contains_data_of_another_tenant(sides: list[Side]) -> None:
    def send_all(number: int) -> Counter[int]:
        mine, others = sides[number], [side for side in sides if side is not sides[number]]
        requests, seen = Randomness(SEED + number, mine, others), Counter[int]()
        for _ in range(-(-REQUESTS // len(sides))):
            sent = requests.request()
            method, path, body, headers = sent
            answer = mine.client.http.request(method, path, json=body, headers=headers)
            seen[answer.status_code] += 1
            _check(answer, sent, mine, others)
        return seen

    with ThreadPoolExecutor(len(sides)) as pool:
        seen: Counter[int] = sum(pool.map(send_all, range(len(sides))), Counter())
    assert seen.total() >= REQUESTS
    assert {200, 302, 404, 422} <= seen.keys(), seen
    for side in sides:  # no tenant has changed an export of another
        export = side.client.http.get(f"{V1}/exports/{side.export}").json()
        assert (export["state"], export["held"], export["rows"]) == ("succeeded", False, side.rows)
