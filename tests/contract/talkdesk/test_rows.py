"""The files of all reports over sample data, decoded by models from the contract (Talkdesk contract 5 and 6)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import jsonschema_rs
import pytest

from offtake.lake.seed import SeedPlan, seed
from tests.contract.talkdesk.rows import REPORTS, decode, header, names
from tests.fixtures.installation import Served
from tests.fixtures.row_comparison import assert_same_rows
from tests.fixtures.talkdesk import TalkdeskWire

MONTH = ("2026-10-01T00:00:00", "2026-11-01T00:00:00")  # clocks change on 25 October
ZONE = "Europe/Prague"


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    tenant = busy.tenant("rows", timezone=ZONE)
    with busy.installation.services() as on:
        seed(on.lake, SeedPlan(tenant=tenant.tenant, days=31, until=date(2026, 10, 31), calls=400, seed=7))
    with busy.client(tenant) as made:
        yield made


@pytest.fixture(scope="module")
def document(busy: Served, client: TalkdeskWire) -> dict[str, Any]:
    found: dict[str, Any] = client.http.get("/data/openapi.json").json()
    return found


@pytest.mark.parametrize("report", REPORTS)
def test_a_strict_client_decodes_every_row_in_every_format(
    report: str, client: TalkdeskWire, document: dict[str, Any]
) -> None:
    """Talkdesk contract 5.1 to 5.4 and 6: types, nulls, vocabularies, names and their order; the served document
    agrees."""
    content = {
        word: client.export(report, *MONTH, format_=word, timezone=ZONE) for word in ("json", "csv", "json_bulk")
    }
    decoded = decode(report, content["json"])
    assert decoded.type == report
    assert decoded.total == len(decoded.entries) > 10

    sent = json.loads(content["json"])
    for entry in sent["entries"]:
        assert list(entry) == names(report)
    lines = [json.loads(line) for line in content["json_bulk"].decode().removesuffix("\n").split("\n")]
    assert {tuple(line) for line in lines} == {tuple(names(report))}
    assert_same_rows(lines, sent["entries"])
    first, *rows = csv.reader(io.StringIO(content["csv"].decode(), newline=""), strict=True)
    assert first == header(report)
    assert len(rows) == decoded.total
    assert {len(row) for row in rows} == {len(first)}

    schema = {"$ref": f"#/components/schemas/{report}_file", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(sent)


def test_times_are_in_the_zone_of_the_job(client: TalkdeskWire) -> None:
    """Talkdesk contract 5.4, proposed: in each report with zone-less times the rows of a local month have times of that
    month."""
    for report, column in (
        ("contacts", "finished_at"),
        ("user_status", "status_end_at"),
        ("messaging_traffic", "message_created_at"),
        ("adherence", "adherence_event_start_time"),
    ):
        entries = json.loads(client.export(report, *MONTH, timezone=ZONE))["entries"]
        assert {entry[column][:7] for entry in entries} <= {"2026-10"}, report


def test_every_alias_returns_the_same_file_as_the_report(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.1, proposed."""
    for alias, slug in (("feedback_flow", "feedback"), ("wfm_timeseries", "timeseries_report")):
        assert json.loads(client.export(alias, *MONTH))["type"] == slug
