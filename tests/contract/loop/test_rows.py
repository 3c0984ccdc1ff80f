"""The bytes of a Json file: Loop contract 12, by its own example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from offtake.core.admin import identity
from offtake.model.tenant import Tenant
from tests.fixtures import loop
from tests.fixtures.golden import golden
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.loop import PEOPLE, RITA, LoopWire, Row, answer, talk
from tests.fixtures.row_comparison import assert_same_rows

JUNE = {"start": 1_717_200_000, "end": 1_719_792_000, "timezone": "Europe/Lisbon"}


def _action(kind: str, at: str) -> Row:
    made = {"action_id": kind, "conversation_id": "cv_10021", "happened_at": at, "kind": kind, "agent_id": "user_1"}
    return {"table": "conversation_action", "actor": "AGENT", **made}


# The events of the example in Loop contract 12.3, in UTC; the fractions of seconds are added here.
PARCEL = [
    *talk("cv_10021", "2024-06-03T08:15:00.250Z", tags=["refund"]),
    _action("CLAIMED", "2024-06-03T08:20:00Z"),
    answer("cv_10021", "2024-06-03T08:40:00.250Z", "user_1"),
    {
        "table": "post",
        "post_id": "again",
        "conversation_id": "cv_10021",
        "happened_at": "2024-06-03T09:46:49.999999Z",
        "kind": "incoming",
    },
    {**answer("cv_10021", "2024-06-03T10:02:10.999999Z", "user_1"), "post_id": "second answer"},
    _action("CLOSED", "2024-06-03T10:05:00.250Z"),
]
PARCEL[0] |= {"subject": "Parcel late", "status": "closed", "assigned_agent_id": "user_1", "is_sla_breached": False}
ROW: Row = {
    "conversationId": "cv_10021",
    "subject": "Parcel late",
    "teamId": "support",
    "teamName": "Support",
    "status": "Resolved",
    "direction": "Inbound",
    "customerId": "jo@shop.example",
    "customerName": "Jo",
    "assigneeId": RITA,
    "assigneeName": "Rita",
    "teammateIds": [RITA],
    "tagIds": ["refund"],
    "tagNames": ["Refund"],
    "createdAt": "2024-06-03T09:15:00+01:00",
    "firstResponseAt": "2024-06-03T09:40:00+01:00",
    "lastMessageAt": "2024-06-03T11:02:10+01:00",
    "resolvedAt": "2024-06-03T11:05:00+01:00",
    "receivedCount": 2,
    "sentCount": 2,
    "internalCommentCount": 0,
    "reopenCount": 0,
    "firstResponseSeconds": 1500,
    "averageResponseSeconds": 1210.5,
    "resolutionSeconds": 6600,
    "firstResponderId": RITA,
    "resolvedById": RITA,
    "slaBreached": False,
}
# Every key is present, and null if it has no value (Loop contract 12.2).
QUIET: Row = {
    **dict.fromkeys(ROW),
    "conversationId": "cv_9",
    "subject": "About cv_9",
    "teamId": "sales",
    "teamName": "Sales",
    "status": "Open",
    "direction": "Inbound",
    "customerId": "Mo@Shop.Example",  # as it was loaded
    "teammateIds": [],
    "tagIds": [],
    "tagNames": [],
    "createdAt": "2024-06-03T09:15:00+01:00",
    "lastMessageAt": "2024-06-03T09:15:00+01:00",
    "receivedCount": 1,
    "sentCount": 0,
    "internalCommentCount": 0,
    "reopenCount": 0,
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("rows")) as made:
        identity.add_tenant(Tenant(name="acme"), made.on)
        # Loaded in another order than that of the file: by the instant with its fraction, then by the id.
        quiet = talk("cv_9", "2024-06-03T08:15:00.250Z", inbox="sales", customer="mo")
        loop.load(made.installation, "acme", [*PEOPLE, *quiet, *PARCEL])
        yield made


FILES = [
    golden("12.1", "proposed", "order", {}, [ROW, QUIET]),
    golden("12.3", "proposed", "example", {"tagIds": ["refund"]}, [ROW]),
    golden("12.3", "proposed", "nulls", {"teamIds": ["sales"]}, [QUIET]),
    golden("12.3", "proposed", "empty", {"tagIds": ["vip"]}, []),
]


@pytest.mark.parametrize(("filters", "rows"), FILES)
def test_the_bytes_of_a_file(here: InProcess, filters: dict[str, Any], rows: list[Row]) -> None:
    """UTF-8 without a byte order mark, one object per line in the order of 12.2, JSON numbers and booleans."""
    token = loop.token(here.installation, "acme")
    client = LoopWire(here.http, {"Authorization": f"Bearer {token}"})
    export = client.create(**JUNE, **filters)
    here.work()
    data = here.http.get(client.url(export)).content
    assert_same_rows(json.loads(data), rows, key=["conversationId"])
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    assert data.decode() == f"[\n{lines}\n]\n"
