"""A cancelled export stops: the worker interrupts the query, removes what it wrote and takes the next job.

``test_temporal.py`` shows the same for jobs that Temporal dispatches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from offtake.core.admin import jobs as admin_jobs
from offtake.core.services import Services
from tests.fixtures.installation import Installation, Running
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


@pytest.fixture(scope="module")
def running(large: Installation) -> Iterator[Running]:
    """A server whose only worker needs seconds for an export of the tenant ``acme``."""
    server = large.serve(workers=1)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def client(large: Installation, running: Running) -> Iterator[TalkdeskWire]:
    with TalkdeskWire.connect(running.url, large.add_client("acme")) as made:
        yield made


@pytest.fixture(scope="module")
def on(large: Installation) -> Iterator[Services]:
    with large.services() as services:
        yield services


@pytest.mark.parametrize("by", ["client", "operator"])
def test_cancelling_a_running_job_stops_its_work(
    by: str, large: Installation, running: Running, client: TalkdeskWire, on: Services
) -> None:
    """The operator's command takes longer to start than an export may run, so its function is called."""
    job = client.create("calls", *MARCH, format_="json")
    staging = large.home / "artifacts" / "staging"
    wait_for("a half written file", lambda: [path for path in staging.glob(f"{job}.*") if path.stat().st_size > 0])
    assert client.status("calls", job) == "processing"
    if by == "client":
        answer = client.cancel("calls", job)
        assert answer.status_code == 204, answer.text
    else:
        admin_jobs.cancel(job, "root", on)

    attempt = wait_for("the end of the attempt", lambda: _attempt(running, job))
    assert attempt["outcome"] == "lease_lost"
    # The query was interrupted; it did not run to its end.
    assert (attempt["error"], attempt["cause"]) == ("interrupted", "InterruptException")
    wait_for("an empty staging folder", lambda: not list(staging.iterdir()))
    assert list((large.home / "artifacts").rglob(f"{job}*")) == []
    assert client.status("calls", job) == "canceled"

    small = client.create("user_status", "2026-03-05T00:00:00Z", "2026-03-05T01:00:00Z")
    assert client.wait("user_status", small) == "done"


def _attempt(running: Running, job: str) -> dict[str, Any] | None:
    """The log line of the job's attempt, once it has ended."""
    lines = [line for line in running.log_lines() if line["event"] == "attempt" and line["job"] == job]
    return lines[0] if lines else None
