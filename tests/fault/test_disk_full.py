"""Full disks: of artifacts, of spilled rows, and of the state database."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialect_clients import JobState
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import ResourceExhausted
from offtake.model.query import Query
from tests.fixtures.bodies import assert_refused
from tests.fixtures.care import call
from tests.fixtures.dialects import KHOROS, LOOP
from tests.fixtures.disks import small_disk
from tests.fixtures.installation import Installation, Running, Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import doomed, job_row

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
FIRST_DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
MEGABYTES = 3
ROWS = 3_000  # of two kilobytes: twice the disk
NOTES = "x" * 2_000


def stocked(home: Installation) -> Credential:
    """Load a tenant whose export of March is larger than the disk, and of its first day small."""
    credential = home.add_tenant("acme")
    rows = [call(f"c{number}", "2026-03-05T10:00:00Z", notes=NOTES) for number in range(ROWS)]
    home.load("call", [*rows, call("early", "2026-03-01T10:00:00Z")], tenant="acme")
    return credential


def attempts_at(server: Running, job: str) -> list[dict[str, Any]]:
    return [line for line in server.log_lines() if line["event"] == "attempt" and line["job"] == job]


def files(home: Installation) -> set[str]:
    """Return all files of the artifact store."""
    root = home.home / "artifacts"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_an_export_without_disk_space_is_retried_and_others_run(installation: Installation) -> None:
    """A full disk delays an export; a partial file is never visible."""
    installation.init("[worker]\nattempts = 100\nretry_seconds = 0.2\n[budget]\nkept_percent = 100\n")
    with small_disk(installation.home / "artifacts", MEGABYTES) as disk:
        credential = stocked(installation)
        server = installation.serve(workers=1)
        with TalkdeskWire.connect(server.url, credential) as client:
            large = client.create("calls", *MARCH)
            line = wait_for("an attempt without disk space", lambda: attempts_at(server, large))[0]
            assert (line["outcome"], line["error"]) == ("retry", "resource_exhausted")
            small = client.create("calls", *FIRST_DAY)
            assert client.wait("calls", small) == "done"
            assert client.status("calls", large) in ("created", "processing")
            published = job_row(installation, small)["artifact_key"]
            assert {name for name in files(installation) if name.startswith("files/")} == {published}
            disk.grow(MEGABYTES * 20)
            assert client.wait("calls", large) == "done"
            row = job_row(installation, large)
            content = client.download("calls", large).content
            assert (len(content), hashlib.sha256(content).hexdigest()) == (row["bytes"], row["sha256"])
            assert row["rows"] == ROWS + 1
        assert files(installation) == {published, row["artifact_key"]}
        assert server.stop() == 0


def test_an_export_that_never_has_disk_space_fails_and_leaves_no_file(installation: Installation) -> None:
    installation.init("[worker]\nattempts = 2\nretry_seconds = 0\n[budget]\nkept_percent = 100\n")
    with small_disk(installation.home / "artifacts", MEGABYTES):
        credential = stocked(installation)
        server = installation.serve(workers=1)
        with TalkdeskWire.connect(server.url, credential) as client:
            job = client.create("calls", *MARCH)
            assert client.wait("calls", job) == "failed"
        lines = wait_for(
            "both attempts to be logged", lambda: found if len(found := attempts_at(server, job)) == 2 else None
        )
        assert [line["error"] for line in lines] == ["resource_exhausted"] * 2
        row = job_row(installation, job)
        assert (row["failure_code"], row["failure_message"]) == (
            "resource_exhausted",
            "There is no space left to write to.",
        )
        assert files(installation) == set()
        assert server.stop() == 0


def test_a_query_that_spills_to_a_full_disk_is_out_of_resources(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", MEGABYTES) as disk:
        limits = Limits(threads=1, memory_mb=32, temp_folder=disk.folder / "spill", temp_mb=10_000)
        sql = "SELECT range AS number, md5(CAST(range AS VARCHAR)) || repeat('x', 200) AS filler FROM range(1000000)"
        query = Query(sql=sql, values={}, columns=("number", "filler"))
        with Session(limits, (), tenant="acme") as session, pytest.raises(ResourceExhausted):
            session.create_table("kept", query, divided=False)


def test_a_full_disk_of_the_state_database_delays_jobs_and_loses_none(
    installation: Installation, tmp_path: Path
) -> None:
    """Creates get 503 with Retry-After and leave no job; status requests are answered in every dialect, also where the
    request cannot be counted against a rate; an attempt that cannot be recorded is retried."""
    with small_disk(tmp_path / "disk", MEGABYTES) as disk:
        installation.init(
            f'state_url = "sqlite:///{disk.folder}/state.db"\n'
            "[worker]\nheartbeat_seconds = 0.3\nlease_seconds = 1.5\nretry_seconds = 0\n[talkdesk]\nopen_jobs = 1000\n"
        )
        credential = installation.add_tenant("acme")
        installation.load("call", [call("c1", FIRST_DAY[0])], tenant="acme")
        server = installation.serve(workers=0)
        served = Served(installation, server)
        with (
            TalkdeskWire.connect(server.url, credential) as client,
            KHOROS.account(served, "khoros") as khoros,
            LOOP.account(served, "loop") as loop,
        ):
            accepted = [client.create("calls", *FIRST_DAY)]
            others = [(account, account.create()) for account in (khoros, loop)]
            with doomed(installation, "writing", "freeze") as worker:
                disk.fill()

                def refusal() -> httpx.Response | None:
                    """Create until a refusal: existing pages of the database have space for a few more jobs."""
                    answer = client.send_create(
                        "calls", {"timespan": dict(zip(("from", "to"), FIRST_DAY, strict=True))}
                    )
                    if answer.status_code == 202:
                        accepted.append(answer.json()["job"]["id"])
                        return None
                    return answer

                refused = wait_for("a refusal", refusal)
                assert_refused(refused, 503, "1020019")
                assert int(refused.headers["retry-after"]) >= 1
                assert client.status("calls", accepted[0]) == "processing"  # unchanged; reads need no disk space
                for account, job in others:
                    assert account.client.state(job) is JobState.OPEN
                worker.resume()
                wait_for("an attempt that cannot be recorded", lambda: worker.lines("store_unavailable"))
                assert {name for name in files(installation) if name.startswith("files/")} == set()
                disk.free()
                accepted.append(client.create("calls", *FIRST_DAY))
                assert {client.wait("calls", job) for job in accepted} == {"done"}
                assert worker.stop() == 0
            listed = client.http.get("/data/reports/calls/jobs?per_page=100", headers=client.headers).json()
            assert listed["total"] == len(accepted)
        assert "Traceback" not in server.log.read_text()
        assert server.stop() == 0
        published = {name for name in files(installation) if "/acme/" in name}
        assert published == {job_row(installation, job)["artifact_key"] for job in accepted}
