"""Two machines that share PostgreSQL, object storage and perhaps Temporal, and nothing else: one loses its connections
during an attempt.

A machine is a home with its own secrets, cache and staging folder, which reaches the three services through its own
proxies. This is equivalent to a network namespace, without privileges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from offtake.core.exports import retention
from tests.fixtures.buckets import ENVIRONMENT, S3Server, moto_server
from tests.fixtures.databases import fresh_database, state_setting
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.tcp_proxy import TcpProxy, tcp_proxy
from tests.fixtures.temporal import TemporalServer
from tests.fixtures.workers import BRIEF, doomed, job_row, worker

CALLS = 3_000
MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
REDISPATCH = "[maintenance]\nredispatch_seconds = 1\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """A home and the proxies through which it reaches the services."""

    home: Installation
    proxies: tuple[TcpProxy, ...]

    def disconnect(self) -> None:
        """Disconnect the machine from all services."""
        for one in self.proxies:
            one.disconnect()

    def reconnect(self) -> None:
        """Connect the machine to all services again."""
        for one in self.proxies:
            one.reconnect()


@dataclass(frozen=True, slots=True)
class Shared:
    """The addresses of the three services."""

    database: str
    storage: S3Server
    bucket: str
    temporal: TemporalServer | None


@contextmanager
def machine(folder: Path, shared: Shared) -> Iterator[Machine]:
    """Set up a machine that uses them."""
    database, storage = make_url(shared.database), urlsplit(shared.storage.url)
    assert storage.port is not None
    with ExitStack() as stack:
        state = stack.enter_context(tcp_proxy(f"{database.query['host']}/.s.PGSQL.5432"))
        files = stack.enter_context(tcp_proxy(("127.0.0.1", storage.port)))
        host, _, port = state.address.partition(":")
        own = state_setting(f"postgresql://postgres@{host}:{port}/{database.database}")
        more, proxies = BRIEF, [state, files]
        if shared.temporal is not None:
            temporal = stack.enter_context(tcp_proxy(("127.0.0.1", shared.temporal.port)))
            proxies.append(temporal)
            own = f'executor = "temporal"\n{own}'
            more = f'[temporal]\naddress = "{temporal.address}"\ntask_queue = "machines"\n{REDISPATCH}{BRIEF}'
        home = Installation(folder)
        shared.storage.install(home, shared.bucket, more, url=f"http://{files.address}", before=f"{own}\n")
        stack.callback(home.close)
        yield Machine(home, tuple(proxies))


@pytest.fixture(params=["workers", "temporal"])
def shared(
    request: pytest.FixtureRequest, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    """The services, with either executor."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    temporal = TemporalServer(tmp_path) if request.param == "temporal" else None
    with moto_server() as storage:
        if temporal is not None:
            temporal.start()
        try:
            yield Shared(fresh_database(postgresql), storage, storage.fresh_bucket(), temporal)
        finally:
            if temporal is not None:
                temporal.kill()


def stocked(home: Installation) -> Credential:
    credential = home.add_tenant("acme")
    home.seed("acme", calls=CALLS, until=date(2026, 3, 31))
    return credential


def left_behind(home: Installation) -> list[Path]:
    """Return the files that attempts left on that machine."""
    return [path for name in ("staging", "spill") for path in (home.home / "artifacts" / name).iterdir()]


@pytest.mark.timeout(600)
def test_the_job_of_a_disconnected_machine_is_run_by_the_other_machine(shared: Shared, tmp_path: Path) -> None:
    with machine(tmp_path / "near", shared) as near, machine(tmp_path / "far", shared) as far:
        credential = stocked(near.home)
        server = near.home.serve(workers=0)
        with TalkdeskWire.connect(server.url, credential) as client:
            first = client.create("calls", *MARCH)
            with doomed(far.home, "writing", "freeze") as there:
                far.disconnect()
                there.resume()
                with worker(near.home) as here:
                    assert client.wait("calls", first) == "done"
                    assert here.stop() == 0
                    assert [line["job"] for line in here.lines("attempt")] == [first]
                done = job_row(near.home, first)
                assert (done["fence"], done["attempts"]) == (2, 2)
                wait_for("the disconnected attempt to end", lambda: not left_behind(far.home))
                far.reconnect()
                second = client.create("calls", *MARCH)  # this machine has no worker now
                assert client.wait("calls", second) == "done"
                assert there.stop() == 0
                succeeded = [line["job"] for line in there.lines("attempt") if line["outcome"] == "succeeded"]
                assert succeeded == [second]
            assert job_row(near.home, first) == done
            assert client.download("calls", first).content == client.download("calls", second).content
        assert server.stop() == 0
        with near.home.services() as on:
            retention.sweep(on)
            kept = {file.key for file in on.artifacts.found()}
        assert kept == {done["artifact_key"], job_row(near.home, second)["artifact_key"]}
        assert left_behind(near.home) == left_behind(far.home) == []
