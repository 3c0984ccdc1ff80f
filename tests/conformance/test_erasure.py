"""Erasure of a person: killed at any part and repeated; a search of all bytes afterwards finds nothing."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from backports import zstd
from pyarrow import ipc, parquet
from sqlalchemy import select

from offtake.cli.watching import ad_hoc_source
from offtake.core.admin import identity
from offtake.core.admin import jobs as admin_jobs
from offtake.core.admin.erasure.erase import ErasureOptions, erase
from offtake.core.admin.erasure.file_scan import has_trace
from offtake.core.auth.caller import Caller
from offtake.core.exports.create import create_export
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.core.loads.undo import list_loads, undo
from offtake.core.services import Services
from offtake.core.sources import records
from offtake.core.sources.watch import load_new_files
from offtake.errors import JobStateConflict, StateError, UnknownName
from offtake.executor.worker import Worker, claim_next
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.data_subject import parse_subject
from offtake.model.job import Pin, Status
from offtake.model.load import LoadFilter
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.source import FileState, WatchPolicy
from offtake.model.tenant import CredentialKind, Principal, Scope, Tenant
from offtake.model.timespan import Timespan
from offtake.store import audit, jobs
from offtake.store.schema import metadata
from tests.fixtures.care import Row, call
from tests.fixtures.exports import EXPORT, caller, published
from tests.fixtures.workers import run_next_attempt

MINE, THEIRS = "acme", "umbra"
ANN, BOB = "ann@customer.example", "bob@customer.example"
PHONE, SPELLED = "+420777123456", "00420 777-123 456"
HOUR = "2026-03-02T10:00:00Z"
NOW = ErasureOptions(wait=timedelta(0))


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def rows() -> dict[str, list[Row]]:
    """Return rows of two customers; texts of one of them mention the other."""
    conversation = {"created_at": HOUR, "status": "open", "direction": "inbound"}
    post = {"happened_at": HOUR, "kind": "incoming"}
    return {
        "customer": [
            {"customer_id": "cust-ann", "email": "Ann@Customer.Example", "name": "Ann"},
            {"customer_id": ANN, "email": ANN},
            {"customer_id": "cust-bob", "email": BOB, "name": "Bob"},
        ],
        "author": [
            {"author_id": "author-ann", "person_id": "owner-ann", "network": "email", "screen_name": ANN.upper()},
            {"author_id": "author-two", "person_id": "owner-ann", "network": "chat", "name": "Second account"},
            {"author_id": "author-bob", "person_id": "owner-bob", "network": "email", "screen_name": BOB},
        ],
        "conversation": [
            {"conversation_id": "k1", "customer_id": "cust-ann", "author_id": "author-ann", "subject": "Quokka one"}
            | conversation,
            {"conversation_id": "k2", "customer_id": "cust-bob", "author_id": "author-bob", "subject": "Kept two"}
            | conversation,
        ],
        "post": [
            {"post_id": "p1", "conversation_id": "k1", "author_id": "author-ann", "body": "Quokka three"} | post,
            {"post_id": "p2", "conversation_id": "k1", "body": "Quokka four"} | post | {"kind": "response"},
            {"post_id": "p3", "conversation_id": "k2", "author_id": "author-two", "body": "Kept five"} | post,
            {"post_id": "p4", "conversation_id": "k2", "body": f"Ask <{ANN.title()}>."} | post,
            {"post_id": "p5", "conversation_id": "k2", "body": "Not joann@customer.example.org"} | post,
        ],
        "call": [
            call("ann", HOUR, customer_number=PHONE, notes="Quokka six"),
            call("bob", HOUR, notes=f"Forward to {SPELLED}", text_custom_1="Kept seven"),
            call("feb", "2026-02-02T10:00:00Z", notes="Kept eight"),
        ],
    }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in which two tenants have the same rows; an old version of a table has other files. It is copied."""
    folder = tmp_path_factory.mktemp("erasure")
    lake = Lake(FolderTableStorage(folder / "lake"))
    for name in (MINE, THEIRS):
        for table, listed in rows().items():
            file = folder / f"{table}.ndjson"
            older = [{**row, "number": 1} for row in listed] if table == "author" else []
            for version in filter(None, (older, listed)):
                file.write_text("".join(json.dumps(row) + "\n" for row in version))
                load(lake, tables()[table], [file], tenant=name)
    return folder / "lake"


@pytest.fixture
def on(services: Services, loaded: Path) -> Services:
    """Services with that lake and its tenants."""
    for name in (MINE, THEIRS):
        identity.add_tenant(Tenant(name=name), services)
    shutil.copytree(loaded, services.artifacts.root.parent / "lake", dirs_exist_ok=True)
    return services


def export(on: Services, month: int, *, tenant: str = MINE, **more: Any) -> str:
    """Create an export of the calls of a month by the person, in another tenant by another, and run it."""
    user = ANN if tenant == MINE else BOB
    first = datetime(2026, month, 1, tzinfo=UTC)
    span = Timespan(start=first, end=first + timedelta(days=28), zone="UTC")
    request = ExportRequest(dialect="native", report="calls", format="csv", timespan=span, name="calls")
    principal = Principal(tenant=tenant, credential="c", scopes=frozenset(Scope), user=user)
    job = create_export(replace(request, **more), Caller(principal=principal), on, key=f"{month} of {user}")
    run_next_attempt(on)
    return job.id


def stored_rows(tenant: str, on: Services) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the tenant in the newest version of each table."""
    found = {}
    for name, table in tables().items():
        delta = on.lake.open(table)
        files = () if delta is None else on.lake.files(delta, table, tenant)
        with on.lake.local(files) as local:
            found[name] = [
                row for file in local for row in parquet.read_table(file.path, partitioning=None).to_pylist()
            ]
    return {name: sorted(listed, key=str) for name, listed in found.items() if listed}


def everything(tmp_path: Path, on: Services) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file of the home and each table of the state database."""
    for path in tmp_path.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield str(path), str(parquet.read_table(path, partitioning=None).to_pylist())
    with on.database.write() as connection:
        for table in metadata.sorted_tables:
            yield table.name, str(connection.execute(select(table)).all())


def traces(tmp_path: Path, on: Services) -> list[str]:
    """Return what still has a value of the person, except for the other tenant's files and the ids in tombstones."""
    address, others = r"ann@customer\.example(?!\.org)", r"777.?123.?456|Quokka|owner-ann|cust-ann|author-ann"
    return [
        f"{name}: {found[0]}"
        for name, content in everything(tmp_path, on)
        if f"={THEIRS}" not in name and f"/{THEIRS}/" not in name
        for found in [re.search(address if "_tombstones" in name else f"{address}|{others}", content, re.IGNORECASE)]
        if found
    ]


def leave_files_of_killed_processes(on: Services) -> None:
    """Leave what a load and an attempt that were killed leave behind: staged rows and an unpublished file."""
    load_folder = on.lake.storage.staging / uuid.uuid4().hex
    load_folder.mkdir(parents=True)
    load_folder.with_suffix(".lock").touch()
    for path in (load_folder / "chunk", on.artifacts.staging(str(uuid.uuid4()), 1, "csv")):
        path.write_text(f"rows of {ANN}")


def erase_with_kills(person: str, on: Services) -> dict[str, Any]:
    """Erase; the process ends at each part once, and the command is repeated."""
    reached: set[str] = set()
    if on.database.file is None:  # the parts are the same on each database
        return erase(MINE, person, "root", on, options=NOW).to_json()

    def killed_at_each_new_part(part: str) -> None:
        if part not in reached:
            reached.add(part)
            raise Killed

    while True:
        try:
            receipt = erase(MINE, person, "root", on, options=NOW, progress=killed_at_each_new_part)
        except Killed:
            continue
        assert {"search", "artifacts", "verification", "state database"} <= reached
        return receipt.to_json()


def test_nothing_of_the_person_is_left_and_nothing_else_is_touched(on: Services, tmp_path: Path) -> None:
    other = stored_rows(THEIRS, on)
    filtered = ReportParameters(customer_emails=(ANN,))
    number = ColumnFilter(column="customer_number", operator=FilterOperator.EQ, values=(PHONE,))
    march, february = export(on, 3, parameters=filtered, filters=(number,), name=f"of {ANN}"), export(on, 2)
    theirs = export(on, 3, tenant=THEIRS)
    mentioned, file = published(on)
    file.write_text(f"a report of {ANN}")
    for kind in (CredentialKind.BASIC, CredentialKind.TOKEN):
        identity.add_credential(MINE, kind, on, user=ANN, permissions=identity.Permissions())

    leave_files_of_killed_processes(on)
    tags = tmp_path / "in" / "tag.csv"
    tags.parent.mkdir()
    tags.write_text("tag_id,name\n1,one\n")
    target = Target(tenant=MINE, table=tables()["tag"], actor="root")
    loaded = changes.load(target, [tags], LoadOptions(), lambda rows: None, on)
    source = replace(ad_hoc_source(str(tags.parent), "*.csv", target), policy=WatchPolicy(unchanged=timedelta(0)))
    spelled = (f"2 of {ANN.title()}.csv", f"3 tel {SPELLED}.csv", "4 cust-ann.csv", "5_author-ann_b.csv", "6 bad.csv")
    for name in spelled:
        tags.with_name(name).write_text("tag_id,nam\n" if "bad" in name or "tel" in name else "tag_id,name\n1,one\n")
    load_new_files(source, on, Event())
    with on.database.write() as connection:
        entry = AuditEntry(operation="file.read", dialect="native", tenant=MINE, principal=None, actor=f"Tel {SPELLED}")
        audit.record(connection, entry, now=on.clock())

    plan = erase(MINE, f" {ANN.upper()}", "root", on, options=replace(NOW, dry_run=True)).to_json()
    assert {
        each["table"]: (each["rows_removed"], each["rows_blanked"])
        for each in plan["tables"]
        if each["rows_removed"] + each["rows_blanked"]
    } == {
        "customer": (2, 0),
        "author": (2, 0),
        "conversation": (0, 1),
        "post": (0, 4),
    }
    assert stored_rows(MINE, on).keys() == {*other, "tag"}
    assert len(traces(tmp_path, on)) > 10
    receipt = erase_with_kills(ANN, on)
    counts = {each["table"]: (each["rows_removed"], each["rows_blanked"]) for each in receipt["tables"]}
    assert [counts[name] for name in ("customer", "author", "conversation", "post", "call")] == [
        (2, 0),
        (2, 0),
        (0, 1),
        (0, 4),
        (0, 0),
    ]
    assert receipt["artifacts"] == [{"job": mentioned, "reason": "search of the files"}]
    receipt = erase(MINE, SPELLED, "root", on, options=NOW).to_json()
    assert receipt["artifacts"] == [{"job": march, "reason": "rows of call"}]
    assert (receipt["subject"][:12], receipt["by"], ANN in str(receipt)) == ("hmac-sha256:", "root", False)

    assert loaded.id is not None
    with pytest.raises(StateError, match="a person was erased"):
        undo(loaded.id, "root", on, is_dry_run=False)
    loads_before = len(list_loads(LoadFilter(), on, limit=100))
    assert not load_new_files(source, on, Event())
    assert len(list_loads(LoadFilter(), on, limit=100)) == loads_before  # no file is new, though the names are gone
    (known,) = records.list_sources(on)
    listed = {each.name: each.state for each in records.files(known, on)}
    assert sorted(name for name in listed if not name.startswith("erased-")) == ["6 bad.csv", "tag.csv"]
    assert sorted(listed.values()) == [FileState.LOADED] * 4 + [FileState.QUARANTINED] * 2
    tags.with_name(spelled[1]).write_text("tag_id,name\n1,two\n")  # a corrected file is loaded under its record
    assert not load_new_files(source, on, Event())
    assert {each.name: each.state for each in records.files(known, on)} == {
        name: state if name == "6 bad.csv" else FileState.LOADED for name, state in listed.items()
    }
    for name in spelled:
        tags.with_name(name).unlink()
    assert erase(MINE, SPELLED, "root", on, options=NOW).to_json()["records"] == {"load": 1}
    assert traces(tmp_path, on) == []
    assert stored_rows(THEIRS, on) == other
    kept = stored_rows(MINE, on)
    assert [row["customer_id"] for row in kept["customer"]] == ["cust-bob"]
    assert [row["author_id"] for row in kept["author"]] == ["author-bob"]
    bodies = {row["post_id"]: (row["author_id"], row["body"]) for row in kept["post"]}
    nothing = (None, None)
    assert [bodies[f"p{n}"] for n in range(1, 6)] == [
        nothing,
        nothing,
        (None, None),
        nothing,
        (None, "Not joann@customer.example.org"),
    ]
    assert {row["call_id"]: (row["customer_number"], row["notes"], row["text_custom_1"]) for row in kept["call"]} == {
        "ann": ("", None, None),
        "bob": ("+420600000002", None, "Kept seven"),
        "feb": ("+420600000002", "Kept eight", None),
    }
    for job, status in (
        (march, Status.DELETED),
        (mentioned, Status.DELETED),
        (february, Status.SUCCEEDED),
        (theirs, Status.SUCCEEDED),
    ):
        found = admin_jobs.get(job, on)
        assert (found.status, found.failure.code if found.failure else None) == (
            status,
            "erased" if status is Status.DELETED else None,
        )
    assert identity.list_credentials(MINE, on) == []


def test_what_prevents_an_erasure_is_said_before_anything_is_lost(on: Services) -> None:
    job = create_export(EXPORT, caller(), on)
    lease = claim_next(on, Worker(name="w"))
    assert lease is not None
    delta = on.lake.open(tables()["call"])
    assert delta is not None
    with on.database.write() as connection:
        jobs.pin(connection, lease, Pin(report_version="1", lake_versions={"call": delta.version()}))
    with pytest.raises(JobStateConflict, match=f"1 exports, such as {job.id}, still read"):
        erase(MINE, PHONE, "root", on, options=NOW)
    receipt = erase(MINE, PHONE, "root", on, options=replace(NOW, cancel_running=True))
    assert (receipt.cancelled, admin_jobs.get(job.id, on).status) == ([job.id], Status.CANCELLED)

    held = export(on, 3)
    admin_jobs.hold(held, "root", on)
    before = stored_rows(MINE, on)
    with pytest.raises(JobStateConflict, match="on hold"):
        erase(MINE, "+420600000002", "root", on, options=NOW)
    assert stored_rows(MINE, on) == before

    with pytest.raises(UnknownName, match="customer:unknown-id"):
        erase(MINE, "unknown-id", "root", on, options=NOW)
    with pytest.raises(UnknownName, match=r"write it with its country code, as \+420"):
        erase(MINE, "0777 123 456", "root", on, options=NOW)
    by_id = erase(MINE, "cust-ann", "root", on, options=replace(NOW, dry_run=True))
    assert by_id.values == {"email": 1, "author": 2, "conversation": 1, "customer": 2, "owner": 1}
    for wrong in ("", "+12", "0777 x"):
        with pytest.raises((ValueError, UnknownName)):
            erase(MINE, wrong, "root", on, options=NOW)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Ann@Customer.Example", True),
        ("write to ann@customer.example.", True),
        ("https://x.example/?to=ann%40customer.example&x=1", True),
        ("joann@customer.example", False),
        ("ann@customer.example.org", False),
        ("+420777123456", True),
        ("00420 777 123 456,", True),
        ("(0)777/123-456", True),
        ("tel 777 123 456", True),
        ("1777123456", False),
        ("7771234567", False),
    ],
)
def test_a_mention_is_found_in_any_spelling(text: str, is_found: bool) -> None:
    subjects = [parse_subject(each) for each in (ANN, PHONE)]
    assert subjects[0] is not None
    assert subjects[1] is not None
    subject = subjects[0].united(subjects[1])
    assert subject.is_in(text) is is_found
    pattern = {"pattern": subject.mention, "text": text}
    assert duckdb.execute("SELECT regexp_matches($text, $pattern)", pattern).fetchall() == [(is_found,)]


def _parquet(text: str) -> bytes:
    sink = BytesIO()
    parquet.write_table(pa.table({"number": [1, 2], "texts": [["a"], [text]]}), sink)
    return sink.getvalue()


def _arrow(text: str) -> bytes:
    sink, table = BytesIO(), pa.table({"text": ["a", text]})
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _workbook(text: str) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/worksheets/sheet1.xml", f"<c><is><t>{text.replace('&', '&amp;')}</t></is></c>")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        ("csv", str.encode),
        ("csv.gz", lambda text: gzip.compress(text.encode())),
        ("ndjson.zst", lambda text: zstd.compress(text.encode())),
        ("parquet", _parquet),
        ("arrow", _arrow),
        ("xlsx", _workbook),
    ],
)
def test_a_file_of_each_format_is_searched(suffix: str, encode: Callable[[str], bytes]) -> None:
    subject = parse_subject("a&nn@customer.example")
    assert subject is not None
    assert subject.trace is not None
    for text, is_found in (("x,a&nn@customer.example,y", True), ("x,bob@customer.example,y", False)):
        content = encode(text)
        pieces = [content[first : first + 7] for first in range(0, len(content), 7)]
        assert has_trace(f"files/acme/1.{suffix}", pieces, subject.trace) is is_found
