"""Does `audit_logs` give the rows that an independent calculation gives, for any history and any log of our own?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.core.attempt import server_audit
from offtake.model.audit import AuditEntry, AuditRow
from offtake.model.timespan import Timespan
from tests.property.comparing import FEW_EXAMPLES, compare_document, compare_rows
from tests.property.exporting import stored
from tests.property.lookups import by_id
from tests.strategies import Care, Row, Scenario, instants, scenarios, texts, zone

SHOWN = {
    "actor_id": "actor_id",
    "generator_name": "generator_name",
    "ip_addresses": "addresses",
    "operation": "operation",
    "platform_tid": "trace_id",
    "resource_id": "resource",
    "operation_status": "outcome",
    "user_agent": "user_agent",
    "timestamp": "happened_at",
    "user_id": "agent_id",
    "agent_name": "agent_name",
    "agent_email": "agent_email",
}


@st.composite
def own_entries(draw: st.DrawFn, scenario: Scenario) -> list[AuditRow]:
    """What the server recorded for its tenants, around the bounds of the timespans."""
    anchors = [bound for span in scenario.timespans for bound in (span.start, span.end)]
    maybe = st.none() | texts()
    row = st.builds(
        lambda at, **entry: AuditRow(happened_at=at, entry=AuditEntry(dialect="talkdesk", **entry)),
        instants(anchors),
        tenant=st.sampled_from(("acme", "globex", None)),
        operation=st.sampled_from(("job.create", "token.issue", "credential.add")),
        principal=maybe,
        job=maybe,
        address=maybe,
        outcome=st.sampled_from(("allowed", "refused")),
    )
    return sorted(draw(st.lists(row, max_size=6)), key=lambda one: one.happened_at)


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("audit_event"), st.data())
def test_audit_logs_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    own = data.draw(own_entries(scenario), label="own entries")
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = [*history(care, timespan), *recorded(own, care, timespan)]
                with here.export("audit_logs", care, timespan) as export:
                    server_audit.fill(export.session, own)
                    compare_rows(export, rows)
                    entries = [shown(row, timespan.zone) for row in rows]
                    compare_document(export.json(), entries, slug="audit_logs")


def history(care: Care, timespan: Timespan) -> list[Row]:
    """The loaded entries of the timespan."""
    agents = by_id(care, "agent")
    found = []
    for event in care.rows["audit_event"]:
        if timespan.start <= event["happened_at"] < timespan.end:
            agent = agents.get(event["agent_id"], {})
            same = ("actor_id", "operation", "trace_id", "resource", "outcome", "user_agent", "happened_at", "agent_id")
            found.append(
                {name: event[name] for name in same}
                | {"generator_name": event["generator"], "addresses": event["addresses"] or None}
                | {"agent_name": agent.get("name"), "agent_email": agent.get("email")}
                | {"entry_id": event["audit_event_id"]}
            )
    return found


def recorded(own: list[AuditRow], care: Care, timespan: Timespan) -> list[Row]:
    """The server's own entries of the timespan; ``server_audit.fill`` numbers all it is given."""
    found = []
    for number, row in enumerate(own, start=1):
        entry = row.entry
        if entry.tenant == care.tenant and timespan.start <= row.happened_at < timespan.end:
            found.append(
                {
                    "actor_id": entry.principal,
                    "generator_name": "offtake",
                    "addresses": None if entry.address is None else [entry.address],
                    "operation": "_".join(entry.operation.split(".")),
                    "trace_id": None,
                    "resource": None if entry.job is None else f"jobs/{entry.job}",
                    "outcome": "success" if entry.outcome == "allowed" else entry.outcome,
                    "user_agent": None,
                    "happened_at": row.happened_at,
                    "agent_id": None,
                    "agent_name": None,
                    "agent_email": None,
                    "entry_id": f"offtake-{number}",
                }
            )
    return found


def shown(row: Row, zone_name: str) -> Row:
    """A row as Talkdesk contract 6.12 shows it: real lists, and instants with milliseconds in the zone asked for."""
    entry = {name: row[source] for name, source in SHOWN.items()}
    local = row["happened_at"].astimezone(zone(zone_name))
    entry["timestamp"] = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}"
    return entry
