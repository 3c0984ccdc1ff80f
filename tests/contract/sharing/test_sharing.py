"""Delta Sharing: versions of shared tables, who may read them, lists, errors and both response formats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from offtake.catalogue.publication import NATIVE
from offtake.core.admin import identity, jobs
from offtake.core.admin.erasure.erase import ErasureOptions, erase
from offtake.core.admin.tenant_removal import remove_tenant
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.outcome import rescue_expired_leases
from offtake.core.attempt.run import run_attempt
from offtake.core.auth.caller import Caller
from offtake.core.exports import retention
from offtake.core.exports.delete import delete_export
from offtake.core.exports.keep import release_export
from offtake.core.exports.read import JobRef
from offtake.core.sharing import tables
from offtake.errors import JobOnHold
from offtake.model.audit import AuditFilter
from offtake.model.job import Lease, Status
from offtake.model.shared_table import parse_table_name
from offtake.model.tenant import DEFAULT_SCOPES, DataAccess, Principal
from offtake.store import audit, job_claims
from tests.fixtures.care import call
from tests.fixtures.databases import fresh_database, state_setting
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.sharing import SharingWire, assert_refused, lines, path_of, recipient, refresh, share

CALLS = "partner.care.calls"
NOT_FOUND, INVALID = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"
TYPES = {
    "call_id": "string",
    "total_seconds": "long",
    "is_transfer": "boolean",
    "ended_at": "timestamp",
    "queue_names": {"type": "array", "elementType": "string", "containsNull": True},
}


def _tenant(here: InProcess, name: str, calls: int) -> None:
    here.installation.add_tenant(name)
    rows = [call(f"c{number}", f"2026-03-01T10:{number // 60 % 60:02}:{number % 60:02}Z") for number in range(calls)]
    here.installation.load("call", rows, tenant=name)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("sharing"), "[tenants.busy.sharing]\nrequests_per_minute = 1\n") as made:
        _tenant(made, "acme", 2_500)
        yield made


def _next_version(here: InProcess, name: str = CALLS, tenant: str = "acme") -> str:
    job, is_new = refresh(here.on, tenant, name)
    assert is_new
    here.advance(60)
    here.work()
    return job.id


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_finished_export_is_the_next_version(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Also if the worker dies between moving the files and publishing them: the second attempt is the version."""
    settings = "" if database == "sqlite" else state_setting(fresh_database(request.getfixturevalue("postgresql")))
    with in_process(tmp_path, settings) as here:
        if database == "postgresql":  # whose own clock decides when jobs are due
            here.now = datetime.now(UTC) + timedelta(minutes=1)
        _tenant(here, "acme", 2_500)
        share(here.on, "acme", CALLS, columns=list(TYPES), order=["call_id"], split={"rows": 1000})
        wire = SharingWire(here.http, recipient(here.on, "acme")[1])
        assert "no version" in assert_refused(wire.query(CALLS), 404, NOT_FOUND)
        first, _ = refresh(here.on, "acme", CALLS)
        assert refresh(here.on, "acme", CALLS) == (first, False)
        _die_before_publication(here)
        assert_refused(wire.get(f"{path_of(CALLS)}/version"), 404, NOT_FOUND)
        assert refresh(here.on, "acme", CALLS)[0].id == first.id
        here.advance(3600)
        here.work()
        assert wire.get(f"{path_of(CALLS.upper())}/version").headers["delta-table-version"] == "0"
        failed, _ = refresh(here.on, "acme", CALLS)
        jobs.cancel(failed.id, "operator", here.on)
        here.advance(60)
        second = _next_version(here)
        assert wire.head(path_of(CALLS)).headers["delta-table-version"] == "1"
        state = tables.get_table("acme", parse_table_name(CALLS), here.on)
        assert [(each.number, each.job) for each in state.versions] == [(0, first.id), (1, second)]
        _check_files(wire, here, first.id, second)


def _die_before_publication(here: InProcess) -> None:
    def die(point: str, lease: Lease) -> None:
        if point == "renamed":
            raise KeyboardInterrupt

    with here.on.database.write() as connection:
        now = here.on.now(connection)
        lease = job_claims.claim(connection, worker="dying", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    with pytest.raises(KeyboardInterrupt):
        run_attempt(lease, replace(here.on, reached=die), Cancellation())
    assert rescue_expired_leases(here.on, dead_worker="dying") == 1


def _check_files(wire: SharingWire, here: InProcess, first: str, second: str) -> None:
    """The files of the versions are those of the exports, with their rows, sizes and links."""
    answer = wire.query(CALLS, predicateHints=["call_id = 'c1'"], jsonPredicateHints="{", unknown=1)
    protocol, metadata, *files = lines(answer)
    assert protocol == {"protocol": {"minReaderVersion": 1}}
    table = metadata["metaData"]
    assert (table["partitionColumns"], table["format"], table["numFiles"]) == ([], {"provider": "parquet"}, 3)
    fields = json.loads(table["schemaString"])["fields"]
    assert {field["name"]: field["type"] for field in fields} == TYPES
    assert all(field["nullable"] and field["metadata"]["comment"] for field in fields)
    assert lines(wire.get(f"{path_of(CALLS)}/metadata")) == [protocol, metadata]
    found = [line["file"] for line in files]
    assert [json.loads(file["stats"])["numRecords"] for file in found] == [1000, 1000, 500]
    assert [file["id"] for file in found] == [f"{second}-{number}" for number in range(3)]
    assert all(file["partitionValues"] == {} and "version" not in file for file in found)
    rows = []
    for file in found:
        content = here.http.get(file["url"]).content
        head = here.http.head(file["url"])
        assert (len(content), head.headers["content-length"]) == (file["size"], str(file["size"]))
        assert head.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert here.http.get(file["url"], headers={"Range": "bytes=-4"}).content == b"PAR1"
        path = here.installation.home / "shared.parquet"
        path.write_bytes(content)
        rows += pq.read_table(path).column("call_id").to_pylist()
    assert rows == sorted(f"c{number}" for number in range(2_500))
    assert len(wire.files(CALLS, limitHint=1000)) == 1
    assert len(wire.files(CALLS, limitHint=1001)) == 2
    earlier = wire.files(CALLS, version=0)
    assert [file["id"] for file in earlier] == [f"{first}-{number}" for number in range(3)]
    assert {file["version"] for file in earlier} == {0}
    published = datetime.fromtimestamp((earlier[0]["timestamp"] + 1) / 1000, UTC)
    _check_time_travel(wire, published)


def _check_time_travel(wire: SharingWire, published: datetime) -> None:
    assert wire.query(CALLS, timestamp=published.isoformat()).headers["delta-table-version"] == "0"
    assert lines(wire.get(f"{path_of(CALLS)}/metadata", version=0))[1]["metaData"]["version"] == 0
    version = f"{path_of(CALLS)}/version"
    assert wire.get(version, startingTimestamp="2020-01-01T00:00:00+00:00").headers["delta-table-version"] == "0"
    later = f"{published + timedelta(days=1000):%Y-%m-%dT%H:%M:%SZ}"
    assert "Available are 0 to 1" in assert_refused(wire.get(version, startingTimestamp=later), 404, NOT_FOUND)
    assert_refused(wire.query(CALLS, timestamp="2020-01-01T00:00:00Z"), 404, NOT_FOUND)
    assert_refused(wire.query(CALLS, version=2), 404, NOT_FOUND)


def test_the_newest_version_stays_and_the_others_expire(here: InProcess) -> None:
    share(here.on, "acme", "kept.care.calls")
    wire = SharingWire(here.http, recipient(here.on, "acme", life=timedelta(days=3650))[1])
    name = "kept.care.calls"
    first, second = _next_version(here, name), _next_version(here, name)
    retention_days = here.on.limits[NATIVE].of("acme").retention.days
    for _ in range(2):  # the newest version outlives the retention, which the one before has since it is superseded
        here.advance((retention_days - 1) * 86_400)
        assert wire.query(name, version=1).status_code == 200
        retention.expire(here.on)
    assert jobs.get(first, here.on).status is Status.EXPIRED
    assert "Available are 1 to 1" in assert_refused(wire.query(name, version=0), 404, NOT_FOUND)
    client = Caller(principal=Principal(tenant="acme", credential="client", scopes=DEFAULT_SCOPES))
    ref = JobRef(id=second, dialect=NATIVE)
    for change in (delete_export, release_export):  # clients of the tenant see the export, and cannot remove it
        with pytest.raises(JobOnHold, match="shared table"):
            change(ref, client, here.on)
    tables.remove_table("acme", parse_table_name(name), "operator", here.on)
    assert_refused(wire.query(name), 404, NOT_FOUND)
    here.advance((retention_days + 1) * 86_400)
    retention.expire(here.on)
    assert jobs.get(second, here.on).status is Status.EXPIRED


def test_a_table_that_a_recipient_may_not_read_does_not_exist(here: InProcess) -> None:
    """Of another tenant, of another share, of another report, or with personal data: the same bytes everywhere."""
    _tenant(here, "other", 1)
    share(here.on, "other", "foreign.care.calls")
    share(here.on, "acme", "open.care.calls", columns=["call_id"])
    share(here.on, "acme", "open.care.people", personal=True)
    share(here.on, "acme", "second.care.calls")
    share(here.on, "acme", "open.care.status", report="user_status")
    for name in ("open.care.calls", "open.care.people"):
        _next_version(here, name)
    _next_version(here, "foreign.care.calls", "other")
    limited = DataAccess(reports=("calls",), personal=False, shares=("open", "foreign"))
    wire = SharingWire(here.http, recipient(here.on, "acme", access=limited)[1])
    assert wire.get("/shares").json() == {"items": [{"name": "open"}]}
    assert [item["name"] for item in wire.get("/shares/open/all-tables").json()["items"]] == ["calls"]
    (file,) = wire.files("open.care.calls")
    assert pq.read_table(_written(here, file["url"])).column_names == ["call_id"]
    unknown = assert_refused(wire.get("/shares/nothing"), 404, NOT_FOUND)
    denials = [(each.operation, each.dialect, each.count) for each in here.on.denials.take()]
    assert ("share.not_found", "sharing", 1) in denials
    for hidden in (
        "foreign.care.calls",
        "second.care.calls",
        "open.care.people",
        "open.care.status",
        "open.none.calls",
    ):
        for answer in _all_answers(wire, hidden):
            assert assert_refused(answer, 404, NOT_FOUND) == unknown
    everything = SharingWire(here.http, recipient(here.on, "acme")[1])
    (file,) = everything.files("open.care.people")
    with here.on.database.read() as connection:
        found = AuditFilter(tenant="acme", operation="artifact.link")
        (entry, *_) = [row.entry for row in audit.newest(connection, found, limit=1)]
    assert (entry.dialect, entry.job, entry.outcome) == ("sharing", file["id"][:36], "allowed")
    assert "customer_number" in pq.read_table(_written(here, file["url"])).column_names
    masked = json.loads(lines(wire.get(f"{path_of('open.care.calls')}/metadata"))[1]["metaData"]["schemaString"])
    assert [field["name"] for field in masked["fields"]] == ["call_id"]


def _all_answers(wire: SharingWire, name: str) -> Iterator[httpx.Response]:
    share_name, schema, _ = name.split(".")
    if share_name != "open":
        for path in (f"/shares/{share_name}", f"/shares/{share_name}/schemas", f"/shares/{share_name}/all-tables"):
            yield wire.get(path)
    if share_name != "open" or schema != "care":
        yield wire.get(f"/shares/{share_name}/schemas/{schema}/tables")
    for path in ("version", "metadata", "changes"):
        yield wire.get(f"{path_of(name)}/{path}")
    yield wire.query(name)
    yield wire.query(name, version=0)


def _written(here: InProcess, url: str) -> Path:
    path = here.installation.home / "read.parquet"
    path.write_bytes(here.http.get(url).content)
    return path


def test_a_token_ends_when_it_expires_or_is_revoked_and_links_end_with_it(here: InProcess) -> None:
    share(here.on, "acme", "brief.care.calls", columns=["call_id"])
    _next_version(here, "brief.care.calls")
    credential, token = recipient(here.on, "acme")
    wire = SharingWire(here.http, token)
    (file,) = wire.files("brief.care.calls")
    assert here.http.get(file["url"]).status_code == 200
    identity.revoke_credential(credential, here.on)
    revoked = assert_refused(wire.get("/shares"), 401, "UNAUTHENTICATED")
    assert here.http.get(file["url"]).status_code == 403
    short = SharingWire(here.http, recipient(here.on, "acme", life=timedelta(seconds=90))[1])
    (file,) = short.files("brief.care.calls")
    here.advance(91)
    assert assert_refused(short.get("/shares"), 401, "UNAUTHENTICATED") == revoked
    assert here.http.get(file["url"]).status_code == 403
    assert assert_refused(SharingWire(here.http, "x.y").get("/shares"), 401, "UNAUTHENTICATED") == revoked
    for other in (token, "x.y"):  # a recipient has no access to other APIs
        assert here.http.get("/v1/reports", headers={"Authorization": f"Bearer {other}"}).status_code == 401


def test_neither_an_erasure_nor_the_removal_of_the_tenant_spares_a_version(here: InProcess) -> None:
    """The hold of a shared table is no legal hold."""
    _tenant(here, "erased", 2)
    name = "gone.care.people"
    share(here.on, "erased", name, personal=True)
    first = _next_version(here, name, "erased")
    wire = SharingWire(here.http, recipient(here.on, "erased")[1])
    assert wire.query(name).status_code == 200
    now = ErasureOptions(wait=timedelta(0))
    erase("erased", "+420600000002", "operator", here.on, options=now)
    assert jobs.get(first, here.on).status is Status.DELETED
    assert "no version" in assert_refused(wire.query(name), 404, NOT_FOUND)
    _next_version(here, name, "erased")
    assert wire.query(name).headers["delta-table-version"] == "1"
    remove_tenant("erased", "operator", here.on, cancel_running=False)
    assert_refused(wire.get("/shares"), 401, "UNAUTHENTICATED")


def test_lists_have_pages_and_a_rate(here: InProcess) -> None:
    for tenant in ("pages", "busy"):
        here.installation.add_tenant(tenant)
    names = sorted(f"s{number}.{schema}.t" for number in range(3) for schema in ("a", "b"))
    for name in names:
        share(here.on, "pages", name)
    wire = SharingWire(here.http, recipient(here.on, "pages")[1])
    for path, expected in {
        "/shares": [{"name": f"s{number}"} for number in range(3)],
        "/shares/S1/schemas": [{"name": "a", "share": "s1"}, {"name": "b", "share": "s1"}],
    }.items():
        found, query = [], {"maxResults": 1}
        while query:
            page = wire.get(path, **query).json()
            assert len(page["items"]) <= 1
            found += page["items"]
            query = {"maxResults": 1, "pageToken": page["nextPageToken"]} if "nextPageToken" in page else {}
        assert found == expected
    limited = SharingWire(here.http, recipient(here.on, "busy")[1])
    assert limited.get("/shares").status_code == 200
    refused = limited.get("/shares")
    assert_refused(refused, 429, "TOO_MANY_REQUESTS")
    assert int(refused.headers["retry-after"]) <= 60
    nothing = wire.get("/shares/s1/all-tables", maxResults=0).json()
    everything = wire.get("/shares/s1/all-tables", pageToken=nothing["nextPageToken"]).json()
    assert (nothing["items"], "nextPageToken" in everything) == ([], False)
    assert [(item["share"], item["schema"], item["name"]) for item in everything["items"]] == [
        ("s1", "a", "t"),
        ("s1", "b", "t"),
    ]
    assert everything["items"][:1] == wire.get("/shares/s1/schemas/A/tables").json()["items"]
    assert wire.get("/shares/s1").json() == {"share": {"name": "s1"}}


def test_what_is_not_supported_is_refused_and_delta_is_spoken_on_request(here: InProcess) -> None:
    name = "formats.care.calls"
    share(here.on, "acme", name, columns=["call_id"])
    _next_version(here, name)
    wire = SharingWire(here.http, recipient(here.on, "acme")[1])
    for field, value in {"maxResults": "-1", "pageToken": "?", "startingTimestamp": "today"}.items():
        path = f"{path_of(name)}/version" if field == "startingTimestamp" else "/shares"
        assert field in assert_refused(wire.get(path, **{field: value}), 400, INVALID)
    for body in ({"limitHint": -1}, {"version": True}, {"timestamp": 1}, {"startingVersion": 0}):
        assert next(iter(body)) in assert_refused(wire.query(name, **body), 400, INVALID)
    assert_refused(wire.query(name, version=0, timestamp="2026-01-01T00:00:00Z"), 400, INVALID)
    changes = assert_refused(wire.get(f"{path_of(name)}/changes", startingVersion=0), 400, INVALID)
    assert changes.startswith(f"cdf is not enabled on table {name}")
    assert_refused(wire.get("/nothing"), 404, NOT_FOUND)
    both = {"delta-sharing-capabilities": "responseformat=delta,parquet;readerfeatures=deletionvectors"}
    assert wire.query(name, headers=both).headers["delta-sharing-capabilities"] == "responseformat=parquet"
    delta = wire.query(name, headers={"delta-sharing-capabilities": "responseformat=delta"})
    assert delta.headers["delta-sharing-capabilities"] == "responseformat=delta"
    protocol, metadata, file = lines(delta)
    assert protocol["protocol"]["deltaProtocol"] == {"minReaderVersion": 1, "minWriterVersion": 2}
    plain = lines(wire.query(name))
    assert metadata["metaData"]["deltaMetadata"]["schemaString"] == plain[1]["metaData"]["schemaString"]
    add = file["file"]["deltaSingleAction"]["add"]
    assert (add["size"], add["stats"]) == (plain[2]["file"]["size"], plain[2]["file"]["stats"])
    assert here.http.get(add["path"]).status_code == 200
