"""Reading a job, ``GET /data/reports/{type}/jobs/{id}``, and cancelling it (Talkdesk contract 2.3, 2 and 3)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.bodies import UNKNOWN_JOB, assert_refused
from tests.fixtures.care import call
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
BODY = {"format": "json", "timespan": {"from": DAY[0], "to": DAY[1]}}


@pytest.fixture(scope="module")
def waiting(idle: Served) -> Iterator[TalkdeskWire]:
    """A client of a server without workers, whose jobs stay ``created``."""
    with idle.client(idle.tenant("waiting")) as client:
        yield client


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    with busy.client(busy.tenant("status")) as made:
        yield made


@pytest.fixture(scope="module")
def done(client: TalkdeskWire) -> str:
    """A job that is done."""
    job = client.create("calls", *DAY)
    assert client.wait("calls", job) == "done"
    return job


def test_an_unfinished_job_is_200_with_the_document_of_its_creation(waiting: TalkdeskWire) -> None:
    """Talkdesk contract 2.3, documented: 200, same body."""
    made = waiting.send_create("calls", BODY)
    job = made.json()["job"]["id"]
    answer = waiting.poll("calls", job)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {key: made.json()[key] for key in ("job", "_links")}
    assert answer.json()["job"]["status"] == "created"
    assert waiting.cancel("calls", job).status_code == 204


def test_a_done_job_is_303_to_its_file(client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2.3, documented: 303 with Location and the job document; absolute, as the legacy documents
    show."""
    answer = client.poll("calls", done)
    assert answer.status_code == 303
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document.keys() == {"job", "_links"}
    assert document["job"]["id"] == done
    assert document["job"]["status"] == "done"
    assert answer.headers["location"] == document["_links"]["files"]["href"]
    assert answer.headers["location"] == f"{client.http.base_url}/data/reports/calls/files/{done}".replace("//d", "/d")


def test_a_done_job_is_never_a_plain_200(client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2.3 and 7.1, seen: a client that reads 200 as "not ready" would poll for ever."""
    assert {client.poll("calls", done).status_code for _ in range(3)} == {303}


def test_no_status_answer_has_a_key_named_entries(client: TalkdeskWire, done: str, waiting: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, seen: most clients distinguish the file from the job by that key."""
    job = waiting.create("calls", *DAY)
    for document in (client.poll("calls", done).json(), waiting.poll("calls", job).json()):
        assert "entries" not in document
        assert "entries" not in document["job"]
    assert waiting.cancel("calls", job).status_code == 204


NO_IDS = [
    golden("2.3", "documented", "unknown", UNKNOWN_JOB),
    golden("2.3", "inferred", "no-uuid", "nonsense"),
    golden("2.3", "inferred", "number", "1"),
    golden("2.3", "inferred", "quote", "%27%20OR%201=1--"),
    golden("2.3", "inferred", "nul", "%00"),
    golden("2.3", "inferred", "half-a-character", "%ED%A0%80"),
    golden("2.3", "inferred", "long", "0" * 4000),
    golden("2.3", "inferred", "wildcard", "%25"),
]


@pytest.mark.parametrize("job", NO_IDS)
def test_an_unknown_job_is_not_found(job: str, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.3, 2.4 and 2: 1020011 for the job, 1020008 for its file."""
    assert_refused(client.poll("calls", job), 404, "1020011")
    assert_refused(client.cancel("calls", job), 404, "1020011")
    assert_refused(client.file("calls", job), 404, "1020008")


def test_another_tenants_job_is_not_found(busy: Served, done: str) -> None:
    """Talkdesk contract 2.3, inferred: the refusal equals that of an unknown id."""
    with busy.client(busy.tenant("stranger")) as stranger:
        for job in (done, UNKNOWN_JOB):
            assert_refused(stranger.poll("calls", job), 404, "1020011")
            assert_refused(stranger.file("calls", job), 404, "1020008")
            assert_refused(stranger.cancel("calls", job), 404, "1020011")
        assert stranger.poll("calls", done).content == stranger.poll("calls", str(uuid.uuid4())).content


def test_a_job_is_not_found_under_another_report(client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2.3, inferred: the id belongs to one type."""
    assert_refused(client.poll("user_status", done), 404, "1020011")
    assert_refused(client.cancel("user_status", done), 404, "1020011")
    assert_refused(client.file("user_status", done), 404, "1020008")


def test_an_id_in_capitals_is_another_id(client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2, documented: a lower-case UUID with dashes."""
    assert_refused(client.poll("calls", done.upper()), 404, "1020011")


def test_an_unknown_report_is_400(client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2.1, documented: 400 and not 404, for every endpoint."""
    for answer in (client.poll("nonsense", done), client.file("nonsense", done), client.cancel("nonsense", done)):
        assert_refused(answer, 400, "1020001", ["report_type"])


def test_too_many_rows_fail_the_job_and_no_file_is_truncated(hasty: Served) -> None:
    """Talkdesk contract 3, proposed: the job ends ``failed``, as 200; there is neither a complete nor a truncated file.
    Three rows are allowed."""
    credential = hasty.tenant("rows")
    rows = [call(f"c{number}", f"2026-03-0{1 + number // 4}T0{number}:00:00Z") for number in range(7)]
    hasty.installation.load("call", rows, tenant=credential.tenant)
    with hasty.client(credential) as client:
        too_many = client.create("calls", *DAY)
        assert _last_status(client, credential, too_many) == "failed"
        answer = client.poll("calls", too_many)
        assert answer.status_code == 200
        assert answer.json().keys() == {"job", "_links"}
        assert_refused(client.file("calls", too_many), 404, "1020008")

        enough = client.create("calls", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
        assert _last_status(client, credential, enough) == "done"
        assert _content(client, credential, enough)["total"] == 3
    assert _files(hasty, too_many) == []


def test_an_error_text_never_appears_inside_a_file(hasty: Served) -> None:
    """Talkdesk contract 3, proposed: the status reports the failure; nothing remains that a client could take for a
    file."""
    credential = hasty.tenant("error")
    rows = [call(f"c{number}", f"2026-03-01T0{number}:00:00Z") for number in range(4)]
    hasty.installation.load("call", rows, tenant=credential.tenant)
    with hasty.client(credential) as client:
        for word in ("csv", "json", "json_bulk"):
            job = client.create("calls", *DAY, format_=word)
            assert _last_status(client, credential, job) == "failed"
            answer = client.file("calls", job)
            assert_refused(answer, 404, "1020008")
            assert "location" not in answer.headers
            assert _files(hasty, job) == []


def _last_status(client: TalkdeskWire, credential: Credential, job: str) -> str:
    """Poll to the end with tokens that are valid for two seconds."""

    def ended() -> str | None:
        answer = client.poll("calls", job)
        if answer.status_code == 401:
            client.renew()
            return None
        status = str(answer.json()["job"]["status"])
        return status if status not in ("created", "processing", "uploading") else None

    return wait_for(f"the end of job {job}", ended)


def _content(client: TalkdeskWire, credential: Credential, job: str) -> dict[str, Any]:
    """Download the file with tokens and links that are valid for two seconds."""

    def content() -> dict[str, Any] | None:
        client.renew()
        answer = client.download("calls", job)
        document: dict[str, Any] = answer.json()
        return document if answer.status_code == 200 else None

    return wait_for("the file", content)


def _files(served: Served, job: str) -> list[str]:
    """Return the files of a job in the artifact store."""
    return [path.name for path in (served.installation.home / "artifacts").rglob(f"{job}*")]


def test_pitfall_05_a_token_may_end_in_the_middle_of_polling(hasty: Served) -> None:
    """Talkdesk contract 1.3 and 7.5, seen: 401 1020018, and a new token continues with the same job."""
    credential = hasty.tenant("expiry")
    with hasty.client(credential) as client:
        job = client.create("calls", *DAY)

        def refused() -> httpx.Response | None:
            answer = client.poll("calls", job)
            return answer if answer.status_code not in (200, 303) else None

        answer = wait_for("the end of the token", refused)
        assert_refused(answer, 401, "1020018")
        assert_refused(client.file("calls", job), 401, "1020018")
        assert_refused(client.send_create("calls", BODY), 401, "1020018")
        client.renew()
        assert client.poll("calls", job).status_code in (200, 303)


def test_a_missing_scope_is_403(idle: Served, waiting: TalkdeskWire) -> None:
    """Talkdesk contract 1.3, documented: reading and writing are two scopes."""
    tenant = idle.tenant("scopes").tenant
    with (
        idle.client(idle.installation.add_client(tenant, scopes=["read"])) as reader,
        idle.client(idle.installation.add_client(tenant, scopes=["write"])) as writer,
    ):
        assert_refused(reader.send_create("calls", BODY), 403, "1020004")
        job = writer.create("calls", *DAY)
        assert reader.status("calls", job) == "created"
        assert_refused(writer.poll("calls", job), 403, "1020004")
        assert_refused(writer.file("calls", job), 403, "1020004")
        assert_refused(reader.cancel("calls", job), 403, "1020004")
        assert_refused(reader.file("calls", job), 404, "1020008")
        assert writer.cancel("calls", job).status_code == 204


def test_cancelling_a_job(waiting: TalkdeskWire, client: TalkdeskWire, done: str) -> None:
    """Talkdesk contract 2, proposed: 204 without a body; 409 1020007 for a job in any final state."""
    job = waiting.create("calls", *DAY)
    answer = waiting.cancel("calls", job)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    seen = waiting.poll("calls", job)
    assert seen.status_code == 200
    assert seen.json()["job"]["status"] == "canceled"
    assert_refused(waiting.file("calls", job), 404, "1020008")
    assert_refused(waiting.cancel("calls", job), 409, "1020007")
    assert_refused(client.cancel("calls", done), 409, "1020007")
    assert client.poll("calls", done).status_code == 303
