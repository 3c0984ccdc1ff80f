"""Exports of the native API in their whole life, against a server with workers."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow.parquet as pq
import pytest

from offtake.core.admin import identity
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.tables import tables
from offtake.model.load import Completeness
from tests.fixtures import loop
from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.loop import ALL, PEOPLE, TALKS, talk
from tests.fixtures.native import MARCH, REPORT, V1, NativeWire, assert_problem, connect, native_client


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[NativeWire]:
    with native_client(busy, "native", [*PEOPLE, *TALKS]) as made:
        yield made


@pytest.fixture(scope="module")
def finished(client: NativeWire) -> dict[str, Any]:
    return client.finish(name="March")


@pytest.fixture(scope="module")
def waiting(idle: Served) -> Iterator[NativeWire]:
    """A client of a server without workers: its exports stay queued."""
    with native_client(idle, "native") as made:
        yield made


def test_a_created_export_is_queued_and_says_where_it_is(waiting: NativeWire) -> None:
    made = waiting.create(name="March")
    export = made.json()
    assert made.status_code == 202
    assert made.headers["location"] == export["links"]["self"]
    assert made.headers["retry-after"] == "1"
    assert export["progress"] == {"phase": "queued", "rows": None, "estimated_rows": None, "percent": None}
    assert {name: export[name] for name in ("state", "report", "name", "format", "attempt", "error")} == {
        "state": "queued",
        "report": REPORT,
        "name": "March",
        "format": "csv",
        "attempt": 0,
        "error": None,
    }
    second = waiting.create().json()
    assert second["position"] == export["position"] + 1


def test_a_small_export_is_answered_when_it_has_ended(client: NativeWire) -> None:
    made = client.create(headers={"Prefer": "respond-async, wait=60"})
    assert (made.status_code, made.headers["preference-applied"]) == (200, "wait=60")
    assert made.json()["state"] == "succeeded"
    assert "retry-after" not in made.headers


def test_a_finished_export(finished: dict[str, Any]) -> None:
    assert finished["progress"] == {"phase": "done", "rows": 5, "estimated_rows": 5, "percent": 100.0}
    assert (finished["rows"], finished["position"], finished["error"]) == (5, None, None)
    ended, expires = (datetime.fromisoformat(finished[name]) for name in ("finished_at", "expires_at"))
    assert expires - ended == timedelta(days=30)


def test_the_manifest_has_the_files_and_what_they_were_made_of(client: NativeWire, finished: dict[str, Any]) -> None:
    response = client.http.get(finished["links"]["manifest"])
    manifest = response.json()
    (content,) = client.files(finished)
    (file,) = manifest["files"]
    digest = hashlib.sha256(content).hexdigest()
    assert (file["bytes"], file["sha256"], file["rows"]) == (len(content), digest, 5)
    assert file["blocks"] == {"size": 64 * 1024 * 1024, "sha256": [digest]}
    assert (manifest["export"], manifest["rows"], manifest["complete"]) == (finished["id"], 5, True)
    assert manifest["lake_versions"]["conversation"] >= 1  # other tests load as well
    what = "conversations of shared inboxes with activity in the timespan"
    assert manifest["reconciled"] == [{"what": what, "expected": 5, "written": 5}]
    assert manifest["request"]["timespan"]["timezone"] == "UTC"
    definition = client.http.get(f"{V1}/reports/{REPORT}").json()
    assert manifest["report_version"] == definition["version"]
    assert [each["name"] for each in manifest["columns"]] == [each["name"] for each in definition["columns"]]
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert list(rows[0]) == [each["name"] for each in manifest["columns"]]
    assert sorted(row["conversation_id"] for row in rows) == ALL


def test_an_export_ends_where_a_load_declared_its_table_to_be_complete(busy: Served, tmp_path: Path) -> None:
    file = tmp_path / "call.ndjson"
    file.write_text("".join(json.dumps(call(f"c{day}", f"2026-03-0{day}T12:00:00Z")) + "\n" for day in (1, 2, 3)))
    until = Completeness(until=datetime(2026, 3, 2, 13, tzinfo=UTC))
    with native_client(busy, "declared") as client, busy.installation.services() as on:
        target = Target(tenant=client.tenant, table=tables()["call"], actor="tests")
        changes.load(target, [file], LoadOptions(), lambda rows: None, on, completeness=until)
        manifest = client.manifest(client.finish(report="calls"))
        assert (manifest["watermark"], manifest["rows"]) == ("2026-03-02T13:00:00Z", 2)


def test_a_manifest_that_the_client_has_is_not_sent_again(client: NativeWire, finished: dict[str, Any]) -> None:
    url = finished["links"]["manifest"]
    etag = client.http.get(url).headers["etag"]
    again = client.http.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert_problem(client.http.get(url, headers={"If-Match": '"other"'}), 412, "precondition_failed")


def test_a_link_to_a_file_needs_no_credentials(client: NativeWire, finished: dict[str, Any]) -> None:
    link = client.http.get(client.manifest(finished)["files"][0]["url"])
    assert link.status_code == 302
    head = client.http.head(link.request.url)
    assert (head.status_code, urlsplit(head.headers["location"]).path) == (302, urlsplit(link.headers["location"]).path)
    assert httpx.get(link.headers["location"], trust_env=False).headers["x-export-rows"] == "5"
    missing = client.http.get(f"{V1}/exports/{finished['id']}/files/1")
    assert_problem(missing, 404, "artifact_not_found")


def test_columns_filters_and_order(client: NativeWire) -> None:
    export = client.finish(
        format="ndjson",
        columns=["created_at", "conversation_id"],
        filters=[
            {"column": "tag_ids", "op": "in", "value": ["vip", "other"]},
            {"column": "created_at", "op": "range", "value": ["2026-03-03T00:00:00Z", None]},
            {"column": "resolved_at", "op": "is_null"},
        ],
        order=["-created_at"],
    )
    (content,) = client.files(export)
    assert [json.loads(line) for line in content.splitlines()] == [
        {"created_at": "2026-03-06T10:00:00.000000Z", "conversation_id": "c5"},
        {"created_at": "2026-03-04T10:00:00.000000Z", "conversation_id": "c3"},
        {"created_at": "2026-03-03T10:00:00.000000Z", "conversation_id": "c2"},
    ]
    request = client.manifest(export)["request"]
    assert (request["format"], request["order"]) == ("ndjson", ["-created_at"])


def test_formats_options_and_files(client: NativeWire) -> None:
    columns = ["conversation_id", "created_at", "tag_ids"]
    (parquet,) = client.files(client.finish(format="parquet", columns=columns, order=["conversation_id"]))
    table = pq.read_table(io.BytesIO(parquet))
    assert table.column_names == columns
    assert table.column("tag_ids").to_pylist()[:2] == [["refund"], ["vip"]]
    options = {"delimiter": ";", "line_end": "\n", "header": False}
    (zipped,) = client.files(client.finish(columns=columns[:1], csv=options, compression="gzip"))
    assert sorted(gzip.decompress(zipped).decode().splitlines()) == ALL


def test_a_preview_shows_the_first_rows_and_creates_nothing(client: NativeWire) -> None:
    before = client.http.get(f"{V1}/exports").json()["exports"]
    wanted = {"report": REPORT, "timespan": MARCH, "columns": ["conversation_id", "tag_ids", "sent_count"]}
    preview = client.http.post(f"{V1}/exports/preview", json={**wanted, "rows": 2, "order": ["-conversation_id"]})
    assert [each["table"] for each in preview.json()["notices"]] == ["conversation_action"]
    assert {name: value for name, value in preview.json().items() if name != "notices"} == {
        "report": REPORT,
        "columns": [
            {"name": "conversation_id", "type": "id"},
            {"name": "tag_ids", "type": "list"},
            {"name": "sent_count", "type": "integer"},
        ],
        "rows": [["c5", ["refund", "vip"], 0], ["c4", [], 0]],
        "truncated": True,
    }
    assert client.http.get(f"{V1}/exports").json()["exports"] == before
    refused = client.http.post(f"{V1}/exports/preview", json={**wanted, "rows": 101, "columns": ["a"]})
    assert_problem(refused, 422, "invalid_request", "/rows", "/columns/0")


def test_a_dry_run_estimates_and_creates_nothing(client: NativeWire, finished: dict[str, Any]) -> None:
    before = client.http.get(f"{V1}/exports").json()["exports"]
    answer = client.create(dry_run=True, split={"rows": 1000})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert answer.json().keys() == {"dry_run", "rows", "bytes", "seconds", "files", "notices"}
    assert answer.json()["rows"] == finished["rows"]
    assert client.http.get(f"{V1}/exports").json()["exports"] == before
    assert_problem(client.create(dry_run=True, columns=["a"]), 422, "invalid_request", "/columns/0")


def test_a_request_is_answered_with_a_finished_export_of_the_same_data(client: NativeWire, busy: Served) -> None:
    wanted: dict[str, Any] = {"columns": ["conversation_id", "subject"], "reuse_within": "1h"}
    first = client.finish(**wanted)
    again = client.create(**wanted, name="another name")
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert client.create(**{**wanted, "format": "json"}).json()["id"] != first["id"]
    loop.load(busy.installation, client.tenant, talk("c6", "2026-03-20T10:00:00Z"))
    assert client.create(**wanted).json()["id"] != first["id"]


def test_a_long_poll_ends_with_the_export(client: NativeWire) -> None:
    made = client.create().json()
    ended = client.http.get(made["links"]["self"], params={"wait": 60}).json()
    assert ended["state"] == "succeeded"


def test_a_long_poll_without_an_end_answers_with_the_present_state(waiting: NativeWire) -> None:
    made = waiting.create().json()
    answer = waiting.http.get(f"{V1}/exports/{made['id']}", params={"wait": 1})
    assert (answer.json()["state"], answer.headers["retry-after"]) == ("queued", "1")


def test_a_cancellation_ends_a_long_poll_and_the_stream(waiting: NativeWire) -> None:
    made = waiting.create().json()
    path = f"{V1}/exports/{made['id']}"
    states: list[str] = []

    def poll() -> None:
        states.append(waiting.http.get(path, params={"wait": 60}).json()["state"])

    poller = threading.Thread(target=poll)
    with waiting.http.stream("GET", f"{path}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: progress"
        poller.start()
        assert waiting.http.post(f"{path}/cancel").json()["state"] == "cancelled"
        events = [line for line in lines if line.startswith(("event:", "data:"))]
    poller.join()
    assert states == ["cancelled"]
    assert events[-2] == "event: end"
    assert json.loads(events[-1].removeprefix("data: "))["state"] == "cancelled"
    again = waiting.http.post(f"{path}/cancel")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


def test_a_long_poll_and_a_stream_end_with_their_token(waiting: NativeWire, idle: Served) -> None:
    """They say nothing of what happens to the export afterwards."""
    path = f"{V1}/exports/{waiting.create().json()['id']}"
    token = loop.token(idle.installation, waiting.tenant, user=None)
    answers: list[httpx.Response] = []
    with connect(idle.url, token, waiting.tenant) as ending:
        poller = threading.Thread(target=lambda: answers.append(ending.http.get(path, params={"wait": 60})))
        with ending.http.stream("GET", f"{path}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            poller.start()
            with idle.installation.services() as on:
                identity.revoke_credential(token.partition(".")[0], on)
            assert waiting.http.post(f"{path}/cancel").json()["state"] == "cancelled"
            rest = list(lines)
        poller.join()
    assert not [line for line in rest if line.startswith("event:") or "cancelled" in line]
    assert_problem(answers[0], 401, "not_authenticated")


def test_the_stream_of_an_export_reports_each_state(client: NativeWire) -> None:
    made = client.create().json()
    with client.http.stream("GET", made["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        documents = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert documents[-1]["state"] == "succeeded"
    assert {each["id"] for each in documents} == {made["id"]}


def test_head_of_a_stream_does_not_wait(waiting: NativeWire) -> None:
    made = waiting.create().json()
    path = f"{V1}/exports/{made['id']}/events"
    head = waiting.http.head(path)
    with waiting.http.stream("GET", path) as stream:
        headers = {name: value for name, value in stream.headers.items() if name in head.headers and name[0] != "x"}
    assert (head.status_code, head.content) == (200, b"")
    assert headers.keys() >= {"content-type", "cache-control"}
    assert {name: head.headers[name] for name in headers if name != "date"} == {
        name: value for name, value in headers.items() if name != "date"
    }


def test_pages_neither_repeat_nor_skip_an_export(waiting: NativeWire) -> None:
    with_report = [waiting.create(report="calls", name=str(number)).json()["id"] for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2", "report": "calls", "state": "queued", **({"cursor": cursor} if cursor else {})}
        page = waiting.http.get(f"{V1}/exports", params=query).json()
        seen += [export["id"] for export in page["exports"]]
        waiting.create(report="calls", name="new")  # does not move the older ones
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == with_report[::-1]
    for export in waiting.http.get(f"{V1}/exports", params={"report": "calls"}).json()["exports"]:
        waiting.http.post(f"{V1}/exports/{export['id']}/cancel")


def test_an_idempotency_key_finds_the_first_export(waiting: NativeWire) -> None:
    key = {"Idempotency-Key": "march"}
    first, second = (waiting.create(headers=key).json()["id"] for _ in range(2))
    assert first == second
    assert_problem(waiting.create(headers=key, format="json"), 409, "idempotency_conflict")
    assert_problem(waiting.create(headers={"Idempotency-Key": "a b"}), 422, "invalid_request", "Idempotency-Key")


def test_files_are_kept_longer_held_and_deleted(client: NativeWire) -> None:
    export = client.finish()
    path = f"{V1}/exports/{export['id']}"

    def retain(**body: Any) -> httpx.Response:
        return client.http.post(f"{path}/retention", json=body)

    longer = retain(days=100).json()
    ended, expires = (datetime.fromisoformat(longer[name]) for name in ("finished_at", "expires_at"))
    assert expires - ended == timedelta(days=100)
    assert_problem(retain(days=99), 422, "invalid_request", "/days")
    assert_problem(retain(days=366), 422, "invalid_request", "/days")
    assert_problem(retain(days=1, hold=True), 422, "invalid_request", "")
    assert retain(hold=True).json()["held"] is True
    held = client.http.delete(path)
    assert_problem(held, 409, "job_on_hold")
    assert "release it first" in held.json()["detail"]  # a client holds it, so a client can
    assert retain(hold=False).json()["held"] is False
    assert client.http.delete(path).status_code == 204
    assert client.http.get(path).json()["state"] == "deleted"
    assert_problem(client.http.delete(path), 410, "artifact_gone")
    for part in ("manifest", "files/0"):
        assert_problem(client.http.get(f"{path}/{part}"), 410, "artifact_gone")
    assert_problem(retain(days=200), 409, "job_state_conflict")


def test_a_hold_of_the_operator_is_released_by_the_operator_only(client: NativeWire, busy: Served) -> None:
    from offtake.core.admin import jobs as operations

    export = client.finish()
    path = f"{V1}/exports/{export['id']}/retention"
    with busy.installation.services() as on:
        operations.hold(export["id"], "operator", on)
    assert client.http.post(path, json={"hold": True}).json()["held"] is True
    assert_problem(client.http.post(path, json={"hold": False}), 409, "job_on_hold")


def test_an_export_of_another_account_does_not_exist(client: NativeWire, busy: Served) -> None:
    export = client.finish()["id"]
    with native_client(busy, "other") as other:
        for method, path in (
            ("GET", ""),
            ("GET", "/manifest"),
            ("GET", "/events"),
            ("POST", "/cancel"),
            ("DELETE", ""),
        ):
            unknown, foreign = (
                other.http.request(method, f"{V1}/exports/{each}{path}").json() for each in ("unknown", export)
            )
            assert {**unknown, "request": ""} == {**foreign, "request": ""}
            assert foreign["status"] == 404
        assert other.http.get(f"{V1}/exports").json() == {"exports": [], "next": None}


def test_the_usage_counts_files_until_they_are_deleted(busy: Served) -> None:
    with native_client(busy, "usage", [*PEOPLE, *TALKS]) as client:
        export = client.finish()
        used = client.http.get(f"{V1}/usage").json()
        assert (used["kept_files"], used["kept_rows"], used["kept_bytes"]) == (1, 5, export["bytes"])
        assert used["next_expiry"] == export["expires_at"]
        client.http.delete(f"{V1}/exports/{export['id']}")
        after = client.http.get(f"{V1}/usage").json()
        assert (after["kept_files"], after["kept_bytes"], after["next_expiry"]) == (0, 0, None)
        assert after["daily_bytes"] == export["bytes"]
