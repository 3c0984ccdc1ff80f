"""Deleting a report, ``DELETE /data/reports/{type}/files/{id}`` (Talkdesk contract 2.6 and 3)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from offtake.core.admin import jobs as admin_jobs
from tests.fixtures.bodies import UNKNOWN_JOB, assert_refused
from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import TalkdeskWire

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    tenant = busy.tenant("delete")
    busy.installation.load("call", [call("c1", "2026-03-01T08:00:00Z")], tenant=tenant.tenant)
    with busy.client(tenant) as made:
        yield made


def finished(client: TalkdeskWire, report: str = "calls") -> str:
    job = client.create(report, *DAY)
    assert client.wait(report, job) == "done"
    return job


def test_a_deleted_report_has_a_status_and_no_file(client: TalkdeskWire, busy: Served) -> None:
    """Talkdesk contract 2.6, documented: 204 without a body, then ``deleted``, no file, and 1020009 for a second
    delete."""
    job = finished(client)
    link = client.link("calls", job)
    answer = client.delete("calls", job)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert list((busy.installation.home / "artifacts").rglob(f"{job}*")) == []
    seen = client.poll("calls", job)
    assert (seen.status_code, seen.json()["job"]["status"]) == (200, "deleted")
    assert_refused(client.file("calls", job), 404, "1020008")
    assert httpx.get(link, trust_env=False).status_code == 404  # an earlier link is no longer valid
    assert_refused(client.delete("calls", job), 404, "1020009")
    listed = client.http.get("/data/reports/calls/jobs", headers=client.headers).json()["_embedded"]["jobs"]
    assert {item["status"] for item in listed if item["id"] == job} == {"deleted"}


def test_deleting_a_held_report_is_a_conflict(client: TalkdeskWire, busy: Served) -> None:
    """Talkdesk contract 3, proposed: 409 and 1020007, as for a job whose state does not allow it; the file can still be
    downloaded."""
    job = finished(client)
    with busy.installation.services() as on:
        admin_jobs.hold(job, "root", on)
    assert_refused(client.delete("calls", job), 409, "1020007")
    assert client.download("calls", job).json()["total"] == 1
    with busy.installation.services() as on:
        admin_jobs.release(job, "root", on)
    assert client.delete("calls", job).status_code == 204


@pytest.mark.parametrize("report", ["contacts", "feedback_flow", "adherence"])
def test_reports_of_every_type_can_be_deleted(report: str, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.1, seen: clients delete any type, though the vendor's description names three."""
    assert client.delete(report, finished(client, report)).status_code == 204


def test_a_client_can_list_and_delete_all_reports(client: TalkdeskWire) -> None:
    """Talkdesk contract 7.11, seen: list, and delete everything whose status is not ``deleted``."""
    for _ in range(3):
        finished(client, "user_status")
    for _ in range(2):
        jobs = client.http.get("/data/reports/user_status/jobs", headers=client.headers).json()["_embedded"]["jobs"]
        left = [job["id"] for job in jobs if job["status"] != "deleted"]
        assert {client.delete("user_status", job).status_code for job in left} <= {204}
    assert left == []


def test_an_expired_report_has_the_responses_of_a_deleted_one(client: TalkdeskWire, busy: Served) -> None:
    """Talkdesk contract 3, documented retention; proposed: ``deleted``, and a delete responds that the file no longer
    exists."""
    job = finished(client)
    link = client.link("calls", job)
    busy.installation.expire(job)
    assert client.status("calls", job) == "deleted"
    assert_refused(client.file("calls", job), 404, "1020008")
    assert httpx.get(link, trust_env=False).status_code == 404
    assert_refused(client.delete("calls", job), 404, "1020009")


def test_deleting_an_unknown_or_unfinished_report_is_refused(client: TalkdeskWire, idle: Served, busy: Served) -> None:
    """Talkdesk contract 2.6, documented: 1020011 for an unknown job, 1020007 for an unfinished one; 400 for an unknown
    report, as for every operation."""
    assert_refused(client.delete("calls", UNKNOWN_JOB), 404, "1020011")
    assert_refused(client.delete("calls", "nonsense"), 404, "1020011")
    assert_refused(client.delete("nonsense", UNKNOWN_JOB), 400, "1020001", ["report_type"])
    job = finished(client)
    assert_refused(client.delete("contacts", job), 404, "1020011")
    with busy.client(busy.tenant("delete-stranger")) as stranger:
        assert_refused(stranger.delete("calls", job), 404, "1020011")
        assert stranger.delete("calls", job).content == stranger.delete("calls", UNKNOWN_JOB).content
    assert client.download("calls", job).status_code == 200
    with idle.client(idle.tenant("delete-open")) as waiting:
        job = waiting.create("calls", *DAY)
        assert_refused(waiting.delete("calls", job), 409, "1020007")
        assert waiting.status("calls", job) == "created"


def test_a_cancelled_job_can_be_deleted(idle: Served) -> None:
    """Talkdesk contract 3, proposed: failed | canceled -> deleted."""
    with idle.client(idle.tenant("delete-cancelled")) as client:
        job = client.create("calls", *DAY)
        assert client.cancel("calls", job).status_code == 204
        assert client.delete("calls", job).status_code == 204
        assert client.status("calls", job) == "deleted"


def test_deleting_requires_the_write_scope(busy: Served, client: TalkdeskWire) -> None:
    """Talkdesk contract 1.3, documented: write."""
    tenant = busy.tenant("delete-scopes").tenant
    with busy.client(busy.installation.add_client(tenant, scopes=["read"])) as reader:
        assert_refused(reader.delete("calls", UNKNOWN_JOB), 403, "1020004")
    assert_refused(client.http.delete(f"/data/reports/calls/files/{UNKNOWN_JOB}"), 401, "1020018")
