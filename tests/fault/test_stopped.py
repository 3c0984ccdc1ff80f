"""A worker suspended (SIGSTOP) during an attempt beyond its lease: another runs the job, and the suspended one changes
nothing.

It is suspended between two transactions. A worker that is suspended within a transaction keeps the database's locks:
on SQLite all writers wait for it, which the last test checks; PostgreSQL ends its transaction
(``conformance/test_trouble.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from offtake.core.attempt.run import POINTS
from offtake.core.exports import retention
from tests.fixtures.bodies import assert_refused
from tests.fixtures.care import call
from tests.fixtures.databases import DATABASES, fresh_database, state_setting
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire
from tests.fixtures.workers import BRIEF, create_job, doomed, job_row, run_next_attempt

CALLS = 3_000
BEFORE_PUBLISHED = [point for point in POINTS if point != "published"]


@pytest.fixture(scope="module", params=DATABASES)
def home(shared_installations: Callable[[str], Installation], request: pytest.FixtureRequest) -> Installation:
    """An installation with some calls, on either database."""
    made = shared_installations(f"stopped-{request.param}")
    state = ""
    if request.param == "postgresql":
        state = state_setting(fresh_database(request.getfixturevalue("postgresql")))
    made.init(f"{state}\n{BRIEF}")
    made.add_tenant("acme")
    made.seed("acme", calls=CALLS, until=date(2026, 3, 31))
    return made


def files_of(home: Installation, job: str) -> list[Path]:
    return list((home.home / "artifacts").rglob(f"{job}*"))


@pytest.mark.parametrize("point", BEFORE_PUBLISHED)
def test_a_worker_suspended_beyond_its_lease_publishes_nothing(home: Installation, point: str) -> None:
    job = create_job(home)
    with doomed(home, point, "freeze") as sleeper, home.services() as on:
        assert job_row(home, job)["fence"] == 1
        assert run_next_attempt(on).id == job
        done = job_row(home, job)
        assert (done["status"], done["fence"], done["attempts"]) == ("succeeded", 2, 2)
        sleeper.resume()
        (line,) = wait_for("the sleeper to find out", lambda: sleeper.lines("attempt"))
        assert (line["job"], line["outcome"]) == (job, "lease_lost")
        assert sleeper.stop() == 0
        assert job_row(home, job) == done
        retention.sweep(on)
    published = home.home / "artifacts" / done["artifact_key"]
    assert files_of(home, job) == [published]
    assert hashlib.sha256(published.read_bytes()).hexdigest() == done["sha256"]


def test_a_worker_suspended_within_a_transaction_blocks_other_writers_until_it_continues_or_dies(
    installation: Installation,
) -> None:
    """SQLite has one lock for all writers, which the process keeps until it ends or continues."""
    installation.init(BRIEF)
    credential = installation.add_tenant("acme")
    installation.load("call", [call("c1", "2026-03-01T00:00:00Z")], tenant="acme")
    day = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    server = installation.serve(workers=0)
    with TalkdeskWire.connect(server.url, credential) as client:
        first = client.create("calls", *day)
        with doomed(installation, "writing", "freeze-in-transaction"):
            assert client.status("calls", first) == "processing"  # reads continue
            refused = client.send_create("calls", {"timespan": dict(zip(("from", "to"), day, strict=True))})
            assert_refused(refused, 503, "1020019")
            assert int(refused.headers["retry-after"]) >= 1
        second = client.create("calls", *day)  # the suspended worker is dead
        with installation.services() as on:
            assert {run_next_attempt(on).id, run_next_attempt(on).id} == {first, second}
        assert {client.status("calls", job) for job in (first, second)} == {"done"}
