"""An operation that cannot be recorded in the audit log has no effect (Talkdesk contract 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from tests.fixtures.bodies import assert_oauth_refused, assert_refused
from tests.fixtures.care import call
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import BRIEF

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
BODY = {"timespan": dict(zip(("from", "to"), DAY, strict=True))}


@contextmanager
def audit_away(installation: Installation) -> Iterator[None]:
    """Remove the table of the log for the length of the block; all other tables remain."""
    with installation.services() as on:

        def rename(one: str, other: str) -> None:
            with on.database.write() as connection:
                connection.execute(text(f"ALTER TABLE {one} RENAME TO {other}"))

        rename("audit", "audit_away")
        try:
            yield
        finally:
            rename("audit_away", "audit")


def assert_unavailable(answer: httpx.Response) -> None:
    assert_refused(answer, 503, "1020019")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.fixture
def credential(installation: Installation) -> Credential:
    """A credential of a tenant whose exports may have one row; another tenant's reads are audited, too."""
    installation.init(f"{BRIEF}[tenants.watched.talkdesk]\naudit_reads = true\n[tenants.acme.talkdesk]\nrows = 1\n")
    return installation.add_tenant("acme")


def test_operations_without_an_audit_record_have_no_effect(installation: Installation, credential: Credential) -> None:
    installation.load("call", [call("c1", DAY[0])], tenant="acme")
    watched = installation.add_tenant("watched")
    server = installation.serve(workers=1)
    with TalkdeskWire.connect(server.url, credential) as client, TalkdeskWire.connect(server.url, watched) as other:
        done, seen = client.create("calls", *DAY), other.create("calls", *DAY)
        assert (client.wait("calls", done), other.wait("calls", seen)) == ("done", "done")
        files = sorted(path.name for path in (installation.home / "artifacts").rglob("*.json"))
        pair = (credential.client_id, credential.client_secret)
        with audit_away(installation):
            assert_unavailable(client.send_create("calls", BODY))
            assert_unavailable(client.file("calls", done))
            assert_unavailable(client.delete("calls", done))
            for path, form in (("token", {"grant_type": "client_credentials"}), ("revoke", {"token": client.token})):
                answer = client.http.post(f"/oauth/{path}", data=form, auth=pair)
                assert_oauth_refused(answer, 503, "temporarily_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            # Reads change nothing and succeed, except where they are audited as well.
            assert client.poll("calls", done).status_code == 303
            assert_unavailable(other.poll("calls", seen))
            assert_unavailable(other.http.get("/data/reports/calls/jobs", headers=other.headers))
        assert sorted(path.name for path in (installation.home / "artifacts").rglob("*.json")) == files
        listed = client.http.get("/data/reports/calls/jobs", headers=client.headers).json()
        assert [(job["id"], job["status"]) for job in listed["_embedded"]["jobs"]] == [(done, "done")]
        assert client.download("calls", done).json()["total"] == 1
        assert other.poll("calls", seen).status_code == 303


def test_a_failure_is_published_only_with_its_audit_record(installation: Installation, credential: Credential) -> None:
    """Too many rows fail the job; the log has the same code as the job's row."""
    installation.load("call", [call(name, DAY[0]) for name in ("c1", "c2")], tenant="acme")
    server = installation.serve(workers=0)
    with TalkdeskWire.connect(server.url, credential) as client:
        job = client.create("calls", *DAY)
        with audit_away(installation):
            worker = installation.serve(workers=1)
            wait_for("an attempt whose end cannot be recorded", lambda: _says(worker.log_lines(), "store_unavailable"))
            assert client.status("calls", job) == "processing"
        worker.stop()
        installation.serve(workers=1)
        assert client.wait("calls", job) == "failed"
    with installation.services() as on, on.database.read() as connection:
        found = connection.execute(text("SELECT outcome FROM audit WHERE operation = 'job.fail'")).scalars().all()
        code = connection.execute(text("SELECT failure_code FROM job WHERE status = 'failed'")).scalar_one()
    assert found == [code] == ["row_limit_exceeded"]


def _says(lines: list[dict[str, object]], event: str) -> bool:
    return any(line["event"] == event for line in lines)
