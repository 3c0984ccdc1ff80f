"""Exports omit the rows of the last minutes, which may be incomplete, unless the tenant's settings include them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.fixtures.care import call
from tests.fixtures.installation import Installation
from tests.fixtures.talkdesk import TalkdeskWire


def test_rows_that_may_be_incomplete_are_left_for_the_next_export(installation: Installation) -> None:
    """A client that continues from the end of its last export also gets the rows that arrived late."""
    installation.init("[tenants.eager.talkdesk]\nfreshness_seconds = 0\n")
    now = datetime.now(UTC)
    ended = {"old": now - timedelta(minutes=20), "young": now - timedelta(minutes=1), "next": now + timedelta(hours=1)}
    found = {}
    credentials = {name: installation.add_tenant(name) for name in ("acme", "eager")}
    for name in credentials:
        installation.load("call", [call(key, at.isoformat()) for key, at in ended.items()], tenant=name)
    running = installation.serve(workers=1)
    span = ((now - timedelta(days=1)).isoformat(), (now + timedelta(days=1)).isoformat())
    for name, credential in credentials.items():
        with TalkdeskWire.connect(running.url, credential) as client:
            document = json.loads(client.export("calls", *span))
            found[name] = sorted(entry["call_id"] for entry in document["entries"])
            log = json.loads(client.export("audit_logs", *span))
            assert "job_create" in {entry["operation"] for entry in log["entries"]}  # the server's log is complete
    assert found == {"acme": ["old"], "eager": ["next", "old", "young"]}
