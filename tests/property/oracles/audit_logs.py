"""Oracle of `audit_logs`: Talkdesk contract 6.12. The rows come from the lake and from the server's own log."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.model.audit import AuditEntry, AuditRow
from tests.property.exporting import Export
from tests.property.oracles.file_checks import check_document
from tests.property.oracles.lookups import by_id
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.strategies import Row, Scenario, instants, texts, zone


def audit_logs(case: ExportCase) -> list[Row]:
    """One row per entry of the timespan."""
    return [*_loaded(case), *_recorded(case)]


def _loaded(case: ExportCase) -> list[Row]:
    """The entries of the lake in the timespan."""
    care, timespan = case.care, case.timespan
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
                | {"entry_id": event["audit_event_id"], "count": 1}
            )
    return found


def _recorded(case: ExportCase) -> list[Row]:
    """The server's own entries of the timespan; ``audit_log.fill`` numbers the entries of all tenants."""
    care, timespan = case.care, case.timespan
    found = []
    for number, row in enumerate(case.server_audit, start=1):
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
                    "count": entry.count,
                }
            )
    return found


@st.composite
def server_entries(draw: DrawFn, scenario: Scenario) -> tuple[AuditRow, ...]:
    """Entries that the server recorded for its tenants, near the bounds of the timespans."""
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
        count=st.integers(min_value=1, max_value=2**40),
    )
    return tuple(sorted(draw(st.lists(row, max_size=6)), key=lambda entry: entry.happened_at))


def check_audit_file(export: Export, rows: list[Row], data: st.DataObject) -> None:
    """The JSON file."""
    zone_name = export.request.timespan.zone
    check_document(export.json(), [_shown(row, zone_name) for row in rows], slug="audit_logs", key=export.shown_key)


def _shown(row: Row, zone_name: str) -> Row:
    """An entry of Talkdesk contract 6.12: lists, and local instants with milliseconds."""
    entry = {name: row[source] for name, source in AUDIT_LOGS.items()}
    local = row["happened_at"].astimezone(zone(zone_name))
    entry["timestamp"] = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}"
    return entry


AUDIT_LOGS = {
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

ORACLES = (
    ReportOracle(
        report="audit_logs",
        tables=("audit_event",),
        expected_rows=audit_logs,
        check_file=check_audit_file,
        server_audit=server_entries,
    ),
)
