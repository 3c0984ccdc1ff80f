"""Downloading the file: ``GET /data/reports/{type}/files/{id}`` and the signed link behind it (Talkdesk contract
2.4)."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.fixtures.bodies import assert_refused
from tests.fixtures.care import call
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "json_bulk": "application/x-ndjson",
}
SUFFIXES = {"csv": ".csv", "json": ".json", "json_bulk": ".ndjson"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export: its id, a link to it and its bytes."""

    job: str
    link: str
    content: bytes


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    tenant = busy.tenant("download")
    rows = [call(f"c{number}", f"2026-03-01T10:00:{number:02}Z", notes="🙂" * number) for number in range(50)]
    busy.installation.load("call", rows, tenant=tenant.tenant)
    with busy.client(tenant) as made:
        yield made


@pytest.fixture(scope="module")
def exported(client: TalkdeskWire) -> dict[str, Exported]:
    """One export per format."""
    jobs = {word: client.create("calls", *DAY, format_=word) for word in MEDIA_TYPES}
    assert {client.wait("calls", job) for job in jobs.values()} == {"done"}
    return {
        word: Exported(job, client.link("calls", job), client.download("calls", job).content)
        for word, job in jobs.items()
    }


@pytest.fixture(scope="module")
def file(exported: dict[str, Exported]) -> Exported:
    return exported["json"]


@pytest.fixture(scope="module")
def bare() -> Iterator[httpx.Client]:
    """A client without credentials and content coding."""
    with httpx.Client(trust_env=False, timeout=60, headers={"Accept-Encoding": "identity"}) as made:
        yield made


def test_the_file_is_a_302_to_an_absolute_link(client: TalkdeskWire, file: Exported) -> None:
    """Talkdesk contract 2.4, documented: 302 and Location; absolute, because clients pass it on unchanged."""
    answer = client.file("calls", file.job)
    assert answer.status_code == 302
    link = urlsplit(answer.headers["location"])
    assert f"{link.scheme}://{link.netloc}" == str(client.http.base_url).rstrip("/")
    assert parse_qs(link.query).keys() == {"expires", "signature"}


@pytest.mark.parametrize("word", MEDIA_TYPES)
def test_the_link_returns_the_bytes_with_type_name_and_etag(
    word: str, exported: dict[str, Exported], bare: httpx.Client
) -> None:
    """Talkdesk contract 2.4, seen (Content-Length) and proposed: type by format, attachment, an ETag that is the
    checksum."""
    file = exported[word]
    answer = bare.get(file.link)
    assert answer.status_code == 200
    headers = answer.headers
    assert headers["content-type"] == MEDIA_TYPES[word]
    assert headers["content-length"] == str(len(answer.content))
    assert "content-encoding" not in headers
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert SUFFIXES[word] in headers["content-disposition"]
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert headers["x-export-rows"] == "50"
    assert answer.content == file.content


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic bm9ib2R5OnNlY3JldA==", "nonsense"])
def test_the_link_needs_no_authorization_and_ignores_one(header: str, file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, seen: clients drop the header, or keep it over a redirect to the same host."""
    assert bare.get(file.link).content == file.content
    assert bare.get(file.link, headers={"Authorization": header}).content == file.content


def test_a_body_in_the_get_is_ignored(client: TalkdeskWire, file: Exported) -> None:
    """Talkdesk contract 2.4, seen: the droom script sends JSON with its GET."""
    path = f"/data/reports/calls/files/{file.job}"
    answer = client.http.request("GET", path, headers=client.headers, json={"format": "csv"})
    assert answer.status_code == 302


def test_a_file_can_be_downloaded_many_times(client: TalkdeskWire, file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, documented: until it is deleted or expires; the ETag stays."""
    answers = [client.download("calls", file.job) for _ in range(3)] + [bare.get(file.link)]
    assert {answer.content for answer in answers} == {file.content}
    assert len({answer.headers["etag"] for answer in answers}) == 1


def test_head_returns_the_headers_of_get_without_the_body(file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, proposed."""
    head, get = bare.head(file.link), bare.get(file.link)
    assert head.status_code == 200
    assert head.content == b""
    ours = ("content-length", "content-type", "etag", "content-disposition", "accept-ranges")
    assert {name: head.headers[name] for name in ours} == {name: get.headers[name] for name in ours}


@pytest.mark.parametrize("word", MEDIA_TYPES)
def test_a_text_file_is_sent_with_gzip_to_a_client_that_accepts_it(
    word: str, exported: dict[str, Exported], bare: httpx.Client
) -> None:
    """RFC 9110 8.4: a representation of its own, with its own ETag; HEAD has the same headers."""
    file = exported[word]
    plain = bare.get(file.link)
    asking = {"Accept-Encoding": "br, gzip;q=0.5"}
    with bare.stream("GET", file.link, headers=asking) as answer:
        sent = b"".join(answer.iter_raw())
    assert gzip.decompress(sent) == file.content
    assert len(sent) < len(file.content)
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert answer.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    assert "content-length" not in answer.headers
    assert (plain.headers["vary"], plain.headers["content-type"]) == ("Accept-Encoding", answer.headers["content-type"])
    head = bare.head(file.link, headers=asking)
    changing = {"date", "x-request-id", "transfer-encoding"}
    of_get, of_head = ({k: v for k, v in each.headers.items() if k not in changing} for each in (answer, head))
    assert of_get == of_head
    held = bare.get(file.link, headers={**asking, "If-None-Match": answer.headers["etag"]})
    assert held.status_code == 304
    assert (held.headers["etag"], held.headers["vary"]) == (head.headers["etag"], "Accept-Encoding")
    assert bare.get(file.link, headers={**asking, "If-None-Match": plain.headers["etag"]}).status_code == 200


def test_a_range_is_of_the_unencoded_file(file: Exported, bare: httpx.Client) -> None:
    """Ranges count the bytes of the file that was exported, and its ETag is the validator."""
    etag = f'"{hashlib.sha256(file.content).hexdigest()}"'
    for if_range, status in ((etag, 206), (etag[:-1] + '-gzip"', 200)):
        answer = bare.get(file.link, headers={"Range": "bytes=5-", "Accept-Encoding": "gzip", "If-Range": if_range})
        assert (answer.status_code, answer.headers["etag"]) == (status, etag)
        assert "content-encoding" not in answer.headers
        assert answer.content == file.content[5 if status == 206 else 0 :]


RANGES = [
    golden("2.4", "proposed", "first-bytes", "bytes=0-9", 0, 10),
    golden("2.4", "proposed", "one-byte", "bytes=0-0", 0, 1),
    golden("2.4", "proposed", "middle", "bytes=100-199", 100, 200),
    golden("2.4", "proposed", "from-the-middle", "bytes=100-", 100, None),
    golden("2.4", "proposed", "suffix", "bytes=-7", -7, None),
    golden("2.4", "proposed", "beyond-the-end", "bytes=100-99999999", 100, None),
    golden("2.4", "proposed", "suffix-longer-than-the-file", "bytes=-99999999", 0, None),
]


@pytest.mark.parametrize(("header", "start", "end"), RANGES)
def test_a_range(header: str, start: int, end: int | None, file: Exported, bare: httpx.Client) -> None:
    answer = bare.get(file.link, headers={"Range": header})
    wanted = file.content[start:end]
    first = file.content.index(wanted) if start < 0 else start
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(file.content)}"
    assert answer.headers["content-type"] == "application/json"


def test_a_broken_download_can_be_resumed(file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, proposed: consecutive ranges are together the file, byte for byte, over links made at
    different times."""
    etag = bare.head(file.link).headers["etag"]
    middle = len(file.content) // 2
    ranges = [f"bytes=0-{middle - 1}", f"bytes={middle}-"]
    got = [bare.get(file.link, headers={"Range": one, "If-Range": etag}) for one in ranges]
    assert [answer.status_code for answer in got] == [206, 206]
    assert b"".join(answer.content for answer in got) == file.content


@pytest.mark.parametrize("condition", ['"another"', "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_if_range_with_another_etag_returns_the_whole_file(condition: str, file: Exported, bare: httpx.Client) -> None:
    answer = bare.get(file.link, headers={"Range": "bytes=5-9", "If-Range": condition})
    assert answer.status_code == 200
    assert answer.content == file.content


def test_a_range_that_does_not_exist_is_416(file: Exported, bare: httpx.Client) -> None:
    size = len(file.content)
    answer = bare.get(file.link, headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert file.content not in answer.content


def test_416_is_json(file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 4: every error body is JSON, because a client breaks on anything else."""
    answer = bare.get(file.link, headers={"Range": f"bytes={len(file.content)}-"})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("header", ["bytes", "lines=1-2", "bytes=x-y", "bytes=9-5"])
def test_an_unsupported_range_is_ignored(header: str, file: Exported, bare: httpx.Client) -> None:
    answer = bare.get(file.link, headers={"Range": header})
    assert answer.status_code == 200
    assert answer.content == file.content


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=99999999-"], ids=["within", "beyond"])
def test_a_range_applies_to_get_only(header: str, file: Exported, bare: httpx.Client) -> None:
    """RFC 9110 14.2."""
    head = bare.head(file.link, headers={"Range": header})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(file.content)))
    assert "content-range" not in head.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_the_client_has_is_not_sent_again(method: str, file: Exported, bare: httpx.Client) -> None:
    """RFC 9110 13.1.2: a range does not matter, and If-Match is checked before If-None-Match."""
    etag = bare.head(file.link).headers["etag"]
    for held in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        answer = bare.request(method, file.link, headers={"If-None-Match": held, "Range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, "private, no-store")
    assert bare.request(method, file.link, headers={"If-None-Match": '"another"'}).status_code == 200
    both = bare.request(method, file.link, headers={"If-None-Match": etag, "If-Match": '"another"'})
    assert both.status_code == 412


def test_a_file_that_does_not_match_if_match_is_not_sent(file: Exported, bare: httpx.Client) -> None:
    """RFC 9110 13.1.1: compared strongly."""
    etag = bare.head(file.link).headers["etag"]
    for meant in ('"another"', f"W/{etag}", "nonsense"):
        answer = bare.get(file.link, headers={"If-Match": meant})
        assert answer.status_code == 412
        assert {"code", "message"} <= answer.json().keys()
    for meant in (etag, f'"another", {etag}', "*"):
        answer = bare.get(file.link, headers={"If-Match": meant, "Range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (206, file.content[:10])


def _altered(link: str) -> dict[str, str]:
    parts = urlsplit(link)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = f"{parts.scheme}://{parts.netloc}{parts.path}"
    expires, signature = query["expires"], query["signature"]
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    return {
        "signature": f"{path}?expires={expires}&signature={flipped}",
        "signature-cut": f"{path}?expires={expires}&signature={signature[:-1]}",
        "signature-empty": f"{path}?expires={expires}&signature=",
        "signature-missing": f"{path}?expires={expires}",
        "signature-not-ascii": f"{path}?expires={expires}&signature=%C3%A9",
        "later": f"{path}?expires={int(expires) + 1}&signature={signature}",
        "much-later": f"{path}?expires=999999999999&signature={signature}",
        "earlier": f"{path}?expires={int(expires) - 1}&signature={signature}",
        "expires-with-a-sign": f"{path}?expires=%2B{expires}&signature={signature}",
        "expires-with-a-zero": f"{path}?expires=0{expires}&signature={signature}x",
        "expires-in-other-digits": f"{path}?expires=%D9%A1&signature={signature}",
        "expires-huge": f"{path}?expires={'9' * 5000}&signature={signature}",
        "expires-missing": f"{path}?signature={signature}",
        "nothing": path,
    }


@pytest.mark.parametrize("change", _altered("http://h/p?expires=1&signature=AA"))
def test_an_altered_link_is_refused_as_json(change: str, file: Exported, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, proposed."""
    answer = bare.get(_altered(file.link)[change])
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/json"
    assert {"code", "message"} <= answer.json().keys()
    head = bare.head(_altered(file.link)[change])
    assert (head.status_code, head.content) == (403, b"")


def test_a_link_opens_its_own_file_only(exported: dict[str, Exported], bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, proposed: a signature moved to another job is refused, to an unknown one is not found;
    both as JSON."""
    csv, file = exported["csv"], exported["json"]
    moved = bare.get(file.link.replace(file.job, csv.job))
    assert moved.status_code == 403
    unknown = bare.get(file.link.replace(file.job, "0" * 8 + file.job[8:]))
    assert unknown.status_code in (403, 404)
    for answer in (moved, unknown):
        assert answer.headers["content-type"] == "application/json"
        assert csv.content not in answer.content
    renamed = file.link.replace("calls_2026", "other_2026")
    assert renamed != file.link
    assert bare.get(renamed).content == file.content  # the name in the path does not matter


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_refuses_methods_that_write(method: str, file: Exported, bare: httpx.Client) -> None:
    answer = bare.request(method, file.link)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/json"
    assert bare.get(file.link).content == file.content


def test_no_file_before_the_job_is_done(idle: Served) -> None:
    """Talkdesk contract 2.4, seen: a client polls the file itself and parses the 404 as JSON."""
    with idle.client(idle.tenant("early")) as client:
        job = client.create("calls", *DAY)
        answer = client.file("calls", job)
        assert_refused(answer, 404, "1020008")
        assert "entries" not in json.loads(answer.content)


def test_an_expired_link_is_replaced_by_the_next_status_request(hasty: Served, bare: httpx.Client) -> None:
    """Talkdesk contract 2.4, proposed: a link is valid for a short time; the URL of the file is valid as long as the
    file."""
    credential = hasty.tenant("links")
    with hasty.client(credential) as client:
        job = client.create("calls", *DAY, format_="csv")

        def linked() -> str | None:
            client.renew()  # tokens are valid for two seconds here
            answer = client.file("calls", job)
            return answer.headers["location"] if answer.status_code == 302 else None

        link = wait_for("the file", linked)

        def refused() -> httpx.Response | None:
            answer = bare.get(link)
            return answer if answer.status_code != 200 else None

        answer = wait_for("the end of the link", refused)
        assert int(parse_qs(urlsplit(link).query)["expires"][0]) <= time.time()
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/json"
        assert {"code", "message"} <= answer.json().keys()

        def content() -> bytes | None:
            renewed = linked()
            again = bare.get(renewed) if renewed else None
            return again.content if again is not None and again.status_code == 200 else None

        assert wait_for("the file by another link", content).startswith(b"Call Id,")
