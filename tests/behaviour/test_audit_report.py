"""The report `audit_logs` contains a tenant's own operations on this server and no operations of other tenants."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.fixtures.installation import Served


def test_the_audit_report_contains_recorded_and_loaded_operations(busy: Served) -> None:
    now = datetime.now(UTC)
    mine, theirs = busy.tenant("audited"), busy.tenant("audited")
    loaded = {
        "audit_event_id": "e1",
        "happened_at": (now - timedelta(hours=1)).isoformat(),
        "operation": "read_ring_groups",
        "outcome": "success",
    }
    busy.installation.load("audit_event", [loaded], tenant=mine.tenant)
    span = ((now - timedelta(days=1)).isoformat(), (now + timedelta(days=1)).isoformat())
    with busy.client(theirs) as other:
        foreign = other.create("calls", *span)
    with busy.client(mine) as client:
        first = client.create("calls", *span)
        job = client.create("audit_logs", *span)
        assert client.wait("audit_logs", job) == "done"
        entries = json.loads(client.download("audit_logs", job).content)["entries"]
    seen = [(entry["operation"], entry["resource_id"], entry["actor_id"]) for entry in entries]
    assert ("read_ring_groups", None, None) in seen
    assert ("job_create", f"jobs/{first}", mine.client_id) in seen
    assert ("job_create", f"jobs/{job}", mine.client_id) in seen  # its own creation is its newest entry
    assert ("token_issue", None, mine.client_id) in seen
    text = json.dumps(entries)
    assert foreign not in text
    assert theirs.client_id not in text
    assert {entry["operation_status"] for entry in entries} == {"success"}
