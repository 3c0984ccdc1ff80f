"""The checks of Loop contract 14, each under its number. Checks that other modules of this folder cover are omitted."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import openpyxl
import pytest

from offtake.core.admin import identity
from offtake.core.exports import retention
from offtake.model.tenant import DEFAULT_SCOPES, Scope, Tenant
from offtake.store import audit, job_queries
from tests.fixtures import loop
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.installation import Installation, Served
from tests.fixtures.loop import ALL, BOSS, END, OLGA, PEOPLE, RITA, START, TALKS, LoopWire, assert_refused, talk
from tests.fixtures.polling import wait_for

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def acme(busy: Served) -> str:
    """A tenant with conversations."""
    rita_in_support = {"table": "inbox_member", "inbox_id": "support", "agent_id": "user_1"}
    return loop.tenant(busy, "checks", [*PEOPLE, rita_in_support, *TALKS])


@pytest.fixture(scope="module")
def client(busy: Served, acme: str) -> Iterator[LoopWire]:
    with LoopWire.connect(busy.url, loop.token(busy.installation, acme)) as made:
        yield made


@pytest.fixture(scope="module")
def finished(client: LoopWire) -> str:
    """A finished export."""
    export = client.create()
    assert client.wait(export) == "Completed"
    return export


@pytest.fixture
def here(tmp_path: Path) -> Iterator[InProcess]:
    """An installation with a clock that the test sets, one tenant and its conversations."""
    with in_process(tmp_path) as made:
        identity.add_tenant(Tenant(name="acme"), made.on)
        loop.load(made.installation, "acme", [*PEOPLE, *TALKS])
        yield made


def joined(here: InProcess) -> LoopWire:
    """A client of that tenant."""
    token = loop.token(here.installation, "acme")
    return LoopWire(here.http, {"Authorization": f"Bearer {token}"})


def test_check_01_create_with_only_start_and_end(idle: Served) -> None:
    token = loop.token(idle.installation, loop.tenant(idle, "bare"))
    with LoopWire.connect(idle.url, token) as client:
        answer = client.send_create({"start": START, "end": END})
    assert answer.status_code == 200
    document = answer.json()
    assert document == {"id": document["id"], "status": "Processing"}
    assert UUID.fullmatch(document["id"])


def test_check_02_an_absent_null_or_empty_list_is_no_filter(client: LoopWire) -> None:
    lists = ("tagIds", "teamIds", "teammateIds", "customerIds")
    assert client.ids() == client.ids(**dict.fromkeys(lists)) == client.ids(**{name: [] for name in lists}) == ALL


def test_check_03_without_a_format_the_file_is_a_json_array(client: LoopWire, finished: str) -> None:
    answer = client.download(finished)
    assert answer.headers["content-type"] == "application/json"
    rows = json.loads(answer.content)
    assert isinstance(rows, list)
    assert [row["conversationId"] for row in rows] == ALL
    # Loop contract 12.3: one object per line inside the array, so that it can be read line by line as well.
    opening, *lines, closing = answer.text.splitlines()
    assert (opening, closing) == ("[", "]")
    assert [json.loads(line.removesuffix(",")) for line in lines] == rows


@pytest.mark.parametrize("end", [START, START - 1])
def test_check_04_the_end_is_later_than_the_start(client: LoopWire, end: int) -> None:
    answer = client.send_create({"start": START, "end": end})
    assert assert_refused(answer, 400, "InvalidPeriod", "end")["message"] == "'end' must be later than 'start'."


def test_check_05_milliseconds_are_distinguished_from_seconds(client: LoopWire) -> None:
    answer = client.send_create({"start": 1_717_200_000_000, "end": 1_719_792_000_000})
    assert "seconds" in assert_refused(answer, 400, "InvalidPeriod", "start", "end")["message"]


def test_check_06_zones(client: LoopWire) -> None:
    answer = client.send_create({"start": START, "end": END, "timezone": "Mars/Base"})
    assert_refused(answer, 400, "InvalidTimezone", "timezone")
    for zone in (None, ""):
        assert {row["createdAt"][-6:] for row in client.export(timezone=zone)} == {"+00:00"}
    assert {row["createdAt"][-6:] for row in client.export(timezone="Asia/Kolkata")} == {"+05:30"}


def test_check_07_a_token_with_and_without_its_scheme(client: LoopWire, finished: str) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    path = f"{loop.API}/exports/{finished}"
    assert_refused(client.http.get(path), 401, "Unauthorized")
    for spelling in (f"Bearer {token}", f"bearer {token}", token):
        answer = client.http.get(path, headers={"Authorization": spelling})
        assert answer.json()["status"] == "Completed", spelling


def test_check_08_only_a_completed_export_has_a_url(client: LoopWire) -> None:
    export, seen = client.create(), []

    def ended() -> bool:
        document = client.read(export).json()
        seen.append((document["status"], "url" in document))
        return bool(document["status"] != "Processing")

    wait_for("the end", ended)
    assert seen[-1] == ("Completed", True)
    assert set(seen[:-1]) <= {("Processing", False)}


def test_check_09_an_older_link_is_valid_until_its_own_expiry(here: InProcess) -> None:
    client = joined(here)
    export = client.create()
    here.work()
    older = client.url(export)
    here.advance(1800)
    newer = client.url(export)
    assert older != newer
    assert here.http.get(older).content == here.http.get(newer).content
    here.advance(1800)
    assert_refused(here.http.get(older), 403, "LinkExpired")
    assert here.http.get(newer).status_code == 200


def test_check_10_a_link_is_its_own_authorisation(here: InProcess, client: LoopWire, finished: str) -> None:
    url = client.url(finished)
    with httpx.Client(trust_env=False) as bare:
        bare.headers.clear()
        assert len(bare.get(url).json()) == len(ALL)
        (signature,) = parse_qs(urlsplit(url).query)["Signature"]
        for position in range(len(signature)):
            other = "A" if signature[position] != "A" else "B"
            altered = url.replace(signature, signature[:position] + other + signature[position + 1 :])
            assert_refused(bare.get(altered), 403, "SignatureInvalid")
    export = joined(here).create()
    here.work()
    link = joined(here).url(export)
    here.advance(3600)
    assert_refused(here.http.get(link), 403, "LinkExpired")


def test_check_11_consecutive_ranges_make_the_whole_file(client: LoopWire, finished: str) -> None:
    whole = client.download(finished)
    size, etag = len(whole.content), whole.headers["etag"]
    with httpx.Client(trust_env=False, headers={"Accept-Encoding": "identity"}) as bare:
        parts = []
        for first in range(0, size, 1000):
            part = bare.get(client.url(finished), headers={"Range": f"bytes={first}-{first + 999}", "If-Range": etag})
            assert (part.status_code, part.headers["etag"]) == (206, etag)
            assert part.headers["content-range"] == f"bytes {first}-{min(first + 999, size - 1)}/{size}"
            parts.append(part.content)
    assert b"".join(parts) == whole.content


def test_check_12_after_retention_the_export_has_no_file(here: InProcess) -> None:
    client = joined(here)
    export = client.create()
    here.work()
    link = client.url(export)
    here.advance(7 * 86_400 - 1)
    last = client.url(export)
    (expires,) = parse_qs(urlsplit(last).query)["Expires"]
    # Loop contract 8: not a full hour
    assert datetime.fromtimestamp(int(expires), UTC) == here.now + timedelta(seconds=1)
    here.advance(1)
    for _ in ("not swept", "swept"):
        answer = client.read(export)
        assert answer.json() == {"id": export, "status": "PendingOrExpired"}
        assert answer.headers["retry-after"] == "60"
        for old in (link, last):
            assert_refused(here.http.get(old), 410, "Gone")
        retention.expire(here.on)
    assert list(here.installation.home.glob(f"artifacts/**/{export}*")) == []


def test_check_13_a_foreign_id_gets_the_response_of_a_random_one(busy: Served, client: LoopWire, finished: str) -> None:
    token = loop.token(busy.installation, loop.tenant(busy, "stranger"))
    with LoopWire.connect(busy.url, token) as stranger:
        foreign, random = stranger.read(finished), stranger.read(loop.UNKNOWN)
    assert (foreign.status_code, foreign.json()) == (200, {"id": finished, "status": "PendingOrExpired"})
    assert foreign.content.replace(finished.encode(), loop.UNKNOWN.encode()) == random.content
    own = ("date", "x-request-id", "ratelimit-remaining", "ratelimit-reset")
    headers = [{k: v for k, v in answer.headers.items() if k not in own} for answer in (foreign, random)]
    assert headers[0] == headers[1]


def test_check_14_two_tags_are_a_union(client: LoopWire) -> None:
    refund, vip = client.ids(tagIds=["refund"]), client.ids(tagIds=["vip"])
    assert (refund, vip) == (["c1", "c5"], ["c2", "c3", "c5"])
    assert client.ids(tagIds=["refund", "vip"]) == sorted({*refund, *vip})
    assert client.ids(tagIds=["Refund"]) == []  # ids compare letter by letter


def test_check_15_inboxes_are_a_union_and_fields_an_intersection(client: LoopWire) -> None:
    support, sales = client.ids(teamIds=["support"]), client.ids(teamIds=["sales"])
    assert (support, sales) == (["c1", "c3", "c5"], ["c2", "c4"])
    assert client.ids(teamIds=["support", "sales", "unknown"]) == ALL
    assert client.ids(teamIds=["sales"], tagIds=["vip"]) == ["c2"]
    assert client.ids(teamIds=["private"]) == []  # not a shared inbox


def test_check_16_addresses_are_compared_without_regard_to_case(client: LoopWire) -> None:
    assert client.ids(customerIds=[" JO@Shop.Example "]) == ["c1", "c2", "c5"]
    assert client.ids(customerIds=["mo@shop.example"]) == ["c3", "c4"]
    assert client.ids(teammateIds=["RITA@acme.example", "rita@acme.example"]) == ["c1"]
    assert client.ids(teammateIds=["olga@acme.example", "rita@acme.example"]) == ["c1", "c2"]
    assert client.ids(customerIds=["unknown@shop.example"]) == []


def test_check_17_the_start_is_inclusive_and_the_end_is_exclusive(busy: Served) -> None:
    edges = [
        *talk("early", "2026-02-28T23:59:59.999999Z"),
        *talk("first", "2026-03-01T00:00:00Z"),
        *talk("last", "2026-03-31T23:59:59.999999Z"),
        *talk("late", "2026-04-01T00:00:00Z"),
    ]
    token = loop.token(busy.installation, loop.tenant(busy, "edges", [*PEOPLE, *edges]))
    with LoopWire.connect(busy.url, token) as client:
        assert client.ids() == ["first", "last"]
        # Loop contract 10: the zone does not shift the bounds
        assert client.ids(timezone="Asia/Kolkata") == ["first", "last"]
        assert client.ids(start=END, end=END + 1) == ["late"]


def test_check_18_a_change_of_clocks(busy: Served) -> None:
    """On 29 March 2026, 01:00 in Lisbon is 02:00."""
    rows = [*PEOPLE, *talk("spring", "2026-03-29T00:30:00Z"), loop.answer("spring", "2026-03-29T01:30:00Z", "user_1")]
    token = loop.token(busy.installation, loop.tenant(busy, "clocks", rows))
    with LoopWire.connect(busy.url, token) as client:
        (row,) = client.export(timezone="Europe/Lisbon")
    assert row["createdAt"] == "2026-03-29T00:30:00+00:00"
    assert row["firstResponseAt"] == "2026-03-29T02:30:00+01:00"
    assert row["firstResponseSeconds"] == 3600
    assert row["averageResponseSeconds"] == 3600.0


def test_check_18_a_repeated_hour(here: InProcess) -> None:
    """On 26 October 2025, 02:00 in Lisbon was 01:00 again; rows are sorted by the instant, not by the local time."""
    rows = [*talk("again", "2025-10-26T01:15:00Z"), *talk("first", "2025-10-26T00:30:00Z")]
    loop.load(here.installation, "acme", [*rows, loop.answer("first", "2025-10-26T01:20:00Z", "user_1")])
    client = joined(here)
    found: dict[str, bytes] = {}
    for result_format in ("Json", "Xlsx"):
        export = client.create(
            start=1_761_436_800, end=1_761_523_200, timezone="Europe/Lisbon", resultFormat=result_format
        )
        here.work()
        found[result_format] = here.http.get(client.url(export)).content
    first, again = json.loads(found["Json"])
    assert (first["conversationId"], again["conversationId"]) == ("first", "again")
    assert (first["createdAt"], again["createdAt"]) == ("2025-10-26T01:30:00+01:00", "2025-10-26T01:15:00+00:00")
    assert (first["firstResponseAt"], first["firstResponseSeconds"]) == ("2025-10-26T01:20:00+00:00", 3000)
    _, *sheet = openpyxl.load_workbook(io.BytesIO(found["Xlsx"]))["Export"].iter_rows(values_only=True)
    created = HEADERS.index("Created")
    assert [(row[0], f"{row[created]:%H:%M}") for row in sheet] == [("first", "01:30"), ("again", "01:15")]


def test_check_19_an_export_without_rows_is_a_complete_file(client: LoopWire) -> None:
    assert client.export(tagIds=["unknown"]) == []
    # Loop contract 5.2, V7: a timespan in the future
    assert client.export(start=4_000_000_000, end=4_000_000_001) == []


def test_check_19_a_workbook_without_rows_has_its_header(client: LoopWire) -> None:
    export = client.create(tagIds=["unknown"], resultFormat="Xlsx")
    assert client.wait(export) == "Completed"
    answer = client.download(export)
    assert answer.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert answer.headers["content-disposition"].endswith(f'_{export[:8]}.xlsx"')
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["Export", "About"]
    (header,) = book["Export"].iter_rows(values_only=True)
    assert header == HEADERS


def test_check_20_a_failed_export_has_no_file(hasty: Served) -> None:
    """The limit is three rows per export; this one has five."""
    tenant = loop.tenant(hasty, "failing", [*PEOPLE, *TALKS])
    with LoopWire.connect(hasty.url, loop.token(hasty.installation, tenant)) as client:
        export = client.create()
        assert client.wait(export) == "Failed"
        answer = client.read(export)
        assert answer.json() == {"id": export, "status": "Failed"}
        assert answer.headers["x-export-failure"] == "row_limit_exceeded"
        assert len(client.export(tagIds=["vip"])) == 3
    assert list(hasty.installation.home.glob(f"artifacts/files/**/{export}*")) == []


def test_check_21_too_many_creates_and_an_exact_retry_after(here: InProcess) -> None:
    client = joined(here)
    for number in range(10):
        left = 9 - number
        answer = client.send_create({"start": START, "end": START})  # invalid, and counted
        assert answer.status_code == 400
        assert answer.headers["ratelimit-limit"] == "10"
        assert answer.headers["ratelimit-remaining"] == str(left)
        here.advance(1)
    refused = client.send_create({"start": START, "end": END})
    assert_refused(refused, 429, "TooManyRequests")
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"] == "50"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert client.read(loop.UNKNOWN).status_code == 200  # reads are counted separately
    here.advance(49)
    assert client.send_create({"start": START, "end": END}).headers["retry-after"] == "1"
    here.advance(1)
    assert client.create()


def test_check_21_every_counted_response_has_the_remaining_requests(here: InProcess) -> None:
    """Every response after authentication, whatever its status."""
    client = joined(here)
    body = {"start": START, "end": END}
    answers = [
        client.send_create(body, Idempotency_Key="k"),
        client.send_create({**body, "end": START}),
        client.send_create(body, Content_Type="text/plain"),
        client.send_create(body, X_Impersonate_User="unknown@acme.example"),
        client.send_create({**body, "resultFormat": "Xlsx"}, Idempotency_Key="k"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 415, 403, 409]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["9", "8", "7", "6", "5"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"10"}
    assert {answer.headers["ratelimit-reset"] for answer in answers} == {"60"}
    reads = [client.read(loop.UNKNOWN), client.read("no id")]
    assert [(answer.status_code, answer.headers["ratelimit-remaining"]) for answer in reads] == [
        (200, "59"),
        (400, "58"),
    ]


def test_check_21_too_many_unfinished_exports(idle: Served) -> None:
    """Ten per workspace, by all of its users together; a refused one adds no job."""
    tenant = loop.tenant(idle, "crowd")
    tokens = [loop.token(idle.installation, tenant, user) for user in (BOSS, RITA)]
    with LoopWire.connect(idle.url, tokens[0]) as one, LoopWire.connect(idle.url, tokens[1]) as other:
        exports = [client.create() for client in (one, other) for _ in range(5)]
        refused = one.send_create({"start": START, "end": END})
        assert_refused(refused, 429, "TooManyRequests")
        assert int(refused.headers["retry-after"]) >= 1
        assert {one.status(export) for export in exports} == {"Processing"}
    with idle.installation.services() as on, on.database.read() as connection:
        assert job_queries.count_open(connection, tenant=tenant, dialect="loop") == 10


@pytest.mark.parametrize("operation", ["create", "read"])
def test_check_22_impersonation_that_is_not_allowed(busy: Served, acme: str, finished: str, operation: str) -> None:
    """A missing scope, an unknown, a disabled and another tenant's user: the responses are equal byte for byte."""
    other = loop.tenant(busy, "elsewhere", [{**PEOPLE[0], "email": "foreign@acme.example"}])
    assert other != acme
    plain = loop.token(busy.installation, acme, RITA, DEFAULT_SCOPES)
    granted = loop.token(busy.installation, acme, OLGA, DEFAULT_SCOPES | {Scope.IMPERSONATE})
    tries = [
        (plain, OLGA),
        (plain, "unknown@acme.example"),
        *((granted, name) for name in ("unknown@acme.example", "user_9", "gone@acme.example", "foreign@acme.example")),
    ]
    answers = []
    for token, name in tries:
        with LoopWire.connect(busy.url, token, X_Impersonate_User=name) as client:
            asked = client.send_create({"start": START, "end": END}) if operation == "create" else client.read(finished)
        body = assert_refused(asked, 403, "ImpersonationNotAllowed")
        answers.append({**body, "requestId": ""})
    assert [answers[0]] * len(answers) == answers


@pytest.mark.parametrize("name", [RITA, RITA.upper(), "user_1"])
def test_check_23_an_impersonated_export(busy: Served, acme: str, client: LoopWire, name: str) -> None:
    token = loop.token(busy.installation, acme, OLGA, DEFAULT_SCOPES | {Scope.IMPERSONATE})
    with LoopWire.connect(busy.url, token, X_Impersonate_User=name) as acting:
        rows = acting.export()
        export = acting.create(tagIds=["vip"])
        acting.wait(export)
    assert {row["teamId"] for row in rows} == {"support"}
    assert [row["conversationId"] for row in rows] == ["c1", "c3", "c5"]
    with busy.installation.services() as on, on.database.read() as connection:
        first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        entries = audit.entries(connection, tenant=acme, start=first, end=last)
        log = [each.entry for each in entries if each.entry.job == export]
    assert {entry.operation for entry in log} == {"job.create", "job.read", "artifact.link"}
    assert {(entry.actor, entry.effective, entry.address) for entry in log} == {(OLGA, RITA, "127.0.0.1")}


def test_check_24_a_killed_server(installation: Installation) -> None:
    """``tests/fault/test_killed.py`` kills a worker at every other point of an attempt."""
    installation.init(f"{loop.UNLIMITED}[worker]\nheartbeat_seconds = 0.3\nlease_seconds = 1.5\nretry_seconds = 0\n")
    with installation.services() as on:
        identity.add_tenant(Tenant(name="acme"), on)
    loop.load(installation, "acme", [*PEOPLE, *TALKS])
    token = loop.token(installation, "acme")
    with LoopWire.connect(installation.serve(workers=0).url, token) as client:
        export = client.create()
        script = Path(__file__).parents[2] / "fixtures" / "doomed_worker.py"
        doomed = [sys.executable, str(script), str(installation.home), "writing", "kill"]
        assert subprocess.run(doomed, stdin=subprocess.DEVNULL, check=False).returncode == -signal.SIGKILL
        assert client.read(export).json() == {"id": export, "status": "Processing"}
        installation.servers[-1].kill()
    with LoopWire.connect(installation.serve(workers=1).url, token) as client:
        assert client.wait(export) == "Completed"
        assert [row["conversationId"] for row in client.download(export).json()] == ALL


HEADERS = (
    "Conversation ID",
    "Subject",
    "Shared inbox ID",
    "Shared inbox",
    "Status",
    "Direction",
    "Customer e-mail",
    "Customer name",
    "Assignee e-mail",
    "Assignee",
    "Teammates",
    "Tag IDs",
    "Tags",
    "Created",
    "First response",
    "Last message",
    "Resolved",
    "Received",
    "Sent",
    "Internal comments",
    "Reopened",
    "First response time (s)",
    "Average response time (s)",
    "Resolution time (s)",
    "First responder e-mail",
    "Resolved by e-mail",
    "SLA breached",
)


def test_check_25_a_formula_is_written_as_text(here: InProcess) -> None:
    """Also the rest of 12.4: the types of cells, local times of the zone, and the sheet About."""
    rows = talk("formula", "2026-03-29T00:30:00Z", tags=["refund", "vip"])
    rows[0] |= {"subject": "=1+1", "is_sla_breached": False}
    loop.load(here.installation, "acme", [*rows, loop.answer("formula", "2026-03-29T01:30:00Z", "user_1")])
    client = joined(here)
    body = {
        "resultFormat": "xlsx",
        "timezone": "Europe/Lisbon",
        "tagIds": ["refund"],
        "customerIds": ["Jo@shop.example"],
    }
    export = client.create(**body)
    here.work()
    book = openpyxl.load_workbook(io.BytesIO(here.http.get(client.url(export)).content))
    sheet = book["Export"]
    assert tuple(cell.value for cell in sheet[1]) == HEADERS
    assert [sheet.cell(number, 1).value for number in range(2, sheet.max_row + 1)] == ["c1", "c5", "formula"]
    cells = dict(zip(HEADERS, sheet[4], strict=True))
    assert (cells["Subject"].value, cells["Subject"].data_type) == ("=1+1", "s")
    assert cells["Created"].value == datetime(2026, 3, 29, 0, 30)  # noqa: DTZ001 - a cell has no zone
    assert cells["First response"].value == datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
    assert cells["Created"].number_format == "yyyy-mm-dd hh:mm:ss"
    assert (cells["First response time (s)"].value, cells["Received"].value) == (3600, 1)
    assert (cells["SLA breached"].value, cells["Tags"].value) == (False, "Refund; VIP")
    assert cells["Resolved"].value is None
    assert list(book["About"].iter_rows(values_only=True)) == [
        ("Export ID", export),
        ("Workspace", "acme"),
        ("Time zone", "Europe/Lisbon"),
        ("Start", "2026-03-01T00:00:00Z"),
        ("Start (local)", "2026-03-01 00:00:00"),
        ("End", "2026-04-01T00:00:00Z"),
        ("End (local)", "2026-04-01 01:00:00"),
        ("Tag IDs", "refund"),
        ("Shared inbox IDs", "all"),
        ("Teammates", "all"),
        ("Customers", "jo@shop.example"),
        ("Rows", 3),
        ("Truncated cells", 0),
        ("Generated at", "2026-04-02T00:00:00Z"),
        ("Column version", 1),
    ]
