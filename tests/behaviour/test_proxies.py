"""Behind a proxy: the audit log and the links use the forwarded address and host of the client if the settings name the
proxy, and ignore them otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.fixtures.installation import Installation
from tests.fixtures.talkdesk import TalkdeskWire

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
FORWARDED = {
    "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "exports.example.com",
}


@pytest.mark.parametrize("trusted", [True, False], ids=["named proxy", "any other"])
def test_forwarded_headers_are_trusted_from_configured_proxies_only(
    shared_installations: Callable[[str], Installation], trusted: bool
) -> None:
    made = shared_installations(f"proxied-{trusted}")
    made.init("[server]\ntrusted_proxies = ['127.0.0.0/8']\n" if trusted else "")
    running = made.serve(workers=1, environment={"FORWARDED_ALLOW_IPS": "*"})  # uvicorn's own setting has no effect
    with TalkdeskWire.connect(running.url, made.add_tenant("acme")) as client:
        client.http.headers.update(FORWARDED)
        job = client.create("calls", *MARCH)
        assert client.wait("calls", job) == "done"
        link = client.link("calls", job)
    with closing(sqlite3.connect(made.home / "state.db")) as connection:
        rows = connection.execute("SELECT address FROM audit WHERE operation IN ('job.create', 'artifact.link')")
        addresses = {row[0] for row in rows}
    assert addresses == {"203.0.113.7" if trusted else "127.0.0.1"}
    assert link.startswith("https://exports.example.com/download/" if trusted else f"{running.url}/download/")
    assert running.stop() == 0
