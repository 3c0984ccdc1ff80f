"""``offtake jobs`` and ``offtake sweep``, with text for operators and JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from offtake.core.admin import jobs as admin_jobs
from offtake.core.attempt import outcome
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.errors import QueryFailed
from offtake.executor.worker import Worker, claim_next
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import JobFilter, Status
from offtake.model.request import ReportParameters
from tests.fixtures.commands import Done, command
from tests.fixtures.exports import EXPORT, age_jobs, caller, published
from tests.fixtures.installation import Installation

SECRET = "ann@customer.example"


@pytest.fixture(scope="module")
def made(shared_installations: Callable[[str], Installation]) -> Installation:
    """A home with two tenants and no server."""
    installation = shared_installations("jobs")
    installation.init()
    for name in ("acme", "umbra"):
        installation.add_tenant(name)
    return installation


def jobs(made: Installation, *arguments: str) -> Done:
    return command("jobs", *arguments, home=made.home)


def result(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def fail(on: Services) -> str:
    job = create_export(EXPORT, caller("umbra"), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    outcome.record_outcome(lease, QueryFailed("The report's query failed."), None, on)
    return job.id


def test_jobs_are_listed_shown_cancelled_and_retried(made: Installation) -> None:
    with made.services() as on:
        failed = fail(on)
        number = ColumnFilter(column="customer_number", operator=FilterOperator.EQ, values=(SECRET,))
        parameters = ReportParameters(customer_emails=(SECRET,))
        filtered = replace(EXPORT, parameters=parameters, filters=(number,), order=("-ended_at",))
        waiting = create_export(filtered, caller(), on).id
    listed = result(jobs(made, "list", "--json"))["jobs"]
    assert [job["id"] for job in listed] == [waiting, failed]
    for option, value, found in (
        ("--tenant", "umbra", [failed]),
        ("--status", "queued", [waiting]),
        ("--dialect", "loop", []),
        ("--limit", "1", [waiting]),
    ):
        assert [job["id"] for job in result(jobs(made, "list", option, value, "--json"))["jobs"]] == found
    assert failed in jobs(made, "list").out

    shown = result(jobs(made, "show", waiting, "--json"))
    assert (shown["tenant"], shown["status"], shown["parameters"]) == ("acme", "queued", ["customer_emails"])
    assert (shown["filters"], shown["order"]) == (["customer_number eq"], ["-ended_at"])
    for output in (jobs(made, "show", waiting).out, json.dumps(shown), json.dumps(listed)):
        assert SECRET not in output
    assert "query_failed: The report's query failed." in jobs(made, "show", failed).out

    assert result(jobs(made, "cancel", waiting, "--json"))["status"] == "cancelled"
    again = result(jobs(made, "retry", failed, "--json"))
    assert (again["status"], again["attempts"], again["failure"]) == ("queued", 0, None)


def test_a_refused_operation_has_a_message_and_an_exit_code(made: Installation) -> None:
    with made.services() as on:
        job = create_export(EXPORT, caller(), on).id
    for arguments, code, words in (
        (("show", "nothing"), 6, "There is no such job; see: offtake jobs list"),
        (("retry", job), 11, "The job is queued; only one that has failed can be tried again."),
        (("release", job), 11, "The job is not held."),
        (("list", "--status", "done"), 2, "--status"),
        (("list", "--dialect", "esperanto"), 2, "talkdesk"),
    ):
        done = jobs(made, *arguments)
        assert done.code == code
        assert words in done.err
        assert done.out == ""


def test_a_sweep_has_a_dry_run_and_keeps_held_files(made: Installation) -> None:
    with made.services() as on:
        kept, gone = published_for(on), published_for(on)
        orphan = gone[1].with_name(f"{'0' * 36}.1.csv")
        orphan.write_text("x")
    table = [line.split() for line in jobs(made, "list", "--tenant", "acme").out.splitlines() if line.strip()]
    assert table[0][-3:] == ["rows", "bytes", "failure"]
    assert [line[-2:] for line in table if line[0] == kept[0]] == [["0", "1"]]
    assert result(jobs(made, "hold", kept[0], "--json"))["held_at"] is not None
    with made.services() as on:
        age_jobs(on, timedelta(days=40))
    sweep = ("sweep", "--json")
    would = result(command(*sweep, "--dry-run", home=made.home))
    assert would == {"dry_run": True, "expired": 1, "orphaned": 1}
    assert (kept[1].is_file(), gone[1].is_file(), orphan.is_file()) == (True, True, True)
    assert result(command(*sweep, home=made.home)) == {"dry_run": False, "expired": 1, "orphaned": 1, "failed": 0}
    assert (kept[1].is_file(), gone[1].is_file(), orphan.is_file()) == (True, False, False)
    assert result(jobs(made, "release", kept[0], "--json"))["held_at"] is None
    assert result(command(*sweep, home=made.home))["expired"] == 1
    assert not kept[1].exists()


def published_for(on: Services) -> tuple[str, Path]:
    """Run a job of ``acme``; all other waiting jobs are cancelled first, so that this one runs."""
    for job in admin_jobs.list_jobs(JobFilter(status=Status.QUEUED), on, limit=100):
        admin_jobs.cancel(job.id, "root", on)
    return published(on)
