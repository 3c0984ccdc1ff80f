"""PostgreSQL stops and restarts under a running server: requests get 503 with Retry-After, and no job is lost or
incomplete."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.bodies import assert_refused
from tests.fixtures.care import call
from tests.fixtures.databases import Stoppable, fresh_database, state_setting, stoppable_server
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
BODY = {"timespan": dict(zip(("from", "to"), DAY, strict=True))}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stoppable]:
    """A PostgreSQL server for this module only."""
    with stoppable_server(tmp_path_factory.mktemp("away")) as made:
        yield made


def try_create(client: TalkdeskWire) -> int:
    """Send a create; return its status, which has to be 202, or 503 with Retry-After."""
    answer = client.send_create("calls", BODY)
    if answer.status_code != 202:
        assert_refused(answer, 503, "1020019")
        assert int(answer.headers["retry-after"]) >= 1
    return answer.status_code


def test_a_restart_of_the_database_delays_jobs_and_loses_none(installation: Installation, server: Stoppable) -> None:
    """Every accepted export completes; a refused one leaves no job."""
    installation.init(f"{state_setting(fresh_database(server.url))}\n[talkdesk]\nopen_jobs = 100\n")
    credential = installation.add_tenant("acme")
    installation.load("call", [call("c1", DAY[0])], tenant="acme")
    running = installation.serve(workers=1)
    with TalkdeskWire.connect(running.url, credential) as client:
        accepted = [client.create("calls", *DAY)]
        assert client.wait("calls", accepted[0]) == "done"
        server.stop()
        try:
            assert [try_create(client) for _ in range(5)] == [503] * 5
            refused = client.poll("calls", accepted[0])
            assert_refused(refused, 503, "1020019")
            assert int(refused.headers["retry-after"]) >= 1
        finally:
            server.start()
        wait_for("an accepted create", lambda: try_create(client) == 202)
        listed = client.http.get("/data/reports/calls/jobs", headers=client.headers).json()
        found = [job["id"] for job in listed["_embedded"]["jobs"]]
        assert len(found) == 2  # the accepted ones only
        assert {client.wait("calls", job) for job in found} == {"done"}  # the worker continues
        assert client.download("calls", accepted[0]).json()["total"] == 1
    assert running.workers() != []
    assert "Traceback" not in running.log.read_text()
    assert running.stop() == 0


def test_a_server_does_not_start_without_its_database(installation: Installation, server: Stoppable) -> None:
    url = fresh_database(server.url)
    installation.init(state_setting(url.replace("postgres:", "unknown:s3cret-pass")))
    for arguments in (["serve", "--port", "0"], ["worker"], ["tenant", "add", "acme"], ["init"]):
        done = installation.run(*arguments)
        assert done.returncode == 10
        assert 'role "unknown" does not exist' in done.stderr
        assert "s3cret-pass" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


def test_every_command_works_on_postgresql(installation: Installation, server: Stoppable) -> None:
    installation.init(state_setting(fresh_database(server.url)))
    installation.must("init")
    installation.must("tenant", "add", "acme")
    made = installation.must("credential", "add", "acme", "--kind", "oauth")
    listed = installation.must("credential", "list", "acme")["credentials"]
    assert [item["id"] for item in listed] == [made["client_id"]]
    assert installation.must("seed", "--tenant", "acme", "--calls", "20", "--table", "team")["rows"].keys() == {"team"}
    assert not (installation.home / "state.db").exists()
